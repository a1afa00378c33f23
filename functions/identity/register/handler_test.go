package register_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	identityregister "github.com/tidebank/tidebank/functions/identity/register"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// fixture is a bank with a customer who has not signed up, and the customer's phone.
type fixture struct {
	*bank.Bank
	phone *bank.Device
	wang  seed.Customer
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	b := bank.New(t)
	return fixture{Bank: b, phone: b.Device(t, "phone-of-wang"), wang: b.Customer(t, "王小明", 5_00, 0)}
}

func (w fixture) ask(t *testing.T) string {
	t.Helper()
	return otptest.Ask(t, w.Bank, w.phone, otp.Register, w.wang.Phone)
}

// right is an application in which every field is right.
func (w fixture) right(t *testing.T, code string) identityregister.Request {
	t.Helper()
	return w.phone.SignUp(t, w.wang, code)
}

func (w fixture) apply(t *testing.T, r identityregister.Request) bank.Reply {
	t.Helper()
	return w.phone.Call(t, identityregister.Function, uuid.NewString(), r)
}

func (w fixture) wantSignedUp(t *testing.T, want int) {
	t.Helper()
	credentials, devices := w.Count(t, "SELECT count(*) FROM credential"), w.Count(t, "SELECT count(*) FROM device")
	told := len(w.Outbox(t, events.TypeIdentityRegistered))
	if credentials != want || devices != want || told != want {
		t.Fatalf("%d credentials, %d devices and %d events, want %d of each", credentials, devices, told, want)
	}
}

func TestSigningUpOnce(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ACCT-012.1")
	w := newFixture(t)
	r := w.right(t, w.ask(t))
	first := w.phone.Call(t, identityregister.Function, "key", r)
	if first.Want(t, ""); string(first.Body) != `{"registered":true}` {
		t.Errorf("got %s", first.Body)
	}
	again := w.phone.Call(t, identityregister.Function, "key", r)
	if again.Want(t, ""); string(again.Body) != string(first.Body) {
		t.Errorf("the repeated request got another answer: %s", again.Body)
	}
	w.wantSignedUp(t, 1)
	other := r
	other.Name = "王大明"
	w.phone.Call(t, identityregister.Function, "key", other).Want(t, "IDEMPOTENCY_KEY_REUSED")
	w.phone.Call(t, identityregister.Function, "", r).Want(t, "IDEMPOTENCY_KEY_MISSING")
	w.phone.Reopen(t) // the channel was lost with the answer: passwords are sealed for another
	if later := w.phone.Call(t, identityregister.Function, "key", w.right(t, r.OTP)); string(later.Body) != string(first.Body) {
		t.Errorf("on another channel: %s", later.Body)
	}
	w.wantSignedUp(t, 1)

	key := check.Value[[]byte](t, w.Host.DB.Pool(),
		"SELECT public_key FROM device WHERE customer_id = $1 AND device_id = $2", w.wang.ID, w.phone.ID)
	if !cmp.Equal(key, r.DevicePublicKey) {
		t.Errorf("bound %x", key)
	}
	want := []events.IdentityRegistered{{CustomerID: w.wang.ID.String(), DeviceID: w.phone.ID}}
	if diff := cmp.Diff(want, bank.Told[events.IdentityRegistered](t, w.Bank, events.TypeIdentityRegistered)); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
}

