package quicklogin_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	handler "github.com/openfaas/templates-sdk/go-http"

	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	identitypasswordchange "github.com/tidebank/tidebank/functions/identity/passwordchange"
	identitypasswordreset "github.com/tidebank/tidebank/functions/identity/passwordreset"
	identityquicklogin "github.com/tidebank/tidebank/functions/identity/quicklogin"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/captchatest"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/pgtest"
)

const wrong = "14789"

func (w fixture) alias(t *testing.T, text string) []byte {
	t.Helper()
	return customer.LoginIndex(w.Host.Keys, "", text)
}

// moreRounds makes the bank hash with more rounds than the stored gestures have.
func (w fixture) moreRounds() {
	w.Host.Hashing = password.NewHashing(password.Config{Rounds: 2 * bank.Rounds})
	w.Forget(identityquicklogin.Function)
}

// After three wrong gestures in a row the bank asks for a graphic code, after five it takes no
// gesture, also not the right one, not after any time and not after the loss of Redis. Finger and
// face still log in. Only a login by password on this device, with its bound key, is the way back.
func TestFiveWrongGesturesLock(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for range 2 {
		send(t, w.Phone, w.guess(t, wrong, false)).Want(t, "LOGIN_FAILED")
	}
	send(t, w.Phone, w.guess(t, bank.Gesture, false)).Want(t, "") // a right one starts the count anew
	for range 3 {
		send(t, w.Phone, w.guess(t, wrong, false)).Want(t, "LOGIN_FAILED")
	}
	send(t, w.Phone, w.guess(t, bank.Gesture, false)).Want(t, "CAPTCHA_REQUIRED")
	send(t, w.Phone, w.guess(t, wrong, true)).Want(t, "LOGIN_FAILED")
	if n := w.failures(t); n != 4 {
		t.Fatalf("%d failures, want 4", n)
	}
	send(t, w.Phone, w.guess(t, bank.Gesture, true)).Want(t, "") // the fifth may still be right
	for range 5 {
		send(t, w.Phone, w.guess(t, wrong, true)).Want(t, "LOGIN_FAILED")
	}
	w.Phone.Reopen(t)
	locked := func(when string) {
		t.Helper()
		if got := send(t, w.Phone, w.guess(t, bank.Gesture, true)); got.Code != "LOGIN_FAILED" || w.failures(t) != 5 {
			t.Errorf("%s: the right gesture got %d %q, and %d failures", when, got.Status, got.Code, w.failures(t))
		}
		wantSession(t, w.Phone, "SESSION_REQUIRED")
	}
	locked("at once")
	send(t, w.Phone, w.guess(t, bank.Gesture, false)).Want(t, "CAPTCHA_REQUIRED") // as before the lock
	byAlias := w.guess(t, bank.Gesture, true)
	byAlias.Phone, byAlias.Alias = "", "tide.fan"
	w.Exec(t, "UPDATE customer SET alias_bidx = $2 WHERE id = $1", w.Payer.ID, w.alias(t, "tide.fan"))
	send(t, w.Phone, byAlias).Want(t, "LOGIN_FAILED")
	w.Redis.FlushAll()
	w.Phone.Reopen(t)
	locked("after the loss of Redis")
	w.Advance(30 * 24 * time.Hour)
	w.Phone.Reopen(t)
	locked("after a month")
	for _, by := range []device.Method{device.ByFingerprint, device.ByFace} {
		send(t, w.Phone, w.request(t, w.Phone, by)).Want(t, "")
	}
	w.Phone.Reopen(t)
	locked("after a login by face")

	tablet := w.Device(t, "tablet-of-wang")
	w.password(t, tablet).Want(t, "")
	locked("after a login on another device")
	claims := w.Device(t, w.Phone.ID)
	w.password(t, claims).Want(t, "")
	locked("after a login that claims the device's id")
	w.password(t, w.Phone).Want(t, "")
	w.Phone.Reopen(t)
	send(t, w.Phone, w.guess(t, bank.Gesture, false)).Want(t, "")
	if diff := cmp.Diff([]string{
		"gesture", "gesture", "gesture", "gesture", "gesture", "gesture", "gesture", "gesture", "gesture", "gesture",
		"gesture, now locked", "locked", "locked", "locked", "locked", "locked", "locked", "locked",
	}, w.reasons(t)); diff != "" {
		t.Errorf("reasons for audit (-want +got):\n%s", diff)
	}
}

// A new gesture has no failures.
func TestANewGestureIsNotLocked(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for range 5 {
		send(t, w.Phone, w.guess(t, wrong, true)).Want(t, "LOGIN_FAILED")
	}
	w.password(t, w.Phone).Want(t, "")
	for range 5 {
		send(t, w.Phone, w.guess(t, wrong, true)).Want(t, "LOGIN_FAILED")
	}
	w.SetGesture(t, bank.Gesture).Want(t, "")
	send(t, w.Phone, w.guess(t, bank.Gesture, false)).Want(t, "")
}

