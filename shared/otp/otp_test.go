package otp_test

import (
	"encoding/csv"
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/test/req"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newRing(t testing.TB) *keys.Ring {
	t.Helper()
	ring, err := keys.NewTestRing()
	must(t, err)
	return ring
}

func TestCodesOfTheStandard(t *testing.T) {
	t.Parallel()
	file, err := os.Open("testdata/gmt0021-sm3.csv")
	must(t, err)
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	must(t, err)
	if len(rows) != 6 {
		t.Fatalf("%d rows, want 5 and their names", len(rows))
	}
	for _, row := range rows[1:] {
		key, err := hex.DecodeString(row[0])
		must(t, err)
		factor, err := strconv.ParseUint(row[1], 10, 64)
		must(t, err)
		counter, err := strconv.ParseUint(row[2], 10, 32)
		must(t, err)
		if got := otp.Code(key, factor, uint32(counter), row[3]); got != row[4] {
			t.Errorf("%v: %s", row, got)
		}
	}
}

// The length is no setting; a smaller one would not build.
const _ = uint(otp.Digits - 6)

func TestCodesAreSixRandomDigits(t *testing.T) {
	t.Parallel()
	req.Covers(t, "OTP-003")
	const sample = 20_000
	var count [otp.Digits][10]float64
	ring, leading, seen := newRing(t), 0, map[string]bool{}
	for range sample {
		code := otp.Compute(ring, otp.NewNonce(), []byte("binding"), issued)
		if len(code) != otp.Digits || strings.Trim(code, "0123456789") != "" {
			t.Fatalf("code %q", code)
		}
		if code[0] == '0' {
			leading++
		}
		seen[code] = true
		for place, digit := range code {
			count[place][digit-'0']++
		}
	}
	if leading == 0 {
		t.Error("no code has a leading zero")
	}
	if len(seen) < sample*98/100 { // about 200 of them are drawn twice
		t.Errorf("%d of %d codes are different", len(seen), sample)
	}
	for place, digits := range count {
		const each, never = sample / 10, 70.0 // chi-square with nine degrees of freedom: less than once in 10^11 runs
		deviation := 0.0
		for _, n := range digits {
			deviation += (n - each) * (n - each) / each
		}
		if deviation > never {
			t.Errorf("digits at %d are not uniform: %v", place, digits)
		}
	}
}

// A code is the same for the same challenge, and any change to that gives codes
// that agree no more often than chance has it.
func TestCodesAreTheirChallengesOwn(t *testing.T) {
	t.Parallel()
	ring, other := newRing(t), newRing(t)
	equal, drawn := map[string]int{}, 0
	rapid.Check(t, func(t *rapid.T) {
		nonce := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "nonce")
		binding := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "binding")
		code := otp.Compute(ring, nonce, binding, issued)
		if otp.Compute(ring, nonce, binding, issued) != code {
			t.Fatal("the code differs when it is computed again")
		}
		drawn++
		changed := append([]byte{binding[0] ^ 1}, binding[1:]...)
		for name, otherCode := range map[string]string{
			"binding": otp.Compute(ring, nonce, changed, issued), "second": otp.Compute(ring, nonce, binding, issued.Add(time.Second)),
			"nonce": otp.Compute(ring, append([]byte{nonce[0] ^ 1}, nonce[1:]...), binding, issued),
			"ring":  otp.Compute(other, nonce, binding, issued), "cut": otp.Compute(ring, append(nonce, binding[0]), binding[1:], issued),
		} {
			if otherCode == code {
				equal[name]++
			}
		}
	})
	for name, n := range equal {
		if n > 2 {
			t.Errorf("another %s: %d of %d codes are the same", name, n, drawn)
		}
	}
}