// The refusal does not tell which of the five elements was wrong, whether the code was
// wrong, or whether the customer has signed up already.
func TestEveryElementMustMatch(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ACCT-013.1", "ACCT-016.1", "ACCT-016.2", "ACCT-016.3")
	w := newFixture(t)
	li, zhao := w.Customer(t, "李四", 0), w.Customer(t, "赵六", 0)
	code := w.ask(t)
	other := otptest.Ask(t, w.Bank, w.phone, otp.Register, li.Phone)
	w.Exec(t, "UPDATE account SET state = 'lost' WHERE id = $1", li.AccountIDs[0])
	refused := ""
	for _, tt := range []struct {
		name   string
		change func(*identityregister.Request)
	}{
		{"name", func(r *identityregister.Request) { r.Name = "王大明" }},
		{"another's name", func(r *identityregister.Request) { r.Name = li.Name }},
		{"identity number", func(r *identityregister.Request) { r.IDNo = "110101199003070003" }},
		{"another's identity number", func(r *identityregister.Request) { r.IDNo = li.IDNo }},
		{"no such card", func(r *identityregister.Request) { r.CardNo = "622848009999999" }},
		{"another's card", func(r *identityregister.Request) { r.CardNo = zhao.Accounts[0].No }},
		{"another's lost card", func(r *identityregister.Request) { r.CardNo = li.Accounts[0].No }},
		{"an account without a card password", func(r *identityregister.Request) { r.CardNo = w.wang.Accounts[1].No }},
		{"card password", func(r *identityregister.Request) { r.CardPassword = w.phone.Password(t, "851938") }},
		{"phone", func(r *identityregister.Request) { r.Phone = "13900000000" }},
		{"another's phone, with its code", func(r *identityregister.Request) { r.Phone, r.OTP = li.Phone, other }},
		{"another's code", func(r *identityregister.Request) { r.OTP = other }},
		{"code", func(r *identityregister.Request) { r.OTP = otptest.Wrong(code) }},
		{"another, whose account is lost", func(r *identityregister.Request) {
			r.Name, r.IDNo, r.CardNo, r.Phone, r.OTP = li.Name, li.IDNo, li.Accounts[0].No, li.Phone, other
		}},
	} {
		w.ForgetAttempts(t)
		w.Exec(t, "UPDATE otp_challenge SET tries = 0")
		r := w.right(t, code)
		tt.change(&r)
		got := w.apply(t, r)
		if got.Code != "REGISTRATION_REFUSED" {
			t.Errorf("%s: %q, want REGISTRATION_REFUSED", tt.name, got.Code)
		}
		body := bank.Untraced(string(got.Body))
		if refused == "" {
			refused = body
		}
		if body != refused {
			t.Errorf("%s: %s, others got %s", tt.name, body, refused)
		}
	}
	w.wantSignedUp(t, 0)
	w.ForgetAttempts(t)
	w.Exec(t, "UPDATE otp_challenge SET tries = 0")
	w.apply(t, w.right(t, code)).Want(t, "")
	w.wantSignedUp(t, 1)
	w.Advance(time.Minute)
	if got := w.apply(t, w.right(t, w.ask(t))); bank.Untraced(string(got.Body)) != refused {
		t.Errorf("signed up already: %s, others got %s", got.Body, refused)
	}
	w.wantSignedUp(t, 1)
}

func TestLostAndClosedAccountsDoNotSignUp(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	code := w.ask(t)
	for _, state := range []string{"lost", "frozen", "closed"} {
		w.Exec(t, "UPDATE account SET state = $2 WHERE id = $1", w.wang.AccountIDs[0], state)
		w.apply(t, w.right(t, code)).Want(t, "REGISTRATION_REFUSED")
	}
	w.wantSignedUp(t, 0)
	w.Exec(t, "UPDATE account SET state = 'open'")
	w.apply(t, w.right(t, code)).Want(t, "")
}

func TestTwoSignUpsAtOnce(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ACCT-016.3")
	for _, tt := range []struct {
		name string
		code func(t *testing.T, w fixture) // makes the code good for more than one
	}{
		{"with one code", func(*testing.T, fixture) {}},
		{"with codes of their own", func(t *testing.T, w fixture) {
			t.Helper()
			w.Exec(t, `
CREATE OR REPLACE FUNCTION otp_use(p_subject text, p_nonce bytea, p_now timestamptz) RETURNS void LANGUAGE sql AS ''`)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t)
			code := w.ask(t)
			tt.code(t, w)
			replies := check.AtOnce(4, func(int) bank.Reply { return w.apply(t, w.right(t, code)) })
			if won := bank.Won(t, replies, "REGISTRATION_REFUSED"); won != 1 {
				t.Errorf("%d signed up, want 1", won)
			}
			w.wantSignedUp(t, 1)
		})
	}
}

