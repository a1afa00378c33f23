package sm_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
)

// rounds is a small number, so that the tests are fast.
const rounds = 1000

// A check costs the rounds that are asked for, whatever is stored. Only a text with more
// rounds costs more.
func TestEveryCheckCostsTheSameRounds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ stored, want int }{{10, rounds}, {rounds, rounds}, {2 * rounds, 2 * rounds}} {
		stored, err := sm.HashPassword([]byte("739164"), tt.stored)
		check.Must(t, err)
		if got := sm.PasswordRounds(stored); got != tt.stored {
			t.Errorf("stored with %d rounds, want %d", got, tt.stored)
		}
		for guess, want := range map[string]error{"739164": nil, "000000": sm.ErrPassword, "": sm.ErrPassword} {
			computed, err := sm.CheckPassword(stored, []byte(guess), rounds)
			if computed != tt.want || !errors.Is(err, want) {
				t.Errorf("%q for a text of %d rounds: %d rounds, %v; want %d, %v", guess, tt.stored, computed, err, tt.want, want)
			}
		}
	}
	if computed, err := sm.CheckPassword("", nil, rounds); computed != rounds || !errors.Is(err, sm.ErrPassword) {
		t.Errorf("nothing stored: %d rounds, %v", computed, err)
	}
	if got := sm.PasswordRounds("none"); got != 0 {
		t.Errorf("a text that is none has %d rounds", got)
	}
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	for _, password := range []string{"tide-2026x", "739164", "", "密码 with spaces", strings.Repeat("x", 5000), "nul\x00inside"} {
		stored, err := sm.HashPassword([]byte(password), rounds)
		check.Must(t, err)
		if _, err := sm.CheckPassword(stored, []byte(password), rounds); err != nil {
			t.Errorf("%.20q: %v", password, err)
		}
		if password != "" && strings.Contains(stored, password) {
			t.Errorf("%.20q stands in clear in what is stored", password)
		}
		for _, wrong := range []string{password + "x", "y" + password, strings.ToUpper(password) + " "} {
			if _, err := sm.CheckPassword(stored, []byte(wrong), rounds); !errors.Is(err, sm.ErrPassword) {
				t.Errorf("%.20q passes for %.20q: %v", wrong, password, err)
			}
		}
	}
}

func TestEqualPasswordsAreStoredDifferently(t *testing.T) {
	t.Parallel()
	stored := map[string]bool{}
	for range 10 {
		text, err := sm.HashPassword([]byte("739164"), rounds)
		check.Must(t, err)
		parts := strings.Split(text, "$")
		stored["salt "+parts[2]], stored["sum "+parts[3]] = true, true
	}
	if len(stored) != 20 {
		t.Errorf("of 10 salts and sums %d are different", len(stored))
	}
}

func TestMalformedStoredPasswords(t *testing.T) {
	t.Parallel()
	good, err := sm.HashPassword([]byte("739164"), rounds)
	check.Must(t, err)
	parts := strings.Split(good, "$")
	scheme, count, salt, sum := parts[0], parts[1], parts[2], parts[3]
	for name, fields := range map[string][]string{
		"nothing": {""}, "one field": {scheme}, "three fields": {scheme, count, salt}, "five fields": {scheme, count, salt, sum, ""},
		"another scheme": {"pbkdf2-sha256", count, salt, sum}, "no scheme": {"", count, salt, sum},
		"no rounds": {scheme, "", salt, sum}, "zero rounds": {scheme, "0", salt, sum}, "negative": {scheme, "-1000", salt, sum},
		"other rounds": {scheme, "999", salt, sum}, "endless rounds": {scheme, "999999999", salt, sum},
		"rounds beyond any number": {scheme, strings.Repeat("9", 40), salt, sum}, "hexadecimal rounds": {scheme, "0x3e8", salt, sum},
		"no salt": {scheme, count, "", sum}, "salt not base64": {scheme, count, "***", sum}, "salt cut": {scheme, count, salt[4:], sum},
		"no sum": {scheme, count, salt, ""}, "sum not base64": {scheme, count, salt, "***"}, "sum cut": {scheme, count, salt, sum[:40]},
		"sum longer": {scheme, count, salt, sum + "AAAA"}, "places changed": {scheme, count, sum, salt}, "clear text": {"739164"},
	} {
		computed, err := sm.CheckPassword(strings.Join(fields, "$"), []byte("739164"), rounds)
		if !errors.Is(err, sm.ErrPassword) || computed != rounds {
			t.Errorf("%s: %v after %d rounds, want ErrPassword after %d", name, err, computed, rounds)
		}
	}
}
