package otp_test

import (
	"encoding/binary"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"math/big"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tjfoc/gmsm/sm4"
	"pgregory.net/rapid"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/req"
)

// The known answers of the standard, by both of its algorithms.
func TestCodesOfTheStandard(t *testing.T) {
	t.Parallel()
	req.Covers(t, "OTP-005.1")
	for name, tt := range map[string]struct {
		rows int
		code func(key []byte, factor uint64, counter uint32, challenge string) string
	}{
		"sm3": {5, otp.Code},
		"sm4": {6, func(key []byte, factor uint64, counter uint32, challenge string) string {
			return otp.CodeSM4(sm.Key(key), factor, counter, challenge)
		}},
	} {
		file, err := os.Open("testdata/gmt0021-" + name + ".csv")
		check.Must(t, err)
		rows, err := csv.NewReader(file).ReadAll()
		check.Must(t, err)
		check.Must(t, file.Close())
		if len(rows) != 1+tt.rows {
			t.Fatalf("%s: %d rows, want %d and their names", name, len(rows), tt.rows)
		}
		for _, row := range rows[1:] {
			key, err := hex.DecodeString(row[0])
			check.Must(t, err)
			factor, err := strconv.ParseUint(row[1], 10, 64)
			check.Must(t, err)
			counter, err := strconv.ParseUint(row[2], 10, 32)
			check.Must(t, err)
			if got := tt.code(key, factor, uint32(counter), row[3]); got != row[4] {
				t.Errorf("%s, %v: %s", name, row, got)
			}
		}
	}
}

// theirCode is the code by SM4 of another implementation, block by block.
func theirCode(t *testing.T, key []byte, factor uint64, counter uint32, challenge string) string {
	t.Helper()
	input := binary.BigEndian.AppendUint64(nil, factor)
	input = append(binary.BigEndian.AppendUint32(input, counter), challenge...)
	for len(input)%16 != 0 {
		input = append(input, 0)
	}
	modulus, sum := new(big.Int).Lsh(big.NewInt(1), 128), make([]byte, 16)
	now := new(big.Int).SetBytes(key)
	for ; len(input) > 0; input = input[16:] {
		block, err := sm4.NewCipher(now.FillBytes(make([]byte, 16)))
		check.Must(t, err)
		block.Encrypt(sum, input[:16])
		now.Add(now, new(big.Int).SetBytes(sum)).Mod(now, modulus)
	}
	var folded uint32
	for i := 0; i < 16; i += 4 {
		folded += binary.BigEndian.Uint32(sum[i:])
	}
	return fmt.Sprintf("%06d", folded%1_000_000)
}

// Codes by SM4 are those of another implementation, for challenges of any length.
func TestCodesBySM4(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(rt, "key")
		factor, counter := rapid.Uint64().Draw(rt, "factor"), rapid.Uint32().Draw(rt, "counter")
		challenge := rapid.StringMatching(`[0-9]{0,60}`).Draw(rt, "challenge")
		if got, want := otp.CodeSM4(sm.Key(key), factor, counter, challenge), theirCode(t, key, factor, counter, challenge); got != want {
			rt.Errorf("%s, want %s", got, want)
		}
	})
}

// TestCodesAreSixRandomDigits draws a sample and tests it by chi-square, at a
// significance of 0.0001, for the uniformity of its first and of its last three
// digits. A good generator fails once in 5,000 samples, so a second may be drawn.
func TestCodesAreSixRandomDigits(t *testing.T) {
	t.Parallel()
	req.Covers(t, "OTP-003.1", "OTP-003.2")
	const limit = 1174.0 // of chi-square with 999 degrees of freedom, at 0.0001
	ring := keytest.New(t)
	first, last := sample(t, ring)
	if first > limit || last > limit {
		t.Logf("the first sample: %v and %v", first, last)
		if first, last = sample(t, ring); first > limit || last > limit {
			t.Errorf("codes are not uniform: chi-square %v and %v, at most %v", first, last, limit)
		}
	}
}

// sample draws 100,000 codes and returns the chi-square of their first and last
// three digits.
func sample(t *testing.T, ring *keys.Ring) (first, last float64) {
	t.Helper()
	const size, bins = 100_000, 1000
	var firsts, lasts [bins]float64
	leading, seen := 0, map[int]bool{}
	for range size {
		code := otp.Compute(ring, otp.NewNonce(), []byte("binding"), issued)
		if len(code) != 6 || strings.Trim(code, "0123456789") != "" {
			t.Fatalf("code %q", code)
		}
		if code[0] == '0' {
			leading++
		}
		n, err := strconv.Atoi(code)
		check.Must(t, err)
		seen[n] = true
		firsts[n/bins]++
		lasts[n%bins]++
	}
	if leading < size/20 {
		t.Errorf("%d of %d codes have a leading zero, want a tenth", leading, size)
	}
	if len(seen) < 94_500 { // random codes leave about 95,160
		t.Errorf("only %d of %d codes are different", len(seen), size)
	}
	const each = size / bins
	for i := range bins {
		first += (firsts[i] - each) * (firsts[i] - each) / each
		last += (lasts[i] - each) * (lasts[i] - each) / each
	}
	return first, last
}

// The same challenge gives the same code. Codes of a changed challenge agree no more
// often than random ones.
func TestCodesAreTheirChallengesOwn(t *testing.T) {
	t.Parallel()
	ring, other := keytest.New(t), keytest.New(t)
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
