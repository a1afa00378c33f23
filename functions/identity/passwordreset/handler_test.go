package passwordreset_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	identitychangeprepare "github.com/tidebank/tidebank/functions/identity/changeprepare"
	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	identityme "github.com/tidebank/tidebank/functions/identity/me"
	identitypasswordreset "github.com/tidebank/tidebank/functions/identity/passwordreset"
	notifyonpassword "github.com/tidebank/tidebank/functions/notify/onpassword"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/captchatest"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
	"github.com/tidebank/tidebank/test/smstest"
)

const fresh = "moon-2027y"

// fixture is a pair whose payer is logged in on the phone and has forgotten the password. The
// reset comes from the pad.
type fixture struct {
	bank.Pair
	pad *bank.Device
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	p := bank.NewPair(t, 100_00)
	return fixture{p, p.Device(t, "pad")}
}

func (w fixture) code(t *testing.T, purpose string) string {
	t.Helper()
	w.Exec(t, "DELETE FROM otp_quota")
	return otptest.Ask(t, w.Bank, w.pad, purpose, w.Payer.Phone)
}

// right is a reset with both factors right.
func (w fixture) right(t *testing.T) identitypasswordreset.Request {
	t.Helper()
	r := w.pad.ResetPassword(t, w.Payer, w.code(t, otp.Forgotten), fresh)
	r.CaptchaID, r.CaptchaAnswer = captchatest.Solved(t, w.Bank, w.pad), captchatest.Answer
	return r
}

func (w fixture) reset(t *testing.T, r identitypasswordreset.Request) bank.Reply {
	t.Helper()
	return w.pad.Call(t, identitypasswordreset.Function, uuid.NewString(), r)
}

func (w fixture) logIn(t *testing.T, password string) bank.Reply {
	t.Helper()
	r := w.pad.LogIn(t, w.Payer, w.code(t, otp.Login))
	r.Password = w.pad.Password(t, password)
	r.CaptchaID, r.CaptchaAnswer = captchatest.Solved(t, w.Bank, w.pad), captchatest.Answer
	return w.pad.Call(t, identitylogin.Function, "", r)
}

// A reset with both factors ends every session, tells the customer, and leaves the trade
// password and the device's key as they were.
func TestAForgottenPasswordIsReset(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PWD-008.3", "PWD-008.4", "PWD-019.1", "PWD-019.3", "AUTH-005.2")
	w := newFixture(t)
	gateway := smstest.Start(t, w.Bank, notifyonpassword.Function)
	open := w.PrepareChange(t, stepup.ChangeLoginPassword) // somebody's, on the phone
	elsewhere := w.Device(t, "phone-of-li")
	elsewhere.LoginAs(t, w.Payee)
	w.reset(t, w.right(t)).Want(t, "")
	for range 2 {
		w.Phone.Call(t, identityme.Function, "", struct{}{}).Want(t, "SESSION_REQUIRED")
		w.Phone.Call(t, identitychangeprepare.Function, "", map[string]any{"change": "login_password"}).Want(t, "SESSION_REQUIRED")
	}
	elsewhere.Call(t, identityme.Function, "", struct{}{}).Want(t, "") // another customer's session stays

	told := w.Outbox(t, events.TypePasswordChanged)
	if len(told) != 1 {
		t.Fatalf("%d events", len(told))
	}
	e, err := told[0].CloudEvent(w.Host.Keys)
	check.Must(t, err)
	w.Deliver(t, notifyonpassword.Function, e)
	if texts := gateway.Inbox(w.Payer.Phone); len(texts) != 1 {
		t.Errorf("the customer got %v", texts)
	}

	w.logIn(t, bank.LoginPassword).Want(t, "LOGIN_FAILED")
	w.logIn(t, fresh).Want(t, "")
	w.pad.Call(t, identityme.Function, "", struct{}{}).Want(t, "")
	check.Must(t, w.Host.Sessions.Start(t.Context(), w.Phone.Channel, w.Payer.ID))
	w.Confirm(t, w.Proved(t, w.Prepare(t, w.ToPayee(1)))).Want(t, "") // by trade password and device key
	if n := w.Count(t, "SELECT count(*) FROM intent WHERE id = $1 AND state = 'cancelled'", open.IntentID); n != 1 {
		t.Error("the intent of before the reset is open")
	}
}

// A login by the earlier password that compared it before the reset does not live: neither if
// it commits after the reset, nor if it commits before and starts its session after.
func TestALoginInFlightDoesNotOutliveTheReset(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	reset := w.right(t)
	login := w.pad.LogIn(t, w.Payer, w.code(t, otp.Login))
	login.CaptchaID, login.CaptchaAnswer = captchatest.Solved(t, w.Bank, w.pad), captchatest.Answer
	number, err := w.Host.Sessions.Number(t.Context(), w.Payer.ID)
	check.Must(t, err)
	w.Exec(t, "ALTER FUNCTION otp_use RENAME TO otp_use_only")
	w.Exec(t, `CREATE FUNCTION otp_use(p_subject text, p_nonce bytea, p_now timestamptz) RETURNS void LANGUAGE sql AS $$
		UPDATE credential SET login_password = 'of a reset' $$`)
	w.pad.Call(t, identitylogin.Function, "", login).Want(t, "LOGIN_FAILED")
	w.Exec(t, "DROP FUNCTION otp_use")
	w.Exec(t, "ALTER FUNCTION otp_use_only RENAME TO otp_use")

	w.reset(t, reset).Want(t, "")
	of := session.Login{CustomerID: w.Payer.ID}
	check.Must(t, w.Host.Sessions.StartNumbered(t.Context(), w.Phone.Channel, of, number, session.Origin{}))
	w.Phone.Call(t, identityme.Function, "", struct{}{}).Want(t, "SESSION_DISPLACED")
}