// A new login password ends quick log-ins on the other devices, and a reset on all: whoever has set
// them there may not know it.
func TestANewLoginPasswordEndsQuickLogins(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	tablet := w.Device(t, "tablet-of-wang")
	tablet.LoginAs(t, w.Payer)
	tablet.KeepGesture(t, w.Payer)
	face, err := w.keys[device.ByFace].Public().Marshal()
	check.Must(t, err)
	w.Exec(t, "UPDATE device SET fingerprint_key = $2, face_key = $2 WHERE device_id = $1", tablet.ID, face)
	try := func(d *bank.Device, want string) {
		t.Helper()
		for _, by := range methods {
			r := d.QuickLogin(t, w.Payer, d.Challenge(t), by, w.keys[device.ByFace])
			if d == w.Phone {
				r = w.request(t, d, by)
			}
			if got := send(t, d, r); got.Code != want {
				t.Errorf("%s on the %s: %d %q, want %q", by, d.ID, got.Status, got.Code, want)
			}
		}
	}
	try(tablet, "")
	try(w.Phone, "")
	in := w.PrepareChange(t, stepup.ChangeLoginPassword)
	w.Phone.Call(t, identitypasswordchange.Function, uuid.NewString(), identitypasswordchange.Request{
		Confirmation: stepup.Confirmation{
			IntentID: in.IntentID, Proofs: []stepup.Proof{w.KnownLogin(t, bank.LoginPassword), w.CodeFor(t, in.IntentID)},
		},
		LoginPassword: w.Phone.Password(t, "moon-2028x"),
	}).Want(t, "")
	try(tablet, "LOGIN_FAILED")
	try(w.Phone, "")
	w.Exec(t, "DELETE FROM otp_quota")
	code := otptest.Ask(t, w.Bank, w.Phone, otp.Forgotten, w.Payer.Phone)
	w.Phone.Call(t, identitypasswordreset.Function, uuid.NewString(), w.Phone.ResetPassword(t, w.Payer, code, "star-2028z")).Want(t, "")
	try(w.Phone, "LOGIN_FAILED")
}

// A login by a gesture, an unlock key or a bound key that is replaced before the login commits is
// refused. The trigger replaces it as a concurrent call may.
func TestWhatIsReplacedMeanwhileLogsInNoMore(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.Exec(t, `
CREATE FUNCTION meanwhile() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER credential_meanwhile AFTER UPDATE ON credential FOR EACH ROW EXECUTE FUNCTION meanwhile()`)
	for _, replaced := range []string{"gesture = 'new', fingerprint_key = 'new', face_key = 'new'", "public_key = 'new'"} {
		w.Exec(t, `CREATE OR REPLACE FUNCTION meanwhile() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN UPDATE device SET `+replaced+`; RETURN NULL; END $$`)
		for _, by := range methods {
			if got := send(t, w.Phone, w.request(t, w.Phone, by)); got.Code != "LOGIN_FAILED" {
				t.Errorf("%s, by %s: %d %q", replaced, by, got.Status, got.Code)
			}
			wantSession(t, w.Phone, "SESSION_REQUIRED")
		}
	}
	w.Exec(t, "DROP TRIGGER credential_meanwhile ON credential")
	for _, by := range methods {
		send(t, w.Phone, w.request(t, w.Phone, by)).Want(t, "")
	}
}

// While the number is locked or frozen, no quick login goes on. A quick login resets none of the
// counts of passwords.
func TestALockedNumberLogsInByNoMethod(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	index := customer.PhoneIndex(w.Host.Keys, w.Payer.Phone)
	now := w.Clock.Now()
	w.ForgetAttempts(t)
	w.Exec(t, "INSERT INTO login_attempt (phone_bidx, day, failures, day_failures) VALUES ($1, $2, 4, 9)", index, clock.BusinessDay(now))
	for _, by := range methods {
		send(t, w.Phone, w.request(t, w.Phone, by)).Want(t, "")
	}
	if n := w.Count(t, "SELECT failures * 100 + day_failures FROM login_attempt"); n != 409 {
		t.Errorf("the counts of passwords are %d", n)
	}
	for _, lock := range []string{"frozen = true", "frozen = false, locked_until = '2026-11-23 10:00:00.000001+08'"} {
		w.Exec(t, "UPDATE login_attempt SET "+lock)
		for _, by := range methods {
			if got := send(t, w.Phone, w.request(t, w.Phone, by)); got.Code != "LOGIN_FAILED" {
				t.Errorf("%s, %s: %d %q", lock, by, got.Status, got.Code)
			}
		}
	}
	w.Exec(t, "UPDATE login_attempt SET locked_until = $1", now)
	for _, by := range methods {
		send(t, w.Phone, w.request(t, w.Phone, by)).Want(t, "")
	}
}

