package login_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	handler "github.com/openfaas/templates-sdk/go-http"

	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/captchatest"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

type attempts struct {
	Failures, Day  int
	Locked, Frozen bool
}

// attempts are the number's own counters; nil if there are none.
func (w fixture) attempts(t *testing.T) *attempts {
	t.Helper()
	var a attempts
	err := w.Host.DB.Pool().QueryRow(t.Context(), `
SELECT failures, day_failures, locked_until > $2, frozen FROM login_attempt WHERE phone_bidx = $1`,
		customer.PhoneIndex(w.Host.Keys, w.wang.Phone), w.Clock.Now()).Scan(&a.Failures, &a.Day, &orFalse{&a.Locked}, &a.Frozen)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	check.Must(t, err)
	return &a
}

// orFalse reads a boolean that may be null.
type orFalse struct{ to *bool }

func (o *orFalse) Scan(value any) error {
	*o.to, _ = value.(bool)
	return nil
}

// fail fails to log in as often as asked, with the right code and a solved graphic code
// each time.
func (w fixture) fail(t *testing.T, times int) {
	t.Helper()
	for range times {
		w.want(t, w.phone, w.solved(t, w.phone, w.request(t, w.phone, "not-it-2026", w.ask(t, w.phone))), "LOGIN_FAILED")
	}
}

func (w fixture) wantAttempts(t *testing.T, want attempts) {
	t.Helper()
	if diff := cmp.Diff(&want, w.attempts(t)); diff != "" {
		t.Fatalf("counters (-want +got):\n%s", diff)
	}
}

func TestThirdFailureAsksForAGraphicCode(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-004.2", "AUTH-011.1", "AUTH-011.2")
	w := newFixture(t)
	code := w.ask(t, w.phone)
	for range 3 {
		w.want(t, w.phone, w.request(t, w.phone, "not-it-2026", code), "LOGIN_FAILED")
	}
	right := w.right(t, w.phone)
	w.want(t, w.phone, right, "CAPTCHA_REQUIRED")
	w.want(t, w.phone, w.request(t, w.phone, "not-it-2026", "000000"), "CAPTCHA_REQUIRED")
	unknown := right
	unknown.CaptchaID, unknown.CaptchaAnswer = "no such code", "123456"
	w.want(t, w.phone, unknown, "CAPTCHA_REJECTED")
	wrong := w.solved(t, w.phone, right)
	wrong.CaptchaAnswer = "123456"
	w.want(t, w.phone, wrong, "CAPTCHA_REJECTED")
	wrong.CaptchaAnswer = captchatest.Answer
	w.want(t, w.phone, wrong, "CAPTCHA_REJECTED") // the wrong answer used it up
	wantSession(t, w.phone, "SESSION_REQUIRED")
	w.wantAttempts(t, attempts{Failures: 3, Day: 3})

	w.want(t, w.phone, w.solved(t, w.phone, right), "")
	wantSession(t, w.phone, "")
	w.wantAttempts(t, attempts{})

	// The second threshold freezes the password.
	w.fail(t, 5)
	w.Advance(time.Minute)
	w.want(t, w.phone, w.solved(t, w.phone, w.right(t, w.phone)), "LOGIN_FAILED")
}

// A login that needs a graphic code and has none is refused before anything is counted: it
// uses up no try of the code.
func TestALoginWithoutItsGraphicCodeUsesUpNoTry(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.fail(t, 3)
	right := w.right(t, w.phone)
	for range 6 { // more than the tries of a code
		w.want(t, w.phone, right, "CAPTCHA_REQUIRED")
	}
	w.want(t, w.phone, w.solved(t, w.phone, right), "")
}

// Without a graphic code a locked number answers like one that is not locked, whether the
// code is right or wrong.
func TestCaptchaRequiredTellsNoLock(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	code := w.ask(t, w.phone)
	w.fail(t, 5) // locks the number and the phone
	w.want(t, w.phone, w.request(t, w.phone, bank.LoginPassword, code), "CAPTCHA_REQUIRED")
	fresh := w.Device(t, "phone-of-fresh")
	for range 3 {
		w.want(t, fresh, w.request(t, fresh, "not-it-2026", "000000"), "LOGIN_FAILED")
	}
	w.want(t, fresh, w.request(t, fresh, bank.LoginPassword, "000000"), "CAPTCHA_REQUIRED")
	w.want(t, fresh, w.right(t, fresh), "CAPTCHA_REQUIRED")
}