// One factor alone gets the answer of none, and a code works once.
func TestAResetNeedsBothFactors(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PWD-008.1", "PWD-008.5")
	w := newFixture(t)
	right := w.right(t)
	var answers []bank.Reply
	for name, spoil := range map[string]func(r *identitypasswordreset.Request){
		"code alone: another's name":     func(r *identitypasswordreset.Request) { r.Name = w.Payee.Name },
		"code alone: another's identity": func(r *identitypasswordreset.Request) { r.IDNo = w.Payee.IDNo },
		"code alone: another's card":     func(r *identitypasswordreset.Request) { r.CardNo = w.Payee.Accounts[0].No },
		"registered data alone":          func(r *identitypasswordreset.Request) { r.OTP = otptest.Wrong(r.OTP) },
		"another's number":               func(r *identitypasswordreset.Request) { r.Phone = w.Payee.Phone },
		"nobody's number":                func(r *identitypasswordreset.Request) { r.Phone = "13999999999" },
	} {
		w.ForgetAttempts(t)
		w.Exec(t, "UPDATE otp_challenge SET tries = 0")
		r := right
		r.CaptchaID, r.CaptchaAnswer = "", ""
		spoil(&r)
		got := w.reset(t, r)
		if got.Code != "RESET_REFUSED" {
			t.Errorf("%s: %d %q", name, got.Status, got.Code)
		}
		answers = append(answers, got)
	}
	for _, other := range answers[1:] {
		bank.WantSame(t, "a refused reset", answers[0], other)
	}
	w.logIn(t, fresh).Want(t, "LOGIN_FAILED")
	w.Phone.LoginAs(t, w.Payer)
	w.Phone.Call(t, identityme.Function, "", struct{}{}).Want(t, "") // no session has ended

	w.ForgetAttempts(t)
	w.reset(t, right).Want(t, "")
	used := right
	used.LoginPassword = w.pad.Password(t, "star-2028z")
	used.CaptchaID, used.CaptchaAnswer = captchatest.Solved(t, w.Bank, w.pad), captchatest.Answer
	w.reset(t, used).Want(t, "RESET_REFUSED")
	w.logIn(t, "star-2028z").Want(t, "LOGIN_FAILED")
	w.logIn(t, fresh).Want(t, "")
}

// Of resets with one code at once, one has its effect.
func TestOneCodeResetsOnce(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	right := w.right(t)
	right.CaptchaID, right.CaptchaAnswer = "", ""
	done := 0
	for _, got := range check.AtOnce(4, func(int) bank.Reply { return w.reset(t, right) }) {
		if got.Code == "" {
			done++
		}
	}
	if told := w.Outbox(t, events.TypePasswordChanged); done != 1 || len(told) != 1 {
		t.Errorf("%d resets, %d events", done, len(told))
	}
}

// Failed resets with the right code count like failed log-ins: five lock both.
func TestFailedResetsLockTheNumber(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for range 5 {
		r := w.right(t)
		r.Name = w.Payee.Name
		w.reset(t, r).Want(t, "RESET_REFUSED")
	}
	w.reset(t, w.right(t)).Want(t, "RESET_REFUSED")
	w.logIn(t, bank.LoginPassword).Want(t, "LOGIN_FAILED")
	w.Advance(30 * time.Minute)
	w.pad.Reopen(t)
	w.reset(t, w.right(t)).Want(t, "")
	w.logIn(t, fresh).Want(t, "")
}

// Only who has proved both factors learns that the password is the present one.
func TestTheRulesForANewPassword(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	right := w.right(t)
	right.CaptchaID, right.CaptchaAnswer = "", ""
	for text, rule := range map[string]string{
		"abcdef": "no_digit", "x" + w.Payer.Phone[3:9]: "personal_data", "x" + w.Payer.IDNo[6:12]: "personal_data",
		bank.LoginPassword: "unchanged",
	} {
		r := right
		r.LoginPassword = w.pad.Password(t, text)
		got := w.reset(t, r)
		if got.Code != "PASSWORD_WEAK" || len(got.Problem.Rules) != 1 || got.Problem.Rules[0] != rule {
			t.Errorf("%s: %q %v", rule, got.Code, got.Problem.Rules)
		}
	}
	w.ForgetAttempts(t)
	stranger := right
	stranger.LoginPassword, stranger.OTP = w.pad.Password(t, bank.LoginPassword), otptest.Wrong(right.OTP)
	w.reset(t, stranger).Want(t, "RESET_REFUSED")
}

func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	r := w.pad.ResetPassword(t, w.Payer, "123456", fresh)
	w.Host.DB = pgtest.Broken(t)
	w.reset(t, r).Want(t, "SERVICE_UNAVAILABLE")
}
