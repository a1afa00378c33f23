package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	identityregister "github.com/tidebank/tidebank/functions/identity/register"
	otpsend "github.com/tidebank/tidebank/functions/otp/send"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/captchatest"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/req"
)

// fixture is a bank with a customer who has signed up, and the customer's phone.
type fixture struct {
	*bank.Bank
	phone *bank.Device
	wang  seed.Customer
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	b := bank.New(t)
	w := fixture{Bank: b, phone: b.Device(t, "phone-of-wang"), wang: b.Customer(t, "王小明", 0)}
	check.Must(t, b.Seeder().SignUp(t.Context(), w.wang, bank.LoginPassword, bank.TradePassword, "", nil))
	return w
}

// login logs in with a solved graphic code and the right one-time code.
func (w fixture) login(t *testing.T, guess, want string) {
	t.Helper()
	w.Exec(t, "DELETE FROM otp_quota")
	r := w.phone.LogIn(t, w.wang, otptest.Ask(t, w.Bank, w.phone, otp.Login, w.wang.Phone))
	r.Password = w.phone.Password(t, guess)
	r.CaptchaID, r.CaptchaAnswer = captchatest.Solved(t, w.Bank, w.phone), captchatest.Answer
	w.phone.Call(t, identitylogin.Function, "", r).Want(t, want)
}

// freeze fails ten times in a day.
func (w fixture) freeze(t *testing.T) {
	t.Helper()
	for range 2 {
		for range 5 {
			w.login(t, "not-it-2026", "LOGIN_FAILED")
		}
		w.Advance(30 * time.Minute)
	}
}

// unlocks are the access records that the command has left.
func (w fixture) unlocks(t *testing.T) []events.AccessRecorded {
	t.Helper()
	var list []events.AccessRecorded
	records := bank.Told[events.AccessRecorded](t, w.Bank, events.TypeAccessRecorded)
	for i, e := range w.Outbox(t, events.TypeAccessRecorded) {
		r := records[i]
		if r.Function == unlockFunction {
			list = append(list, r)
			if strings.Contains(string(e.Data), w.wang.Phone) || !strings.Contains(e.Traceparent, r.Trace) {
				t.Errorf("the record is %s, traced by %s", e.Data, e.Traceparent)
			}
		}
	}
	return list
}

func (w fixture) order() order {
	return order{phone: w.wang.Phone, reason: "came to the branch", operator: "zhao"}
}

// A frozen number stays frozen however long, though old rows are pruned; the
// operator's command lifts it, and audit records the operator and the reason.
func TestAFrozenNumberStaysUntilAnOperatorUnlocksIt(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-010.3")
	w := newFixture(t)
	w.freeze(t)
	// Make the rows ten years old for the database too, because pruning asks its clock.
	w.Exec(t, `
UPDATE login_attempt SET day = day - 3653, locked_until = locked_until - interval '3653 days'`)
	for _, wait := range []time.Duration{0, 24 * time.Hour, 30 * 24 * time.Hour, 10 * 365 * 24 * time.Hour} {
		w.Advance(wait)
		w.phone.Reopen(t)
		for _, r := range password.Retentions() {
			_, err := w.Host.DB.Prune(t.Context(), r, time.Now())
			check.Must(t, err)
		}
		w.login(t, bank.LoginPassword, "LOGIN_FAILED")
	}

	id, err := unlockLogin(t.Context(), w.Host, w.order())
	check.Must(t, err)
	w.login(t, bank.LoginPassword, "")
	computer, err := os.Hostname()
	check.Must(t, err)
	want := []events.AccessRecorded{{
		Function: "tide-login-unlock", Outcome: "OK", Reason: "unlocked by zhao: came to the branch",
		CustomerID: w.wang.ID.String(), DeviceID: computer, Trace: id, Category: "auth",
	}}
	got := w.unlocks(t)
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(events.AccessRecorded{}, "IP")); diff != "" {
		t.Errorf("access records (-want +got):\n%s", diff)
	}
	if len(got) == 1 && got[0].IP == "" {
		t.Error("the record has no address")
	}
}

// Nothing changes, and nothing is recorded, when there is nothing to lift.
func TestUnlockOfWhatIsNotLocked(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	refused := func(name string, o order) {
		t.Helper()
		w.Exec(t, "DELETE FROM otp_quota") // a code that counts is something to lift
		if _, err := unlockLogin(t.Context(), w.Host, o); !errors.Is(err, password.ErrNotLocked) {
			t.Errorf("%s: %v", name, err)
		}
	}
	stranger := w.order()
	stranger.phone = "13999999999"
	refused("nobody's number", stranger)
	refused("a number without a failure", w.order())
	for range 4 {
		w.login(t, "not-it-2026", "LOGIN_FAILED")
	}
	refused("four failures", w.order())
	w.login(t, "not-it-2026", "LOGIN_FAILED")
	if _, err := unlockLogin(t.Context(), w.Host, w.order()); err != nil {
		t.Errorf("a lock of half an hour: %v", err)
	}
	refused("a second time", w.order())
	for range 5 {
		w.login(t, "not-it-2026", "LOGIN_FAILED")
	}
	w.Advance(30 * time.Minute)
	refused("a lock that has ended", w.order())
	if got := w.unlocks(t); len(got) != 1 {
		t.Errorf("recorded: %+v", got)
	}
}