func TestGraphicCodeIsGoodOnce(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	wrong := w.solved(t, w.phone, w.request(t, w.phone, "not-it-2026", w.ask(t, w.phone)))
	w.want(t, w.phone, wrong, "LOGIN_FAILED")
	w.want(t, w.phone, wrong, "CAPTCHA_REJECTED")
	late := w.solved(t, w.phone, wrong)
	w.Advance(2*time.Minute + time.Second)
	w.want(t, w.phone, late, "CAPTCHA_REJECTED")
	w.wantAttempts(t, attempts{Failures: 1, Day: 1})
}

func TestFifthTryMayStillBeRight(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.fail(t, 4)
	w.want(t, w.phone, w.solved(t, w.phone, w.right(t, w.phone)), "")
	w.wantAttempts(t, attempts{})
}

func TestFifthFailureLocksForHalfAnHour(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-010.1", "AUTH-010.2")
	w := newFixture(t)
	w.fail(t, 5)
	w.wantAttempts(t, attempts{Failures: 5, Day: 5, Locked: true})
	w.want(t, w.phone, w.solved(t, w.phone, w.right(t, w.phone)), "LOGIN_FAILED")
	w.Advance(30*time.Minute - time.Second)
	right := w.right(t, w.phone)
	w.want(t, w.phone, w.solved(t, w.phone, right), "LOGIN_FAILED")
	wantSession(t, w.phone, "SESSION_REQUIRED")
	w.wantAttempts(t, attempts{Failures: 5, Day: 5, Locked: true}) // trying does not prolong it
	w.Advance(time.Second)
	w.want(t, w.phone, right, "") // and the graphic code's count starts anew
	wantSession(t, w.phone, "")
	w.wantAttempts(t, attempts{})

	// Ten in a day freeze for good.
	w.fail(t, 5)
	w.Advance(30 * time.Minute)
	w.fail(t, 5)
	w.wantAttempts(t, attempts{Failures: 5, Day: 10, Locked: true, Frozen: true})
	for _, wait := range []time.Duration{30 * time.Minute, 24 * time.Hour, 30 * 24 * time.Hour} {
		w.Advance(wait)
		w.phone.Reopen(t)
		w.want(t, w.phone, w.solved(t, w.phone, w.right(t, w.phone)), "LOGIN_FAILED")
		wantSession(t, w.phone, "SESSION_REQUIRED")
	}
}

func TestNineFailuresInADayDoNotFreeze(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.fail(t, 5)
	w.Advance(30 * time.Minute)
	w.fail(t, 4)
	w.wantAttempts(t, attempts{Failures: 4, Day: 9})
	w.Advance(13*time.Hour + 30*time.Minute) // midnight in Shanghai
	w.phone.Reopen(t)
	w.want(t, w.phone, w.request(t, w.phone, "not-it-2026", "000000"), "CAPTCHA_REQUIRED") // failures in a row know no day
	w.fail(t, 1)
	w.wantAttempts(t, attempts{Failures: 5, Day: 1, Locked: true})
	w.Advance(30 * time.Minute)
	w.want(t, w.phone, w.right(t, w.phone), "")
}

// newInstances is a fixture with two instances of the function, each with connections of
// its own. A call that has counted an attempt waits before the commit, so that others count
// meanwhile.
func newInstances(t *testing.T) (w fixture, instances [2]handler.FunctionHandler, begin time.Time) {
	t.Helper()
	db, url := pgtest.NewURL(t)
	b := bank.On(t, db)
	w = fixture{Bank: b, phone: b.Device(t, "phone-of-wang")}
	w.wang = w.customer(t, "王小明")
	b.Exec(t, `
CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.02); RETURN NULL; END $$;
CREATE TRIGGER attempt_pause AFTER UPDATE ON login_attempt FOR EACH ROW EXECUTE FUNCTION pause()`)
	for i := range instances {
		own := *b.Host
		var err error
		own.DB, err = pg.Open(t.Context(), pg.Config{URL: url, MaxConns: 8})
		check.Must(t, err)
		t.Cleanup(own.DB.Close)
		instances[i], err = identitylogin.Function.Open(t.Context(), &own, host.Values())
		check.Must(t, err)
	}
	return w, instances, time.Now()
}

