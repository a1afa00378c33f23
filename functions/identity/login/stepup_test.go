package login_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	handler "github.com/openfaas/templates-sdk/go-http"

	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/otptest"
)

const wrongTrade = "480275"

// tradeCounts are the counts of the customer's trade password.
type tradeCounts struct {
	Failures, InFlight, Day int
	Locked                  bool
}

func (w fixture) tradeCounts(t *testing.T) (c tradeCounts) {
	t.Helper()
	check.Must(t, w.Host.DB.Pool().QueryRow(t.Context(), `
SELECT trade_failures, trade_in_flight, trade_day_failures, trade_locked_until > $2 FROM credential WHERE customer_id = $1`,
		w.wang.ID, w.Clock.Now()).Scan(&c.Failures, &c.InFlight, &c.Day, &orFalse{&c.Locked}))
	return c
}

func (w fixture) wantTrade(t *testing.T, what string, want tradeCounts) {
	t.Helper()
	if diff := cmp.Diff(want, w.tradeCounts(t)); diff != "" {
		t.Errorf("%s: counts of the trade password (-want +got):\n%s", what, diff)
	}
}

// binding is a login with right factors, and a trade password to bind the device's key.
func (w fixture) binding(t *testing.T, d *bank.Device, trade string) identitylogin.Request {
	t.Helper()
	w.ForgetAttempts(t) // the login's own bound is not meant here
	r := d.LogInBinding(t, w.wang, w.ask(t, d))
	r.TradePassword = d.Password(t, trade)
	return r
}

// reasons are the reasons of the access records since begin.
func (w fixture) reasons(t *testing.T, begin time.Time) (list []string) {
	t.Helper()
	for _, r := range w.records(t, begin) {
		list = append(list, r.Outcome+": "+r.Reason)
	}
	return list
}

// A text that is not six digits is no guess: neither password nor code is counted.
func TestAStepUpTakesSixDigits(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for _, none := range []string{"", "abc", "7391644", "７３９１６"} {
		got := w.phone.Call(t, identitylogin.Function, "", w.binding(t, w.phone, none))
		if got.Code != "INPUT_INVALID" || got.Problem.Field != "trade_password" {
			t.Errorf("%q: %q of %q", none, got.Code, got.Problem.Field)
		}
		w.Advance(time.Minute)
	}
	w.wantTrade(t, "no guess", tradeCounts{})
}