// newInstances is a fixture with two instances of the function, each with connections of its
// own. A call that has counted a guess waits before the commit, so that others count meanwhile.
func newInstances(t *testing.T) (w fixture, instances [2]handler.FunctionHandler) {
	t.Helper()
	db, url := pgtest.NewURL(t)
	w = fixtureOn(t, bank.On(t, db))
	w.Exec(t, `
CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.005); RETURN NULL; END $$;
CREATE TRIGGER gesture_pause AFTER UPDATE ON device FOR EACH ROW EXECUTE FUNCTION pause()`)
	for i := range instances {
		own := *w.Host
		own.Hashing = password.NewHashing(password.Config{Rounds: bank.Rounds})
		var err error
		own.DB, err = pg.Open(t.Context(), pg.Config{URL: url, MaxConns: 8})
		check.Must(t, err)
		t.Cleanup(own.DB.Close)
		instances[i], err = identityquicklogin.Function.Open(t.Context(), &own, host.Values())
		check.Must(t, err)
	}
	return w, instances
}

// Fifty guesses at once on two instances, with the lock further away than that, count fifty. With
// the lock at five, five of them are looked at. So it is after the loss of Redis too.
func TestParallelGuessesAreCountedExactly(t *testing.T) {
	t.Parallel()
	w, instances := newInstances(t)
	w.Exec(t, "UPDATE policy SET value = 1000 WHERE name IN ('login.captcha_after', 'login.address_captcha_after')")
	atOnce := func(gesture string) (won int) {
		t.Helper()
		var requests []identityquicklogin.Request
		var frames [][]byte
		for range 50 {
			requests = append(requests, w.guess(t, gesture, false))
		}
		for _, r := range requests { // the bank takes frames that are less than 64 behind
			frames = append(frames, w.Phone.Frame(t, identityquicklogin.Function, "", r))
		}
		replies := check.AtOnce(len(frames), func(i int) bank.Reply {
			reply := w.Phone.SendTo(t, instances[i%2], identityquicklogin.Function, frames[i])
			for n := 0; reply.Code == "SERVICE_UNAVAILABLE" && n < 10; n++ { // it got no turn to hash, and is not counted
				again := w.Phone.Frame(t, identityquicklogin.Function, "", requests[i])
				reply = w.Phone.SendTo(t, instances[i%2], identityquicklogin.Function, again)
			}
			return reply
		})
		return bank.Won(t, replies, "LOGIN_FAILED")
	}
	for lockAfter, counted := range map[int]int{1000: 50, 5: 5} {
		w.Exec(t, "UPDATE policy SET value = $1 WHERE name = 'gesture.lock_after'", lockAfter)
		w.Exec(t, "UPDATE device SET gesture_failures = 0")
		before := len(w.reasons(t))
		if won := atOnce(wrong); won != 0 || w.failures(t) != counted {
			t.Errorf("lock after %d: %d guesses won, %d are counted, want %d", lockAfter, won, w.failures(t), counted)
		}
		looked := 0
		for _, r := range w.reasons(t)[before:] {
			if strings.HasPrefix(r, "gesture") {
				looked++
			}
		}
		if looked != counted {
			t.Errorf("lock after %d: %d guesses were looked at, want %d", lockAfter, looked, counted)
		}
	}
	w.Redis.FlushAll()
	w.Phone.Reopen(t)
	w.Exec(t, "UPDATE policy SET value = 7 WHERE name = 'gesture.lock_after'")
	w.Exec(t, "UPDATE device SET gesture_failures = 5")
	if won := atOnce(wrong); won != 0 || w.failures(t) != 7 {
		t.Errorf("after the loss of Redis %d guesses are counted, want 7", w.failures(t))
	}
}

