package password

import (
	"strings"

	"github.com/tidebank/tidebank/shared/bankerr"
)

// ErrWeak refuses a new password; its cause names the field.
var ErrWeak = bankerr.New(bankerr.Invalid, "PASSWORD_WEAK")

// New holds a customer's new passwords, in clear, and the personal numbers that they
// must not resemble.
type New struct {
	Login, Trade string
	Phone, IDNo  string
}

const (
	loginMin, loginMax = 6, 32
	tradeLength        = 6
	personalRun        = 6 // a password must not contain so many digits in a row of an identity number or phone
)

// common holds the passwords that attackers guess first. A long entry also matches
// inside a password's letters and digits.
var common = []string{
	"password", "passw0rd", "admin123", "abc123", "a123456", "123456a", "qq123456", "woaini", "iloveyou", "letmein",
	"1q2w3e", "qwe123", "123qwe", "aa123456", "111111a", "welcome",
}

var keyboardRows = []string{"qwertyuiop", "asdfghjkl", "zxcvbnm", "1234567890", "1qaz2wsx3edc"}

// Check refuses passwords that break PWD-001 to PWD-003 or PWD-012; ErrWeak names
// the field, login_password or trade_password.
func (p New) Check() error {
	switch {
	case len(p.Login) < loginMin || len(p.Login) > loginMax || !hasBoth(p.Login) || guessable(p.Login):
		return weak("login_password")
	case len(p.Trade) != tradeLength || !allDigits(p.Trade) || regular(p.Trade):
		return weak("trade_password")
	case p.Login == p.Trade || strings.Contains(p.Login, p.Trade):
		return weak("trade_password")
	}
	for _, n := range []struct{ field, password string }{{"login_password", p.Login}, {"trade_password", p.Trade}} {
		if sharesRun(n.password, p.Phone) || sharesRun(n.password, p.IDNo) {
			return weak(n.field)
		}
	}
	return nil
}

func weak(field string) error { return ErrWeak.Because(bankerr.InvalidField(field, "weak")) }

// hasBoth reports whether the text has letters and digits (PWD-012).
func hasBoth(text string) bool {
	letter, digit := false, false
	for _, r := range text {
		letter = letter || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		digit = digit || r >= '0' && r <= '9'
	}
	return letter && digit
}

func allDigits(text string) bool { return strings.Trim(text, "0123456789") == "" }

// guessable reports whether the text is a common password, or has a run of five or
// more keys of a keyboard row.
func guessable(text string) bool {
	lower := strings.ToLower(text)
	for _, c := range common {
		if lower == c || len(c) >= 7 && strings.Contains(lower, c) {
			return true
		}
	}
	for _, row := range keyboardRows {
		for i := 0; i+5 <= len(row); i++ {
			if strings.Contains(lower, row[i:i+5]) {
				return true
			}
		}
	}
	return false
}

// regular reports whether the digits are repeated, ascending, descending or
// patterned: 111111, 123456, 654321, 121212, 112233 (PWD-002).
func regular(d string) bool {
	up, down, same := true, true, true
	for i := 1; i < len(d); i++ {
		up = up && d[i] == d[i-1]+1
		down = down && d[i]+1 == d[i-1]
		same = same && d[i] == d[i-1]
	}
	pairs := d[0] == d[1] && d[2] == d[3] && d[4] == d[5]
	twos := d[:2] == d[2:4] && d[2:4] == d[4:]
	threes := d[:3] == d[3:]
	return up || down || same || pairs || twos || threes
}

// sharesRun reports whether the password contains six digits in a row of the personal
// number (PWD-001).
func sharesRun(password, number string) bool {
	for i := 0; i+personalRun <= len(number); i++ {
		if strings.Contains(password, number[i:i+personalRun]) {
			return true
		}
	}
	return false
}