func TestParallelGuessesCannotExceedTheBound(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-010.4")
	w, instances, begin := newInstances(t)
	devices := []*bank.Device{w.phone, w.Device(t, "tablet-of-wang"), w.Device(t, "third-of-wang")}
	guesses := make([]identitylogin.Request, 12) // four on each device, each with the device's right code
	for i := range guesses {
		d := devices[i%len(devices)]
		guesses[i] = w.solved(t, d, w.request(t, d, "not-it-2026", ""))
		if i >= len(devices) {
			guesses[i].OTP = guesses[i%len(devices)].OTP
			continue
		}
		guesses[i].OTP = w.ask(t, d)
	}
	replies := check.AtOnce(len(guesses), func(i int) bank.Reply {
		d := devices[i%len(devices)]
		frame := d.Frame(t, identitylogin.Function, "", guesses[i])
		return d.SendTo(t, instances[i%2], identitylogin.Function, frame)
	})
	if won := bank.Won(t, replies, "LOGIN_FAILED"); won != 0 {
		t.Errorf("%d guesses were right", won)
	}
	tried := 0
	for _, r := range w.records(t, begin) {
		if strings.Contains(r.Reason, "password") { // the others met the number's lock
			tried++
		}
	}
	if tried != 5 {
		t.Errorf("%d guesses were looked at, want 5", tried)
	}
	w.wantAttempts(t, attempts{Failures: 5, Day: 5, Locked: true})
	w.want(t, w.phone, w.solved(t, w.phone, w.right(t, w.phone)), "LOGIN_FAILED")
	w.Advance(30 * time.Minute)
	w.want(t, w.phone, w.solved(t, w.phone, w.right(t, w.phone)), "")

	// A locked number stays so however often it is tried.
	w.fail(t, 5)
	w.Advance(30 * time.Minute)
	w.fail(t, 4)
	w.Advance(time.Minute)
	w.fail(t, 1)
	for range 3 {
		w.fail(t, 1)
		w.Advance(12 * time.Hour)
		w.phone.Reopen(t)
	}
	w.want(t, w.phone, w.solved(t, w.phone, w.right(t, w.phone)), "LOGIN_FAILED")
}

// Strangers fail as often as they like, on as many devices as they like, without the
// number's code. They lock their own devices out. The customer's code stays good, the
// number is not locked, and nobody learns more than of an unknown number.
func TestStrangersCannotLockANumber(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	right := w.right(t, w.phone)
	for n := range 6 {
		d := w.Device(t, fmt.Sprint("phone-of-stranger-", n))
		d.IP = fmt.Sprint("198.51.100.", n)
		w.ask(t, d) // voids no code of another device
		var known, unknown []string
		for range 7 {
			guess := w.request(t, d, bank.LoginPassword, "000000")
			known = append(known, d.Call(t, identitylogin.Function, "", w.solved(t, d, guess)).Code)
			guess.Phone = "13999999999"
			unknown = append(unknown, d.Call(t, identitylogin.Function, "", w.solved(t, d, guess)).Code)
		}
		if diff := cmp.Diff(unknown, known); diff != "" {
			t.Errorf("the number is not like an unknown one (-unknown +known):\n%s", diff)
		}
		w.want(t, d, w.solved(t, d, w.right(t, d)), "LOGIN_FAILED") // this device is locked
	}
	w.wantAttempts(t, attempts{})
	w.want(t, w.phone, right, "")
}

// Many failures from one network address make each of its log-ins solve a graphic code.
func TestAnAddressThatFailsOftenMustSolveGraphicCodes(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for n := range 15 {
		d := w.Device(t, fmt.Sprint("phone-of-script-", n))
		d.IP = fmt.Sprintf("2001:db8:0:7::%x", n) // one client has them all
		for range 2 {
			guess := w.request(t, d, "not-it-2026", "000000")
			guess.Phone = fmt.Sprint(13900000000 + n)
			w.want(t, d, guess, "LOGIN_FAILED")
		}
	}
	fresh := w.Device(t, "phone-of-fresh")
	fresh.IP = "2001:db8:0:7:ffff::1"
	w.want(t, fresh, w.right(t, fresh), "CAPTCHA_REQUIRED")
	w.want(t, fresh, w.solved(t, fresh, w.right(t, fresh)), "")
	w.want(t, w.phone, w.right(t, w.phone), "") // of another address
	w.Advance(time.Hour)
	w.want(t, fresh, w.right(t, fresh), "")
}

// One number's failures are no other's.
func TestCountersAreByNumber(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	li := w
	li.wang = w.customer(t, "李四")
	w.fail(t, 5)
	d := w.Device(t, "phone-of-li")
	li.want(t, d, li.request(t, d, bank.LoginPassword, li.ask(t, d)), "")
	w.wantAttempts(t, attempts{Failures: 5, Day: 5, Locked: true})
}
