package passwordchange_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	identitychangeprepare "github.com/tidebank/tidebank/functions/identity/changeprepare"
	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	identitypasswordchange "github.com/tidebank/tidebank/functions/identity/passwordchange"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/captchatest"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

const fresh, wrong = "moon-2027y", "not-it-2026"

type fixture struct{ bank.Pair }

func newFixture(t *testing.T) fixture {
	t.Helper()
	return fixture{bank.NewPair(t, 100_00)}
}

func (w fixture) prepare(t *testing.T) identitychangeprepare.Response {
	t.Helper()
	return w.PrepareChange(t, stepup.ChangeLoginPassword)
}

// request is a change to a password with proofs of an intent.
func (w fixture) request(t *testing.T, intent uuid.UUID, password string, proofs ...stepup.Proof) identitypasswordchange.Request {
	t.Helper()
	return identitypasswordchange.Request{
		Confirmation:  stepup.Confirmation{IntentID: intent, Proofs: append([]stepup.Proof{}, proofs...)},
		LoginPassword: w.Phone.Password(t, password),
	}
}

func (w fixture) confirm(t *testing.T, r identitypasswordchange.Request) bank.Reply {
	t.Helper()
	return w.Phone.Call(t, identitypasswordchange.Function, uuid.NewString(), r)
}

// guess changes to a password with a present password and a right code.
func (w fixture) guess(t *testing.T, present, password string) bank.Reply {
	t.Helper()
	in := w.prepare(t)
	return w.confirm(t, w.request(t, in.IntentID, password, w.KnownLogin(t, present), w.CodeFor(t, in.IntentID)))
}

// logIn logs the payer in with a password, from another phone.
func (w fixture) logIn(t *testing.T, d *bank.Device, password string) bank.Reply {
	t.Helper()
	w.Exec(t, "DELETE FROM otp_quota")
	r := d.LogIn(t, w.Payer, otptest.Ask(t, w.Bank, d, otp.Login, w.Payer.Phone))
	r.Password = d.Password(t, password)
	r.CaptchaID, r.CaptchaAnswer = captchatest.Solved(t, w.Bank, d), captchatest.Answer
	return d.Call(t, identitylogin.Function, "", r)
}

func TestTheNewPasswordLogsInAndTheOldDoesNot(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PWD-019.2")
	w := newFixture(t)
	w.guess(t, bank.LoginPassword, fresh).Want(t, "")
	w.guess(t, fresh, "star-2028z").Want(t, "") // the session goes on
	w.logIn(t, w.Device(t, "pad"), fresh).Want(t, "LOGIN_FAILED")
	w.logIn(t, w.Device(t, "pad"), bank.LoginPassword).Want(t, "LOGIN_FAILED")
	w.logIn(t, w.Device(t, "pad"), "star-2028z").Want(t, "")
	if told := w.Outbox(t, events.TypePasswordChanged); len(told) != 2 {
		t.Errorf("%d events", len(told))
	}
}

// The right present password alone is not enough, nor is a fresh factor alone, although the
// session is valid. Each answer leaves the password as it was.
func TestAChangeNeedsThePresentPasswordAndAFreshFactor(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PWD-005.1", "PWD-005.2", "PWD-008.2")
	w := newFixture(t)
	w.Exec(t, "UPDATE device SET bound_at = $1", bank.Start)
	in, other := w.prepare(t), w.prepare(t)
	known, code := w.KnownLogin(t, bank.LoginPassword), w.CodeFor(t, in.IntentID)
	foreign := w.CodeFor(t, other.IntentID)
	signed := func(text string) stepup.Proof {
		return stepup.Proof{Factor: stepup.DeviceKey, Signature: w.Phone.Sign(t, text)}
	}
	for name, tt := range map[string]struct {
		want   string
		proofs []stepup.Proof
	}{
		"nothing":                       {"STEPUP_STRONGER", nil},
		"the present password alone":    {"STEPUP_STRONGER", []stepup.Proof{known}},
		"a code alone":                  {"STEPUP_STRONGER", []stepup.Proof{code}},
		"the trade password and a code": {"STEPUP_STRONGER", []stepup.Proof{w.Known(t), code}},
		"a wrong password and a code":   {"PROOF_REJECTED", []stepup.Proof{w.KnownLogin(t, wrong), code}},
		"the code of another change":    {"PROOF_REJECTED", []stepup.Proof{known, foreign}},
		"a signature over another text": {"PROOF_REJECTED", []stepup.Proof{known, signed(other.Text)}},
		"a signature by a key of today": {"STEPUP_STRONGER", []stepup.Proof{known, signed(in.Text)}},
	} {
		if got := w.confirm(t, w.request(t, in.IntentID, fresh, tt.proofs...)); got.Code != tt.want {
			t.Errorf("%s: %d %q, want %s", name, got.Status, got.Code, tt.want)
		}
	}
	w.logIn(t, w.Device(t, "pad"), fresh).Want(t, "LOGIN_FAILED")
	w.Phone.LoginAs(t, w.Payer)
	w.confirm(t, w.request(t, in.IntentID, fresh, known, code)).Want(t, "")
	w.confirm(t, w.request(t, in.IntentID, "star-2028z", known, code)).Want(t, "INTENT_USED")
}

func TestAKeyThatIsADayOldConfirms(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.Exec(t, "UPDATE device SET bound_at = bound_at - interval '1 day'")
	in := w.prepare(t)
	signed := stepup.Proof{Factor: stepup.DeviceKey, Signature: w.Phone.Sign(t, in.Text)}
	w.confirm(t, w.request(t, in.IntentID, fresh, w.KnownLogin(t, bank.LoginPassword), signed)).Want(t, "")
}