// A duplicate that comes while the first is at work may find the code used.
func TestConcurrentDuplicatesSignUpOnce(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	r := w.right(t, w.ask(t))
	for _, got := range check.AtOnce(4, func(int) bank.Reply { return w.phone.Call(t, identityregister.Function, "key", r) }) {
		if got.Code != "REGISTRATION_REFUSED" && string(got.Body) != `{"registered":true}` {
			t.Errorf("a duplicate got %d %s", got.Status, got.Body)
		}
	}
	w.phone.Call(t, identityregister.Function, "key", r).Want(t, "")
	w.wantSignedUp(t, 1)
}

// A card's password can't be guessed over days: five failures with the right code bar
// card and identity number for a week, also for the right password, on every device. A
// stranger without the code bars nobody.
func TestCardPasswordsAreNotGuessedOverDays(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	stranger := w.Device(t, "phone-of-stranger")
	for range 12 {
		r := stranger.SignUp(t, w.wang, "000000")
		stranger.Call(t, identityregister.Function, uuid.NewString(), r).Want(t, "REGISTRATION_REFUSED")
	}
	guess := func(d *bank.Device, guess string) bank.Reply {
		t.Helper()
		w.Exec(t, "DELETE FROM otp_quota")
		r := d.SignUp(t, w.wang, otptest.Ask(t, w.Bank, d, otp.Register, w.wang.Phone))
		r.CardPassword = d.Password(t, guess)
		return d.Call(t, identityregister.Function, uuid.NewString(), r)
	}
	tablet := w.Device(t, "tablet-of-thief")
	for n := range 5 {
		guess(tablet, fmt.Sprint(100000+n)).Want(t, "REGISTRATION_REFUSED")
		w.Advance(24 * time.Hour)
		tablet.Reopen(t)
	}
	w.phone.Reopen(t)
	guess(w.phone, bank.CardPassword).Want(t, "REGISTRATION_REFUSED")
	w.Advance(2*24*time.Hour - time.Second) // a week after the first failure, but for a second
	w.phone.Reopen(t)
	guess(w.phone, bank.CardPassword).Want(t, "REGISTRATION_REFUSED")
	w.Advance(time.Second)
	guess(w.phone, bank.CardPassword).Want(t, "")
	w.wantSignedUp(t, 1)
	if n := w.Count(t, "SELECT count(*) FROM card_attempt"); n != 2 {
		t.Errorf("%d subjects have failures, want the two of the stranger's device", n)
	}
}

// Somebody signs up with the own name, numbers and code, but with another customer's card.
// That bars the own identity number, and never the other's card.
func TestAnothersCardIsNotBarred(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	li := fixture{Bank: w.Bank, phone: w.Device(t, "phone-of-li"), wang: w.Customer(t, "李四", 0)}
	for range 6 {
		w.Exec(t, "DELETE FROM otp_quota")
		r := li.right(t, li.ask(t))
		r.CardNo = w.wang.Accounts[0].No
		li.apply(t, r).Want(t, "REGISTRATION_REFUSED")
	}
	w.apply(t, w.right(t, w.ask(t))).Want(t, "")
	w.Exec(t, "DELETE FROM otp_quota")
	li.apply(t, li.right(t, li.ask(t))).Want(t, "REGISTRATION_REFUSED") // the own number is barred for a week
}

