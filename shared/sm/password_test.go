package sm_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
)

func TestPasswords(t *testing.T) {
	t.Parallel()
	for _, password := range []string{"tide-2026x", "739164", "", "密码 with spaces", strings.Repeat("x", 5000), "nul\x00inside"} {
		stored, err := sm.HashPassword([]byte(password))
		check.Must(t, err)
		if err := sm.CheckPassword(stored, []byte(password)); err != nil {
			t.Errorf("%.20q: %v", password, err)
		}
		if password != "" && strings.Contains(stored, password) {
			t.Errorf("%.20q stands in clear in what is stored", password)
		}
		for _, wrong := range []string{password + "x", "y" + password, strings.ToUpper(password) + " "} {
			if err := sm.CheckPassword(stored, []byte(wrong)); !errors.Is(err, sm.ErrPassword) {
				t.Errorf("%.20q passes for %.20q: %v", wrong, password, err)
			}
		}
	}
}

func TestEqualPasswordsAreStoredDifferently(t *testing.T) {
	t.Parallel()
	stored := map[string]bool{}
	for range 10 {
		text, err := sm.HashPassword([]byte("739164"))
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
	good, err := sm.HashPassword([]byte("739164"))
	check.Must(t, err)
	parts := strings.Split(good, "$")
	scheme, rounds, salt, sum := parts[0], parts[1], parts[2], parts[3]
	for name, fields := range map[string][]string{
		"nothing": {""}, "one field": {scheme}, "three fields": {scheme, rounds, salt}, "five fields": {scheme, rounds, salt, sum, ""},
		"another scheme": {"pbkdf2-sha256", rounds, salt, sum}, "no scheme": {"", rounds, salt, sum},
		"no rounds": {scheme, "", salt, sum}, "zero rounds": {scheme, "0", salt, sum}, "negative": {scheme, "-10000", salt, sum},
		"other rounds": {scheme, "9999", salt, sum}, "endless rounds": {scheme, "999999999", salt, sum},
		"rounds beyond any number": {scheme, strings.Repeat("9", 40), salt, sum}, "hexadecimal rounds": {scheme, "0x2710", salt, sum},
		"no salt": {scheme, rounds, "", sum}, "salt not base64": {scheme, rounds, "***", sum}, "salt cut": {scheme, rounds, salt[4:], sum},
		"no sum": {scheme, rounds, salt, ""}, "sum not base64": {scheme, rounds, salt, "***"}, "sum cut": {scheme, rounds, salt, sum[:40]},
		"sum longer": {scheme, rounds, salt, sum + "AAAA"}, "places changed": {scheme, rounds, sum, salt}, "clear text": {"739164"},
	} {
		if err := sm.CheckPassword(strings.Join(fields, "$"), []byte("739164")); !errors.Is(err, sm.ErrPassword) {
			t.Errorf("%s: %v, want ErrPassword", name, err)
		}
	}
}