// Strangers use up the number's codes for unknown devices; the operator's command lets the
// customer's new phone ask again, though nothing is locked. Other numbers stay as they are.
func TestUnlockResetsTheQuotasOfCodes(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	const other = "13999999999"
	ask := func(d *bank.Device, number, want string) {
		t.Helper()
		d.Call(t, otpsend.Function, "", otptest.Request(t, w.Bank, d, otp.Login, number)).Want(t, want)
	}
	for n := range 4 {
		d := w.Device(t, fmt.Sprint("phone-of-stranger-", n))
		d.IP = fmt.Sprintf("2001:db8:%d::1", n)
		for range 5 {
			ask(d, w.wang.Phone, "")
			ask(d, other, "")
			w.Advance(time.Minute)
		}
	}
	phone := w.Device(t, "new-phone-of-wang")
	phone.IP = "203.0.113.99"
	ask(phone, w.wang.Phone, "OTP_TOO_OFTEN")
	id, err := unlockLogin(t.Context(), w.Host, w.order())
	check.Must(t, err)
	ask(phone, w.wang.Phone, "")
	ask(phone, other, "OTP_TOO_OFTEN")
	got := w.unlocks(t)
	if len(got) != 1 || got[0].Trace != id || got[0].CustomerID != w.wang.ID.String() {
		t.Errorf("recorded: %+v", got)
	}
	w.Advance(24 * time.Hour)
	if _, err := unlockLogin(t.Context(), w.Host, w.order()); !errors.Is(err, password.ErrNotLocked) {
		t.Errorf("no code counts any more: %v", err)
	}
}

// A lock and used-up codes are lifted together.
func TestUnlockOfALockResetsTheCodesToo(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for range 5 {
		w.login(t, "not-it-2026", "LOGIN_FAILED")
	}
	_, err := unlockLogin(t.Context(), w.Host, w.order())
	check.Must(t, err)
	if n := w.Count(t, "SELECT count(*) FROM otp_quota"); n != 0 {
		t.Errorf("%d quotas are left", n)
	}
}

// A person who has failed too often to sign up is barred until an operator lifts the bar.
func TestUnlockLiftsTheBarOfASignUp(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	w := fixture{Bank: b, phone: b.Device(t, "phone-of-wang"), wang: b.Customer(t, "王小明", 0)}
	signUp := func(change func(*identityregister.Request), want string) {
		t.Helper()
		w.Exec(t, "DELETE FROM otp_quota")
		r := w.phone.SignUp(t, w.wang, otptest.Ask(t, b, w.phone, otp.Register, w.wang.Phone))
		change(&r)
		w.phone.Call(t, identityregister.Function, uuid.NewString(), r).Want(t, want)
	}
	right := func(*identityregister.Request) {}
	for range 5 {
		signUp(func(r *identityregister.Request) { r.CardPassword = w.phone.Password(t, "000000") }, "REGISTRATION_REFUSED")
	}
	signUp(right, "REGISTRATION_REFUSED")
	w.Exec(t, "DELETE FROM otp_quota")
	_, err := unlockLogin(t.Context(), w.Host, w.order())
	check.Must(t, err)
	signUp(right, "")
	w.Exec(t, "DELETE FROM otp_quota")
	if _, err := unlockLogin(t.Context(), w.Host, w.order()); !errors.Is(err, password.ErrNotLocked) {
		t.Errorf("nothing bars: %v", err)
	}
}

// A number that is locked and is no customer's is unlocked too; the record then names
// nobody.
func TestUnlockOfNobodysNumber(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	o := w.order()
	o.phone = "13999999999"
	w.Exec(t, `INSERT INTO login_attempt (phone_bidx, day, frozen) VALUES ($1, now(), true)`,
		customer.PhoneIndex(w.Host.Keys, o.phone))
	_, err := unlockLogin(t.Context(), w.Host, o)
	check.Must(t, err)
	if got := w.unlocks(t); len(got) != 1 || got[0].CustomerID != "" {
		t.Errorf("recorded: %+v", got)
	}
}

func TestUnlockOrdersThatAreRefused(t *testing.T) {
	t.Parallel()
	good := order{phone: "13800010001", reason: "came to the branch", operator: "zhao"}
	check.Must(t, good.check())
	for name, tt := range map[string]struct {
		change func(*order)
		want   error
	}{
		"no phone":               {func(o *order) { o.phone = "" }, errPhone},
		"a short phone":          {func(o *order) { o.phone = "1380001000" }, errPhone},
		"no reason":              {func(o *order) { o.reason = "" }, errReason},
		"a blank reason":         {func(o *order) { o.reason = " \u3000" }, errReason},
		"a long reason":          {func(o *order) { o.reason = strings.Repeat("为", 201) }, errReason},
		"a reason of two lines":  {func(o *order) { o.reason = "a\nb" }, errReason},
		"a reason turned around": {func(o *order) { o.reason = "came\u202e to" }, errReason},
		"an operator turned":     {func(o *order) { o.operator = "zh\u202eao" }, errOperator},
		"a phone in the reason":  {func(o *order) { o.reason = "called from 13800010001" }, errReason},
		"no operator":            {func(o *order) { o.operator = "" }, errOperator},
		"a phone as operator":    {func(o *order) { o.operator = "13800010001" }, errOperator},
	} {
		o := good
		tt.change(&o)
		if err := o.check(); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	for args, says := range map[string]string{
		"login unlock": `"operator", "phone", "reason" not set`,
		"login unlock --phone 138 --reason x --operator y":        "--phone is not a mobile number",
		"login unlock --phone 13800010001 --reason= --operator y": "--reason must be",
		"login lock": "unknown command",
	} {
		if _, stderr, err := tide(strings.Fields(args)...); err == nil || !strings.Contains(stderr, says) {
			t.Errorf("tide %s: it says %q, %v; want %q", args, stderr, err, says)
		}
	}
	if stdout, _, err := tide("login", "unlock", "--help"); err != nil || !strings.Contains(stdout, "access record") ||
		!strings.Contains(stdout, "quotas of codes") {
		t.Errorf("help: %q, %v", stdout, err)
	}
}