// A password that is not sealed for the channel is refused as such, whatever else is
// right. No attempt at the code is counted.
func TestUnsealedPasswords(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	right, tablet := w.right(t, w.ask(t)), w.Device(t, "tablet-of-wang")
	for field, of := range map[string]func(r *identityregister.Request) *[]byte{
		"login_password": func(r *identityregister.Request) *[]byte { return &r.LoginPassword },
		"trade_password": func(r *identityregister.Request) *[]byte { return &r.TradePassword },
		"card_password":  func(r *identityregister.Request) *[]byte { return &r.CardPassword },
	} {
		for name, sealed := range map[string][]byte{
			"in clear": []byte(bank.CardPassword), "for another channel": tablet.Password(t, bank.CardPassword),
		} {
			r := right
			*of(&r) = sealed
			got := w.apply(t, r)
			if got.Code != "PASSWORD_UNSEALED" || got.Problem.Field != field {
				t.Errorf("%s %s: %q of %q", field, name, got.Code, got.Problem.Field)
			}
		}
	}
	w.apply(t, right).Want(t, "")
}

// The lists are those of the requirements; functions/identity has the whole table.
func TestWeakPasswords(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	code := w.ask(t)
	type row struct{ login, trade, field string }
	rows := []row{
		{"abc12", bank.TradePassword, "login_password"},
		{"abcdef", bank.TradePassword, "login_password"},
		{"738291", bank.TradePassword, "login_password"},
		{"", bank.TradePassword, "login_password"},
		{w.wang.Phone + "a", bank.TradePassword, "login_password"},
		{"a" + w.wang.IDNo[6:14], bank.TradePassword, "login_password"},
		{bank.LoginPassword, w.wang.Phone[5:], "trade_password"},
		{bank.LoginPassword, w.wang.IDNo[8:14], "trade_password"},
		{bank.LoginPassword, "", "trade_password"},
		{bank.LoginPassword, "12345", "trade_password"},
		{"x739164", "739164", "trade_password"},
	}
	for _, regular := range []string{"111111", "123456", "654321", "121212", "112233", "888888"} {
		rows = append(rows, row{bank.LoginPassword, regular, "trade_password"})
	}
	for _, tt := range rows {
		r := w.right(t, code)
		r.LoginPassword, r.TradePassword = w.phone.Password(t, tt.login), w.phone.Password(t, tt.trade)
		got := w.apply(t, r)
		if got.Code != "PASSWORD_WEAK" || got.Problem.Field != tt.field {
			t.Errorf("%q and %q: %q of %q, want PASSWORD_WEAK of %s", tt.login, tt.trade, got.Code, got.Problem.Field, tt.field)
		}
	}
	w.wantSignedUp(t, 0)
	good := w.right(t, code) // none of them counted an attempt at the code
	good.LoginPassword = w.phone.Password(t, "abc123x")
	w.apply(t, good).Want(t, "")
	w.wantSignedUp(t, 1)
}

// The sealed problem tells an app which rules of which field are broken. It tells of
// personal data only what the same request holds: another number changes nothing.
func TestWeakPasswordsNameTheirRules(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	li := w.Customer(t, "李四", 0)
	for _, tt := range []struct {
		login, trade, field string
		rules               []string
		detail              string
	}{
		{"12", bank.TradePassword, "login_password", []string{"too_short", "no_letter"}, "登录密码至少6位；须包含英文字母"},
		{"a" + w.wang.IDNo[6:14], bank.TradePassword, "login_password", []string{"personal_data"}, "登录密码不能包含证件号或手机号中连续的6位数字"},
		{bank.LoginPassword, "23456", "trade_password", []string{"too_short", "sequence"}, "交易密码须为6位；不能为连续数字"},
	} {
		r := w.right(t, "123456")
		r.LoginPassword, r.TradePassword = w.phone.Password(t, tt.login), w.phone.Password(t, tt.trade)
		answer := w.apply(t, r)
		answer.Want(t, "PASSWORD_WEAK")
		got := answer.Problem
		if diff := cmp.Diff(tt.rules, got.Rules); diff != "" || got.Field != tt.field || got.Detail != tt.detail {
			t.Errorf("%q and %q: %s: %q (-want +got):\n%s", tt.login, tt.trade, got.Field, got.Detail, diff)
		}
	}
	w.passes(t, "x"+li.Phone[5:], bank.TradePassword)
}