// Every failure is alike for those who learn the answer, whether or not the number, the device or the
// gesture exists.
func TestFailuresAreAlike(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	tablet := w.Device(t, "tablet-of-wang")
	bare := w.Customer(t, "赵六", 0)
	check.Must(t, w.Seeder().SignUp(t.Context(), bare, bank.LoginPassword, bank.TradePassword, tablet.ID, tablet.PublicKey(t)))
	unknown := w.request(t, w.Phone, device.ByGesture)
	unknown.Phone = "13999999999"
	unset := tablet.QuickLogin(t, bare, tablet.Challenge(t), device.ByGesture, nil)
	used := w.request(t, w.Phone, device.ByGesture)
	w.Exec(t, "DELETE FROM login_challenge WHERE challenge = $1", used.Challenge)
	var first *bank.Reply
	rows := func() map[string]int {
		counts := map[string]int{}
		for _, table := range w.Tables(t) {
			counts[table] = w.Count(t, "SELECT count(*) FROM "+table)
		}
		return counts
	}
	for _, tt := range []struct {
		name string
		d    *bank.Device
		r    identityquicklogin.Request
	}{
		{"unknown number", w.Phone, unknown},
		{"wrong gesture", w.Phone, w.guess(t, wrong, false)},
		{"no gesture", w.Phone, w.guess(t, "", false)},
		{"unbound device", tablet, w.request(t, tablet, device.ByGesture)},
		{"no gesture set", tablet, unset},
		{"used challenge", w.Phone, used},
		{"wrong finger", w.Phone, w.Phone.QuickLogin(t, w.Payer, w.Phone.Challenge(t), device.ByFingerprint, w.Phone.Key)},
	} {
		before := rows()
		got := send(t, tt.d, tt.r)
		if first == nil {
			first = &got
		}
		bank.WantSame(t, tt.name, got, *first)
		grown := map[string]int{}
		for table, n := range rows() {
			if n > before[table] {
				grown[table] = n - before[table]
			}
		}
		if diff := cmp.Diff(map[string]int{"outbox": 1}, grown); diff != "" {
			t.Errorf("%s: rows (-want +got):\n%s", tt.name, diff)
		}
	}
	if first.Code != "LOGIN_FAILED" || !strings.Contains(string(first.Body), `"title":"用户名或密码、验证码错误"`) {
		t.Errorf("the failures were %s", first.Body)
	}
}

// Failures take as long, whatever the bank knows. The test takes the fastest answer of each kind,
// because other work of the machine slows that one least.
func TestFailuresTakeAsLong(t *testing.T) { //nolint:paralleltest // other tests would be measured too
	const apart = 25 // percent: comparing a gesture takes more than half of the time
	w := newFixture(t)
	w.Host.Hashing = password.NewHashing(password.Config{Rounds: 10_000})
	w.Forget(identityquicklogin.Function)
	tablet := w.Device(t, "tablet-of-wang")
	fastest := map[string]time.Duration{}
	for turn := range 300 {
		w.Exec(t, "UPDATE device SET gesture_failures = 0")
		w.ForgetAttempts(t)
		kinds := map[string]identityquicklogin.Request{
			"unknown number": w.guess(t, wrong, false), "wrong gesture": w.guess(t, wrong, false),
			"used challenge": w.guess(t, wrong, false), "unbound device": w.request(t, tablet, device.ByGesture),
		}
		for name, r := range kinds {
			d, used := w.Phone, []byte{}
			switch name {
			case "unknown number":
				r.Phone = "13999999999"
			case "used challenge":
				used = r.Challenge
			case "unbound device":
				d = tablet
			}
			w.Exec(t, "DELETE FROM login_challenge WHERE challenge = $1", used) // each kind comes after the same work
			frame := d.Frame(t, identityquicklogin.Function, "", r)
			began := time.Now()
			reply := d.Send(t, identityquicklogin.Function, frame)
			took := time.Since(began)
			reply.Want(t, "LOGIN_FAILED")
			if best, ok := fastest[name]; !ok || took < best {
				fastest[name] = took
			}
		}
		times := slices.Sorted(maps.Values(fastest))
		if turn >= 10 && times[len(times)-1] <= times[0]*(100+apart)/100 {
			return
		}
	}
	t.Errorf("the time of an answer tells the failures apart: %v", fastest)
}

// An address that fails often must solve graphic codes here too, and for logging in by password.
func TestAnAddressThatFailsOftenMustSolveGraphicCodes(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.Exec(t, "UPDATE policy SET value = 4 WHERE name = 'login.address_captcha_after'")
	tablet := w.Device(t, "tablet-of-wang")
	for range 4 {
		send(t, tablet, w.request(t, tablet, device.ByFace)).Want(t, "LOGIN_FAILED")
	}
	send(t, w.Phone, w.request(t, w.Phone, device.ByFace)).Want(t, "CAPTCHA_REQUIRED")
	w.Phone.Call(t, identitylogin.Function, "", w.Phone.LogIn(t, w.Payer, "123456")).Want(t, "CAPTCHA_REQUIRED")
	r := w.request(t, w.Phone, device.ByFace)
	r.CaptchaID, r.CaptchaAnswer = captchatest.Solved(t, w.Bank, w.Phone), captchatest.Answer
	send(t, w.Phone, r).Want(t, "")
}