// Wrong trade passwords at a login count like those of a confirmation: a login between
// does not reset them, the fifth locks, and the lock is not told.
func TestWrongStepUpsLockTheTradePassword(t *testing.T) {
	t.Parallel()
	w, begin := newFixture(t), time.Now()
	for n := range 4 {
		w.want(t, w.phone, w.binding(t, w.phone, wrongTrade), "LOGIN_FAILED")
		w.wantTrade(t, fmt.Sprint(n+1, " wrong"), tradeCounts{Failures: n + 1, Day: n + 1})
	}
	w.want(t, w.phone, w.right(t, w.phone), "")
	w.wantTrade(t, "after a login without a step-up", tradeCounts{Failures: 4, Day: 4})
	w.want(t, w.phone, w.binding(t, w.phone, wrongTrade), "LOGIN_FAILED")
	w.wantTrade(t, "five wrong", tradeCounts{Failures: 5, Day: 5, Locked: true})
	w.want(t, w.phone, w.binding(t, w.phone, bank.TradePassword), "LOGIN_FAILED")
	w.want(t, w.phone, w.binding(t, w.phone, wrongTrade), "LOGIN_FAILED")
	w.wantTrade(t, "tried while it is locked", tradeCounts{Failures: 5, Day: 5, Locked: true})
	if w.bound(t, w.phone) != nil {
		t.Error("a key was bound")
	}
	w.want(t, w.phone, w.right(t, w.phone), "") // the login itself is not locked
	w.Advance(30 * time.Minute)
	w.phone.Reopen(t)
	w.want(t, w.phone, w.binding(t, w.phone, bank.TradePassword), "")
	w.wantTrade(t, "right after the lock", tradeCounts{Day: 5})

	// Ten on one day freeze until the next day.
	for range 4 {
		w.want(t, w.phone, w.binding(t, w.phone, wrongTrade), "LOGIN_FAILED")
	}
	w.want(t, w.phone, w.binding(t, w.phone, bank.TradePassword), "")
	w.wantTrade(t, "nine on one day", tradeCounts{Day: 9})
	w.want(t, w.phone, w.binding(t, w.phone, wrongTrade), "LOGIN_FAILED")
	w.want(t, w.phone, w.binding(t, w.phone, bank.TradePassword), "LOGIN_FAILED")
	w.Advance(14 * time.Hour)
	w.phone.Reopen(t)
	w.want(t, w.phone, w.binding(t, w.phone, bank.TradePassword), "")
	w.wantTrade(t, "the next day", tradeCounts{})

	const wrong, failed = "LOGIN_FAILED: step-up for the device key", "LOGIN_FAILED: step-up for the device key, trade_password "
	want := []string{
		wrong, wrong, wrong, wrong, "OK: ", failed + "now locked", failed + "locked", failed + "locked", "OK: ",
		"OK: trade_password lock ended", wrong, wrong, wrong, wrong, "OK: ", failed + "now locked", failed + "frozen",
		"OK: trade_password lock ended",
	}
	if diff := cmp.Diff(want, w.reasons(t, begin)); diff != "" {
		t.Errorf("access records (-want +got):\n%s", diff)
	}
}

// A lock that wrong step-ups have begun also holds for confirmations, and the other way
// round.
func TestOneBoundForLoginsAndConfirmations(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 1_000_00)
	w := fixture{Bank: p.Bank, phone: p.Phone, wang: p.Payer}
	tablet := w.Device(t, "tablet-of-wang")
	for range 3 {
		w.want(t, tablet, w.binding(t, tablet, wrongTrade), "LOGIN_FAILED")
	}
	confirm := func(guess string) bank.Reply {
		in := p.Prepare(t, p.ToPayee(1_00))
		c := p.Proved(t, in)
		c.Proofs[1].Password = p.Phone.Password(t, guess)
		return p.Confirm(t, c)
	}
	told := confirm(wrongTrade)
	if told.Want(t, "PROOF_REJECTED"); told.Problem.TriesLeft == nil || *told.Problem.TriesLeft != 1 {
		t.Errorf("after three wrong step-ups and a wrong proof: %+v", told.Problem)
	}
	w.want(t, tablet, w.binding(t, tablet, wrongTrade), "LOGIN_FAILED")
	confirm(bank.TradePassword).Want(t, "TRADE_PASSWORD_LOCKED")
}

// A stranger without all of password, code and card changes nothing on the trade password,
// whether the guess is right or wrong.
func TestStrangersDoNotTouchTheTradePassword(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	li := w.customer(t, "李四")
	half := w.Clock.Now().Add(30 * time.Minute)
	for name, change := range map[string]func(d *bank.Device, r *identitylogin.Request){
		"wrong code":       func(_ *bank.Device, r *identitylogin.Request) { r.OTP = otptest.Wrong(r.OTP) },
		"no code":          func(_ *bank.Device, r *identitylogin.Request) { r.OTP = "000000" },
		"wrong password":   func(d *bank.Device, r *identitylogin.Request) { r.Password = d.Password(t, "not-it-2026") },
		"another's card":   func(_ *bank.Device, r *identitylogin.Request) { r.CardNo = li.Accounts[0].No },
		"nobody's card":    func(_ *bank.Device, r *identitylogin.Request) { r.CardNo = "6228480099999999999" },
		"unknown number":   func(_ *bank.Device, r *identitylogin.Request) { r.Phone = "13999999999" },
		"a locked number":  func(*bank.Device, *identitylogin.Request) { w.lock(t, w.wang.Phone, &half, false) },
		"another's number": func(_ *bank.Device, r *identitylogin.Request) { r.Phone = li.Phone },
	} {
		for _, guess := range []string{bank.TradePassword, wrongTrade} {
			d := w.Device(t, "phone-of-stranger")
			r := w.binding(t, d, guess)
			change(d, &r)
			if got := d.Call(t, identitylogin.Function, "", r); got.Code != "LOGIN_FAILED" {
				t.Errorf("%s: %q, want LOGIN_FAILED", name, got.Code)
			}
			w.wantTrade(t, name, tradeCounts{})
		}
	}
	if n := w.Count(t, "SELECT count(*) FROM device"); n != 0 {
		t.Errorf("%d keys were bound", n)
	}
}

