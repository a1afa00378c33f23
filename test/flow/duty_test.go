package flow_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/google/uuid"

	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	identityquicklogin "github.com/tidebank/tidebank/functions/identity/quicklogin"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/otp"
	stored "github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/functest"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// duringDuty are the functions that are open to a customer who must change the login password.
var duringDuty = []string{"identity-change-prepare", "identity-logout", "identity-password-change"}

// logIn logs the payer in with a login password on the phone, and tells whether it must be changed.
func logIn(t *testing.T, p bank.Pair, clear string) bool {
	t.Helper()
	p.Exec(t, "DELETE FROM otp_quota")
	entry := fixture{Bank: p.Bank}.numberCode(t, p.Phone, otp.Login, p.Payer.Phone)
	request := login(t, p.Phone, p.Payer, entry)
	request["password"] = p.Phone.Password(t, clear)
	var reply identitylogin.Response
	call(t, p.Phone, "identity-login", request).Into(t, &reply)
	return reply.MustChange
}

// change changes the payer's login password.
func change(t *testing.T, p bank.Pair, present, fresh, key string) bank.Reply {
	t.Helper()
	in := p.PrepareChange(t, stepup.ChangeLoginPassword)
	return p.Phone.Call(t, functest.Named(t, "identity-password-change"), key, fields{
		"intent_id": in.IntentID, "login_password": p.Phone.Password(t, fresh),
		"proofs": []stepup.Proof{p.KnownLogin(t, present), p.CodeFor(t, in.IntentID)},
	})
}

// A customer whose login password the bank has given, or has digits only as the counter allows,
// changes it before anything else: every other function is refused in this session. The new one
// must meet the rules of the app.
func TestAGivenPasswordIsChangedFirst(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PWD-004.2")
	req.Covers(t, "PWD-016.1", "PWD-016.2")
	const digits, fresh = "83620174", "moon-2027y"
	give := func(p bank.Pair, clear string) {
		turn, err := p.Passwords().Begin(t.Context())
		check.Must(t, err)
		defer turn.End()
		pgtest.Commit(t, p.Host.DB, func(u *pg.Unit) error {
			return stored.Replace(t.Context(), u, stored.Credential{
				Turn: turn, CustomerID: p.Payer.ID, Login: clear, Trade: bank.TradePassword, At: p.Clock.Now(),
			})
		})
	}
	for name, tt := range map[string]struct {
		password string
		enter    func(*testing.T, bank.Pair) bool
	}{
		"an initial password": {bank.LoginPassword, func(t *testing.T, p bank.Pair) bool {
			t.Helper()
			p.Exec(t, "UPDATE credential SET login_given = true")
			return logIn(t, p, bank.LoginPassword)
		}},
		"a quick login beside an initial password": {bank.LoginPassword, func(t *testing.T, p bank.Pair) bool {
			t.Helper()
			p.SetGesture(t, bank.Gesture).Want(t, "")
			p.Exec(t, "UPDATE credential SET login_given = true WHERE customer_id = $1", p.Payer.ID)
			var reply identityquicklogin.Response
			call(t, p.Phone, "identity-quick-login",
				p.Phone.QuickLogin(t, p.Payer, p.Phone.Challenge(t), device.ByGesture, nil)).Into(t, &reply)
			return reply.MustChange
		}},
		"digits of the counter": {digits, func(t *testing.T, p bank.Pair) bool {
			t.Helper()
			give(p, digits)
			return logIn(t, p, digits)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := bank.NewPair(t, 100_00)
			if !tt.enter(t, p) {
				t.Error("the login does not tell it")
			}
			refused := 0
			for _, f := range protected(t) {
				if slices.Contains(duringDuty, f.Spec.Name) {
					continue
				}
				refused++
				got := call(t, p.Phone, f.Spec.Name, wellFormed(t, f.Spec.Name))
				if got.Status != http.StatusUnprocessableEntity || got.Code != "PASSWORD_CHANGE_REQUIRED" {
					t.Errorf("%s: %d %q", f.Spec.Name, got.Status, got.Code)
				}
			}
			if refused < 20 {
				t.Errorf("only %d functions were tried", refused)
			}
			for _, what := range []stepup.Change{stepup.ChangeTradePassword, stepup.SetAlias, stepup.ApplyCertificate, stepup.SetGesture} {
				call(t, p.Phone, "identity-change-prepare", fields{"change": what}).Want(t, "PASSWORD_CHANGE_REQUIRED")
			}
			for _, weak := range []string{digits, "10482957", tt.password} {
				change(t, p, tt.password, weak, uuid.NewString()).Want(t, "PASSWORD_WEAK")
			}
			call(t, p.Phone, "identity-me", fields{}).Want(t, "PASSWORD_CHANGE_REQUIRED")
			change(t, p, tt.password, fresh, uuid.NewString()).Want(t, "")
			call(t, p.Phone, "identity-me", fields{}).Want(t, "")
			call(t, p.Phone, "identity-change-prepare", fields{"change": stepup.ChangeTradePassword}).Want(t, "")
			if logIn(t, p, fresh) {
				t.Error("the next login asks for a change again")
			}
		})
	}
}

// A session stays closed if Redis fails after the change, and the repeated request opens it.
func TestARepeatedChangeOpensTheSession(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 100_00)
	p.Exec(t, "UPDATE credential SET login_given = true")
	logIn(t, p, bank.LoginPassword)
	in := p.PrepareChange(t, stepup.ChangeLoginPassword)
	key, request := uuid.NewString(), fields{
		"intent_id": in.IntentID, "login_password": p.Phone.Password(t, "moon-2027y"),
		"proofs": []stepup.Proof{p.KnownLogin(t, bank.LoginPassword), p.CodeFor(t, in.IntentID)},
	}
	f := functest.Named(t, "identity-password-change")
	p.Redis.SetError("READONLY of a test")
	p.Phone.Call(t, f, key, request)
	p.Redis.SetError("")
	p.Phone.Call(t, f, key, request).Want(t, "")
	call(t, p.Phone, "identity-me", fields{}).Want(t, "")
}