func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	right := w.right(t, "123456")
	raw := check.JSON(t, right)
	for _, tt := range []struct {
		name, field string
		value       any
	}{
		{"no name", "name", ""},
		{"name of 61", "name", strings.Repeat("明", 61)},
		{"name of 61 letters", "name", strings.Repeat("m", 61)},
		{"name of another type", "name", 7},
		{"short identity number", "id_no", "11010119900307001"},
		{"long identity number", "id_no", "1101011990030700110"},
		{"a blank name", "name", " \u3000 "},
		{"no card", "card_no", ""},
		{"a word for a card", "card_no", "hello"},
		{"a long word for a card", "card_no", "hello, my card"},
		{"a card of 11", "card_no", "62284800000"},
		{"a card of 20", "card_no", "62284800000000100011"},
		{"letters for a code", "otp", "abcdef"},
		{"full-width digits for a code", "otp", "１２３４５６"},
		{"long card", "card_no", strings.Repeat("6", 33)},
		{"no phone", "phone", "1381000791"},
		{"no device key", "device_public_key", ""},
		{"a device key that is none", "device_public_key", "AAAA"},
		{"number for password", "login_password", 123456},
	} {
		got := w.phone.Call(t, identityregister.Function, fmt.Sprint("key ", tt.name), bank.With(t, right, tt.field, tt.value))
		if got.Code != "INPUT_INVALID" || got.Problem.Field != tt.field {
			t.Errorf("%s: %q of %q, want INPUT_INVALID of %q", tt.name, got.Code, got.Problem.Field, tt.field)
		}
	}
	for _, body := range []string{
		strings.Replace(string(raw), "{", `{"customer_id":"x",`, 1), strings.Replace(string(raw), "{", `{"risk_grade":0,`, 1),
		"[]", `""`, string(raw) + "{}",
	} {
		if got := w.apply(t, w.right(t, "")); got.Code == "" {
			t.Fatal("an application without a code passed")
		}
		clear := fmt.Sprintf(`{"idempotency_key":"k","request":%s}`, body)
		frame := w.phone.FrameAt(t, identityregister.Function, w.Clock.Now(), []byte(clear))
		w.phone.Send(t, identityregister.Function, frame).Want(t, "INPUT_INVALID")
	}
	w.wantSignedUp(t, 0)
}

func TestCodeIsOfThisDeviceAndPurpose(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	thief := w.Device(t, "phone-of-thief")
	for _, ask := range []func() string{
		func() string { return otptest.Ask(t, w.Bank, thief, otp.Register, w.wang.Phone) },
		func() string { return otptest.Ask(t, w.Bank, w.phone, otp.Login, w.wang.Phone) },
	} {
		w.Advance(time.Minute)
		w.apply(t, w.right(t, ask())).Want(t, "REGISTRATION_REFUSED")
	}
	w.Advance(time.Minute)
	late := w.right(t, w.ask(t))
	w.Advance(time.Minute)
	w.apply(t, late).Want(t, "REGISTRATION_REFUSED")
	tried := w.right(t, w.ask(t))
	wrong := tried
	wrong.OTP = otptest.Wrong(tried.OTP)
	for range 5 {
		w.apply(t, wrong).Want(t, "REGISTRATION_REFUSED")
	}
	w.apply(t, tried).Want(t, "REGISTRATION_REFUSED")
	w.wantSignedUp(t, 0)
}

func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	r := w.right(t, w.ask(t))
	b := bank.On(t, pgtest.Broken(t))
	b.Host.Keys = w.Host.Keys
	d := b.Device(t, "phone-of-wang")
	d.Call(t, identityregister.Function, "key", r).Want(t, "SERVICE_UNAVAILABLE")
}