// several are log-ins at once that all have right factors, on devices and instances of
// their own, each with the trade password as its step-up.
func (w fixture) several(t *testing.T, n int, trade string) []bank.Reply {
	t.Helper()
	devices, requests := make([]*bank.Device, n), make([]identitylogin.Request, n)
	entries := make([]handler.FunctionHandler, n)
	for i := range devices {
		devices[i] = w.Device(t, fmt.Sprint("device-", i))
		requests[i] = w.binding(t, devices[i], trade)
		own := *w.Host
		own.Hashing = password.NewHashing(password.Config{Rounds: bank.Rounds})
		var err error
		entries[i], err = identitylogin.Function.Open(t.Context(), &own, host.Values())
		check.Must(t, err)
	}
	return check.AtOnce(n, func(i int) bank.Reply {
		return devices[i].SendTo(t, entries[i], identitylogin.Function, devices[i].Frame(t, identitylogin.Function, "", requests[i]))
	})
}

// The bound holds for log-ins at once: of many wrong guesses five count, and of right
// guesses none does.
func TestStepUpsAtOnce(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.Exec(t, `INSERT INTO policy (name, valid_from, value) VALUES
('login.lock_after', '2026-11-23', 1000), ('login.freeze_after', '2026-11-23', 1000), ('login.captcha_after', '2026-11-23', 1000)`)
	begin := time.Now()
	if won := bank.Won(t, w.several(t, 12, wrongTrade), "LOGIN_FAILED"); won != 0 {
		t.Errorf("%d wrong guesses won", won)
	}
	w.wantTrade(t, "twelve wrong at once", tradeCounts{Failures: 5, Day: 5, Locked: true})
	compared := 0
	for _, reason := range w.reasons(t, begin) {
		if reason == "LOGIN_FAILED: step-up for the device key" ||
			reason == "LOGIN_FAILED: step-up for the device key, trade_password now locked" {
			compared++
		}
	}
	if compared != 5 {
		t.Errorf("%d guesses were compared, want 5: %q", compared, w.reasons(t, begin))
	}
	w.Advance(30 * time.Minute)
	if won := bank.Won(t, w.several(t, 8, bank.TradePassword), "LOGIN_FAILED"); won != 8 {
		t.Errorf("%d right log-ins won, want 8", won)
	}
	w.wantTrade(t, "eight right at once", tradeCounts{Day: 5})
}

