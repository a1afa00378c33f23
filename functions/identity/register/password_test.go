package register_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/req"
)

// weak applies with two passwords and sees that the named one is refused as weak.
func (w fixture) weak(t *testing.T, field, loginPassword, tradePassword string) {
	t.Helper()
	r := w.right(t, "123456") // passwords are looked at before the code
	r.LoginPassword, r.TradePassword = w.phone.Password(t, loginPassword), w.phone.Password(t, tradePassword)
	got := w.apply(t, r)
	if got.Code != "PASSWORD_WEAK" || got.Problem.Field != field {
		t.Errorf("%q and %q: %q of %q, want PASSWORD_WEAK of %s", loginPassword, tradePassword, got.Code, got.Problem.Field, field)
	}
}

// passes applies with two passwords that are good as to form: only the code is wrong.
func (w fixture) passes(t *testing.T, loginPassword, tradePassword string) {
	t.Helper()
	r := w.right(t, "123456")
	r.LoginPassword, r.TradePassword = w.phone.Password(t, loginPassword), w.phone.Password(t, tradePassword)
	if got := w.apply(t, r); got.Code != "REGISTRATION_REFUSED" {
		t.Errorf("%q and %q: %q, want REGISTRATION_REFUSED", loginPassword, tradePassword, got.Code)
	}
}

// runs are all runs of six digits of a number.
func runs(t *testing.T, number string, want int) []string {
	t.Helper()
	var list []string
	for i := 0; i+6 <= len(number); i++ {
		list = append(list, number[i:i+6])
	}
	if len(list) != want {
		t.Fatalf("%d runs of six in %d digits, want %d", len(list), len(number), want)
	}
	return list
}

// Each run of six digits of the identity number, of which the birth date is a part,
// and of the phone number.
func TestTradePasswordsHoldNothingPersonal(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PWD-001.1")
	w := newFixture(t)
	for _, run := range append(runs(t, w.wang.IDNo, 13), runs(t, w.wang.Phone, 6)...) {
		w.weak(t, "trade_password", bank.LoginPassword, run)
	}
	for _, number := range []string{w.wang.IDNo, w.wang.Phone} { // five digits in a row are not too many
		five := number[2:7]
		w.passes(t, bank.LoginPassword, five+string('0'+(number[7]-'0'+1)%10))
	}
}

func TestRegularTradePasswords(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PWD-002.1", "PWD-002.2", "PWD-012.2", "PWD-012.3")
	w := newFixture(t)
	for digit := range 10 {
		w.weak(t, "trade_password", bank.LoginPassword, strings.Repeat(strconv.Itoa(digit), 6))
	}
	const up, down = "0123456789", "9876543210"
	for i := range 5 {
		w.weak(t, "trade_password", bank.LoginPassword, up[i:i+6])
		w.weak(t, "trade_password", bank.LoginPassword, down[i:i+6])
		w.weak(t, "login_password", up[i:i+6], bank.TradePassword)
		w.weak(t, "login_password", strings.Repeat(up[i:i+1], 6), bank.TradePassword)
		w.weak(t, "login_password", "x"+up[i:i+6], bank.TradePassword)
	}
	for _, regular := range []string{"121212", "112233", "888888", "739739"} {
		w.weak(t, "trade_password", bank.LoginPassword, regular)
	}
	w.weak(t, "trade_password", bank.LoginPassword, "73916") // five digits
	w.passes(t, bank.LoginPassword, "739164")
	w.passes(t, bank.LoginPassword, "123457")
}

func TestFormOfLoginPasswords(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PWD-012.1")
	w := newFixture(t)
	for _, bad := range []string{"", "a1", "abc12", "abcdef", "ABCDEFGHIJ", "738291", "73829150461"} {
		w.weak(t, "login_password", bad, bank.TradePassword)
	}
	w.passes(t, "abc123x", bank.TradePassword)
}