// Wrong present passwords and wrong passwords of log-ins add up, in either order, and lock
// both. The lock ends after half an hour.
func TestWrongPasswordsAddUpToTheLock(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PWD-006.1", "PWD-006.2")
	w := newFixture(t)
	pad := w.Device(t, "pad")
	for range 2 {
		w.logIn(t, pad, wrong).Want(t, "LOGIN_FAILED")
	}
	for left := 2; left >= 1; left-- {
		got := w.guess(t, wrong, fresh)
		if got.Want(t, "PROOF_REJECTED"); got.Problem.TriesLeft == nil || *got.Problem.TriesLeft != left {
			t.Errorf("tries left: %s, want %d", got.Body, left)
		}
	}
	w.Redis.FlushAll() // the counts are in the database
	w.Phone.Reopen(t)
	check.Must(t, w.Host.Sessions.Start(t.Context(), w.Phone.Channel, w.Payer.ID))
	locked := w.guess(t, wrong, fresh)
	if locked.Want(t, "PROOF_REJECTED"); locked.Problem.LockedUntil == nil {
		t.Errorf("no end of the lock: %s", locked.Body)
	}
	got := w.guess(t, bank.LoginPassword, fresh)
	if got.Want(t, "LOGIN_PASSWORD_LOCKED"); got.Problem.LockedUntil == nil || got.Problem.RetryAfter != 1800 {
		t.Errorf("the lock is told as %s", got.Body)
	}
	pad.Reopen(t)
	w.logIn(t, pad, bank.LoginPassword).Want(t, "LOGIN_FAILED")
	w.Advance(30 * time.Minute)
	w.Phone.Reopen(t)
	check.Must(t, w.Host.Sessions.Start(t.Context(), w.Phone.Channel, w.Payer.ID))
	w.guess(t, bank.LoginPassword, fresh).Want(t, "")
	w.guess(t, wrong, "star-2028z").Want(t, "PROOF_REJECTED") // the right guess has reset the count
	w.guess(t, fresh, "star-2028z").Want(t, "")
}

// Guesses at once, on two instances, are counted as on one: five of fifty are compared.
func TestGuessesOnInstancesLockAtTheSameTotal(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PWD-006.3")
	w := newFixture(t)
	in := w.prepare(t)
	f := identitypasswordchange.Function
	one, two := w.Open(t, f), w.Instance(t, f)
	const guesses = 50
	var frames [][]byte
	for range guesses {
		frames = append(frames, w.Phone.Frame(t, f, uuid.NewString(), w.request(t, in.IntentID, fresh, w.KnownLogin(t, wrong))))
	}
	codes := map[string]int{}
	for _, reply := range check.AtOnce(guesses, func(i int) bank.Reply {
		if i%2 == 0 {
			return w.Phone.SendTo(t, one, f, frames[i])
		}
		return w.Phone.SendTo(t, two, f, frames[i])
	}) {
		codes[reply.Code]++
	}
	if codes["PROOF_REJECTED"] != 5 || codes["LOGIN_PASSWORD_LOCKED"] != guesses-5 {
		t.Errorf("the answers: %v", codes)
	}
	w.guess(t, bank.LoginPassword, fresh).Want(t, "LOGIN_PASSWORD_LOCKED")
	w.Phone.SendTo(t, two, f, w.Phone.Frame(t, f, "right", w.request(t, in.IntentID, fresh, w.KnownLogin(t, bank.LoginPassword)))).
		Want(t, "LOGIN_PASSWORD_LOCKED")
}

// A new password against the rules is refused, and its proofs stay good.
func TestTheRulesForANewPassword(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	in := w.prepare(t)
	known, code := w.KnownLogin(t, bank.LoginPassword), w.CodeFor(t, in.IntentID)
	for text, rule := range map[string]string{
		"abcdef": "no_digit", "123456": "no_letter", bank.LoginPassword: "unchanged", "x" + w.Payer.Phone[3:9]: "personal_data",
		"x" + w.Payer.IDNo[6:12]: "personal_data", "password1": "common", "qwert-2026": "sequence",
	} {
		got := w.confirm(t, w.request(t, in.IntentID, text, known, code))
		told := got.Problem
		if got.Code != "PASSWORD_WEAK" || told.Field != "login_password" || len(told.Rules) == 0 || told.Rules[0] != rule {
			t.Errorf("%s: %q %v of %q", rule, got.Code, told.Rules, told.Field)
		}
	}
	unsealed := w.request(t, in.IntentID, fresh, known, code)
	unsealed.LoginPassword = []byte("x")
	w.confirm(t, unsealed).Want(t, "PASSWORD_UNSEALED")
	w.confirm(t, w.request(t, in.IntentID, fresh, known, code)).Want(t, "")
}

func TestOneKeyIsOneChange(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	in := w.prepare(t)
	r := w.request(t, in.IntentID, fresh, w.KnownLogin(t, bank.LoginPassword), w.CodeFor(t, in.IntentID))
	for range 2 {
		w.Phone.Call(t, identitypasswordchange.Function, "one key", r).Want(t, "")
	}
	if told := w.Outbox(t, events.TypePasswordChanged); len(told) != 1 {
		t.Errorf("%d events", len(told))
	}
}

func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.Host.DB = pgtest.Broken(t)
	w.confirm(t, w.request(t, uuid.New(), fresh)).Want(t, "SERVICE_UNAVAILABLE")
	w.Phone.Call(t, identitychangeprepare.Function, "", map[string]any{"change": "login_password"}).Want(t, "SERVICE_UNAVAILABLE")
}