// A login with an earlier form of the stored passwords stores them anew; a wrong one does
// not.
func TestPasswordsAreStoredAnewAtALogin(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.Exec(t, "UPDATE credential SET login_password = $1, trade_password = $2", earlierForm(t, bank.LoginPassword),
		earlierForm(t, bank.TradePassword))
	stored := func() []string {
		return check.Column[string](t, w.Host.DB.Pool(), "SELECT unnest(ARRAY[login_password, trade_password]) FROM credential")
	}
	before := stored()
	w.want(t, w.phone, w.request(t, w.phone, "not-it-2026", w.ask(t, w.phone)), "LOGIN_FAILED")
	w.want(t, w.phone, w.request(t, w.phone, bank.LoginPassword, "000000"), "LOGIN_FAILED")
	w.want(t, w.phone, w.binding(t, w.phone, wrongTrade), "LOGIN_FAILED")
	if diff := cmp.Diff(before, stored()); diff != "" {
		t.Errorf("refused log-ins changed the stored passwords (-before +after):\n%s", diff)
	}
	w.want(t, w.phone, w.binding(t, w.phone, bank.TradePassword), "")
	after := stored()
	for i := range after {
		if after[i] == before[i] || after[i][:len("pbkdf2-sm3-sealed$")] != "pbkdf2-sm3-sealed$" {
			t.Errorf("stored as %s", after[i])
		}
	}
	w.want(t, w.phone, w.binding(t, w.phone, bank.TradePassword), "")
	if diff := cmp.Diff(after, stored()); diff != "" {
		t.Errorf("the next login stored them again (-before +after):\n%s", diff)
	}
}

// earlierForm is the text that earlier releases stored.
func earlierForm(t *testing.T, clear string) string {
	t.Helper()
	text, err := sm.HashPassword([]byte(clear), bank.Rounds)
	check.Must(t, err)
	return text
}

// A password that was copied from the row of another customer matches nothing. Audit
// learns it.
func TestACopiedPasswordDoesNotLogIn(t *testing.T) {
	t.Parallel()
	w, begin := newFixture(t), time.Now()
	li := w.Customer(t, "李四", 0)
	const own, ownTrade = "lis-own-7plum", "628415"
	check.Must(t, w.Seeder().SignUp(t.Context(), li, own, ownTrade, "", nil))
	copyRow(t, w, li, "login_password")
	w.want(t, w.phone, w.request(t, w.phone, own, w.ask(t, w.phone)), "LOGIN_FAILED")
	w.want(t, w.phone, w.right(t, w.phone), "LOGIN_FAILED")
	check.Must(t, w.Seeder().SignUp(t.Context(), w.wang, bank.LoginPassword, bank.TradePassword, "", nil))
	copyRow(t, w, li, "trade_password")
	w.want(t, w.phone, w.binding(t, w.phone, ownTrade), "LOGIN_FAILED")
	want := []string{
		"LOGIN_FAILED: password, login_password damaged", "LOGIN_FAILED: password, login_password damaged",
		"LOGIN_FAILED: step-up for the device key, trade_password damaged",
	}
	if diff := cmp.Diff(want, w.reasons(t, begin)); diff != "" {
		t.Errorf("access records (-want +got):\n%s", diff)
	}
}

// copyRow copies a stored password of a customer to the row of wang.
func copyRow(t *testing.T, w fixture, from seed.Customer, column string) {
	t.Helper()
	w.Exec(t, "UPDATE credential SET "+column+" = (SELECT "+column+" FROM credential WHERE customer_id = $1) WHERE customer_id = $2",
		from.ID, w.wang.ID)
}

// Above the bound of hashing, a login is refused before anything is counted or used up.
func TestALoginWithoutATurnCountsNothing(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	right := w.right(t, w.phone)
	var held []*password.Turn
	for range w.Host.Hashing.Turns() {
		turn, err := w.Passwords().Begin(t.Context())
		check.Must(t, err)
		held = append(held, turn)
	}
	reply := w.phone.Call(t, identitylogin.Function, "", right)
	if reply.Want(t, "SERVICE_UNAVAILABLE"); reply.Header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", reply.Header.Get("Retry-After"))
	}
	if got := w.attempts(t); got != nil {
		t.Errorf("an attempt was counted: %+v", got)
	}
	if tries := w.Count(t, "SELECT tries FROM otp_challenge WHERE purpose = $1", string(otp.Login)); tries != 0 {
		t.Errorf("%d tries of the code were counted", tries)
	}
	for _, turn := range held {
		turn.End()
	}
	w.want(t, w.phone, right, "")
}