func TestPasswordsThatOthersGuess(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PWD-003.3", "PWD-003.4", "PWD-003.5")
	w := newFixture(t)
	for what, list := range map[string][]string{
		"equal and consecutive characters": {"aaaaaa", "111111", "abcdef", "123456", "654321", "x12345", "12345678a"},
		"neighbouring keys":                {"qwerty", "qwerty7", "7asdfgh", "zxcvb7", "1qaz2wsx", "QWERTY7", "4rfvgy7yuiop"},
		"common words and passwords": {
			"password1", "Passw0rd", "admin123", "abc123", "ABC123", "a123456", "qq123456", "my-iloveyou-1", "1welcome",
			"letmein1", "qwe123", "123qwe", "1q2w3e",
		},
		"her number, birth date and phone": {
			"x" + w.wang.Phone, w.wang.Phone + "x", "x" + w.wang.Phone[5:], "x" + w.wang.IDNo[6:14], w.wang.IDNo[8:14] + "x",
			"tide" + w.wang.IDNo,
		},
	} {
		for _, guessed := range list {
			t.Run(what+"/"+guessed, func(t *testing.T) { w.weak(t, "login_password", guessed, bank.TradePassword) })
		}
	}
	for _, guessed := range []string{"111111", "345678", "987654", w.wang.Phone[:6], w.wang.IDNo[6:12]} {
		w.weak(t, "trade_password", bank.LoginPassword, guessed)
	}
	w.passes(t, "tide7plum", bank.TradePassword)
}

func TestTheTwoPasswordsDiffer(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-005.1")
	req.Covers(t, "PWD-003.1")
	w := newFixture(t)
	w.weak(t, "trade_password", bank.LoginPassword, bank.LoginPassword)
	w.weak(t, "login_password", bank.TradePassword, bank.TradePassword)
	w.weak(t, "trade_password", "x"+bank.TradePassword, bank.TradePassword) // nor does one hold the other
	w.weak(t, "trade_password", bank.TradePassword+"x", bank.TradePassword)
	w.passes(t, bank.LoginPassword, bank.TradePassword)
}

// TestChosenPasswordsAreStoredWithSaltsOfTheirOwn signs two customers up with the
// same passwords.
func TestChosenPasswordsAreStoredWithSaltsOfTheirOwn(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PWD-004.1", "PWD-018.1", "PWD-018.2")
	w := newFixture(t)
	w.Host.Hashing = password.NewHashing(password.Config{Rounds: password.Rounds}) // as in production
	none := w.right(t, w.ask(t))
	none.LoginPassword = w.phone.Password(t, "")
	w.apply(t, none).Want(t, "PASSWORD_WEAK")
	none.LoginPassword = nil
	w.apply(t, none).Want(t, "INPUT_INVALID")
	w.wantSignedUp(t, 0)

	const chosen = "my-own-7plum"
	both := []fixture{w, {Bank: w.Bank, phone: w.Device(t, "phone-of-li"), wang: w.Customer(t, "李四", 0)}}
	for _, one := range both {
		w.Advance(time.Minute)
		r := one.right(t, one.ask(t))
		r.LoginPassword = one.phone.Password(t, chosen)
		one.apply(t, r).Want(t, "")
		digits := otptest.Ask(t, w.Bank, one.phone, otp.Login, one.wang.Phone)
		other := one.phone.LogIn(t, one.wang, digits)
		one.phone.Call(t, identitylogin.Function, "", other).Want(t, "LOGIN_FAILED")
		other.Password = one.phone.Password(t, chosen)
		one.phone.Call(t, identitylogin.Function, "", other).Want(t, "")
	}
	seen := map[string]bool{}
	for _, one := range both {
		for _, column := range []string{"login_password", "trade_password"} {
			stored := check.Value[string](t, w.Host.DB.Pool(), "SELECT "+column+" FROM credential WHERE customer_id = $1", one.wang.ID)
			text := keytest.StoredPassword(t, w.Host.Keys, keys.AAD("credential", column, one.wang.ID.String()), stored)
			parts := strings.Split(text, "$") // scheme, rounds, salt, sum
			if len(parts) != 4 || len(parts[2]) < 22 {
				t.Fatalf("stored as %q", text)
			}
			const stated = 100_000
			if rounds, err := strconv.Atoi(parts[1]); err != nil || rounds < stated {
				t.Errorf("%s iterations, want at least %d", parts[1], stated)
			}
			seen["stored "+stored], seen["salt "+parts[2]], seen["sum "+parts[3]] = true, true, true
		}
	}
	if len(seen) != 12 {
		t.Errorf("of four stored passwords %d texts, salts and sums are different, want 12", len(seen))
	}
}
