// Package money holds amounts as whole fen (1/100 CNY) in an int64.
//
// No float ever touches an amount. On the wire an amount is a JSON integer of fen,
// never a string, a fraction or an exponent (INPUT-001); people see it as yuan with
// two decimals, and in Chinese capitals in texts that they confirm.
package money

import (
	"errors"
	"strconv"
	"strings"
)

// Fen is an amount in fen. The zero value is no money.
type Fen int64

// Max is the largest amount that the bank accepts. It is small enough that no sum of
// balances overflows an int64.
const Max Fen = 1_000_000_000_000_00

// ErrFormat refuses a text that is not an amount.
var ErrFormat = errors.New("money: not an amount of yuan with at most two decimals")

// Parse reads an amount of yuan: digits, and at most two decimals. It refuses signs,
// exponents, separators and full-width digits.
func Parse(text string) (Fen, error) {
	whole, part, dotted := strings.Cut(text, ".")
	if whole == "" || len(whole) > 13 || dotted && (part == "" || len(part) > 2) {
		return 0, ErrFormat
	}
	for len(part) < 2 {
		part += "0"
	}
	digits := whole + part
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, ErrFormat
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || Fen(n) > Max {
		return 0, ErrFormat
	}
	return Fen(n), nil
}

// Yuan writes the amount for display: 1,234,567.89.
func (f Fen) Yuan() string {
	sign, n := "", uint64(f)
	if f < 0 {
		sign, n = "-", uint64(-f)
	}
	whole := strconv.FormatUint(n/100, 10)
	var b strings.Builder
	b.WriteString(sign)
	for i, digit := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	b.WriteByte('.')
	b.WriteByte('0' + byte(n/10%10))
	b.WriteByte('0' + byte(n%10))
	return b.String()
}
