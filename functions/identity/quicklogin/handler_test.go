package quicklogin_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/events"
	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	identityme "github.com/tidebank/tidebank/functions/identity/me"
	identityquicklogin "github.com/tidebank/tidebank/functions/identity/quicklogin"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/captchatest"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// methods are the ways of a quick login.
var methods = []device.Method{device.ByGesture, device.ByFingerprint, device.ByFace}

// fixture is a customer who has set every method on the phone, and is logged out.
type fixture struct {
	bank.Pair
	keys map[device.Method]*sm.PrivateKey
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	return fixtureOn(t, bank.New(t))
}

func fixtureOn(t *testing.T, b *bank.Bank) fixture {
	t.Helper()
	w := fixture{bank.PairOn(t, b, 1_00), map[device.Method]*sm.PrivateKey{}}
	w.SetGesture(t, bank.Gesture).Want(t, "")
	for _, by := range []device.Method{device.ByFingerprint, device.ByFace} {
		w.keys[by] = w.SetUnlockKey(t, by)
	}
	w.Phone.Reopen(t)
	return w
}

// request is a good request on a device, for a fresh challenge.
func (w fixture) request(t *testing.T, d *bank.Device, by device.Method) identityquicklogin.Request {
	t.Helper()
	return d.QuickLogin(t, w.Payer, d.Challenge(t), by, w.keys[by])
}

// guess is a request with another gesture, with a solved graphic code or without one.
func (w fixture) guess(t *testing.T, gesture string, solved bool) identityquicklogin.Request {
	t.Helper()
	r := w.request(t, w.Phone, device.ByGesture)
	r.Gesture = w.Phone.Password(t, gesture)
	if solved {
		r.CaptchaID, r.CaptchaAnswer = captchatest.Solved(t, w.Bank, w.Phone), captchatest.Answer
	}
	return r
}

func send(t *testing.T, d *bank.Device, request any) bank.Reply {
	t.Helper()
	return d.Call(t, identityquicklogin.Function, "", request)
}

func wantSession(t *testing.T, d *bank.Device, code string) {
	t.Helper()
	d.Call(t, identityme.Function, "", struct{}{}).Want(t, code)
}

// password logs the payer in by password and code on a device.
func (w fixture) password(t *testing.T, d *bank.Device) bank.Reply {
	t.Helper()
	w.Exec(t, "DELETE FROM otp_quota")
	w.Advance(time.Minute)
	r := d.LogIn(t, w.Payer, otptest.Ask(t, w.Bank, d, otp.Login, w.Payer.Phone))
	return d.Call(t, identitylogin.Function, "", r)
}

// failures are the wrong gestures that are counted on the phone.
func (w fixture) failures(t *testing.T) int {
	t.Helper()
	return w.Count(t, "SELECT gesture_failures FROM device WHERE customer_id = $1 AND device_id = $2", w.Payer.ID, w.Phone.ID)
}

// On the bound device, gesture, fingerprint and face each log the customer in beside the
// device's key, as password and code do.
func TestABoundDeviceLogsInQuickly(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-003.2", "AUTH-020.1", "BIO-012.1")
	w := newFixture(t)
	wantSession(t, w.Phone, "SESSION_REQUIRED")
	w.password(t, w.Phone).Want(t, "")
	wantSession(t, w.Phone, "")
	at, from := "2026-11-23T10:01:00+08:00", w.Phone.ID
	for _, by := range methods {
		w.Phone.Reopen(t)
		w.Advance(time.Minute)
		wantSession(t, w.Phone, "SESSION_REQUIRED")
		reply := send(t, w.Phone, w.request(t, w.Phone, by))
		var got struct {
			At       string `json:"last_login_at"`
			Device   string `json:"last_login_device"`
			Verified bool   `json:"last_login_verified"`
		}
		reply.Into(t, &got)
		if got.At != at || got.Device != from || !got.Verified {
			t.Errorf("%s: the login before this one is %s", by, reply.Body)
		}
		at = w.Clock.Now().Format(time.RFC3339)
		wantSession(t, w.Phone, "")
	}
	told := bank.Told[events.IdentityLoggedIn](t, w.Bank, events.TypeIdentityLoggedIn)
	id := w.Payer.ID.String()
	one := events.IdentityLoggedIn{CustomerID: id, DeviceID: w.Phone.ID, IP: w.Phone.IP, DeviceVerified: true}
	if diff := cmp.Diff([]events.IdentityLoggedIn{one, one, one, one}, told); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	by := w.request(t, w.Phone, device.ByFace)
	by.Phone, by.Alias = "", "tide.fan"
	w.Exec(t, "UPDATE customer SET alias_bidx = $2 WHERE id = $1", w.Payer.ID, w.alias(t, "tide.fan"))
	send(t, w.Phone, by).Want(t, "")
}

// On a device that is not bound, no method logs in, whatever else is right: a new device, one
// that only claims the id of the bound one, the bound one after it was unbound, and after it
// was bound anew with another key.
func TestAnUnboundDeviceIsRefused(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-020.2")
	w := newFixture(t)
	for name, d := range map[string]*bank.Device{"a new device": w.Device(t, "tablet"), "the claimed id": w.Device(t, w.Phone.ID)} {
		for _, by := range methods {
			if got := send(t, d, w.request(t, d, by)); got.Code != "LOGIN_FAILED" {
				t.Errorf("%s, %s: %d %q", name, by, got.Status, got.Code)
			}
			wantSession(t, d, "SESSION_REQUIRED")
		}
	}
	if n := w.failures(t); n != 0 {
		t.Errorf("strangers have used up %d guesses", n)
	}
	// Another customer's bound device.
	other := w.Device(t, "phone-of-li")
	other.LoginAs(t, w.Payee)
	for _, by := range methods {
		send(t, other, w.request(t, other, by)).Want(t, "LOGIN_FAILED")
		send(t, w.Phone, w.request(t, w.Phone, by)).Want(t, "")
	}
	public := w.Phone.PublicKey(t)
	for name, change := range map[string]func(){
		"bound anew": func() {
			w.Phone.Reopen(t)
			fresh, err := sm.GenerateKey()
			check.Must(t, err)
			w.Phone.Key = fresh
			check.Must(t, w.Seeder().SignUp(t.Context(), w.Payer, bank.LoginPassword, bank.TradePassword, w.Phone.ID, w.Phone.PublicKey(t)))
		},
		"unbound": func() {
			w.Exec(t, "DELETE FROM device WHERE customer_id = $1 AND public_key = $2", w.Payer.ID, public)
		},
	} {
		change()
		for _, by := range methods {
			if got := send(t, w.Phone, w.request(t, w.Phone, by)); got.Code != "LOGIN_FAILED" {
				t.Errorf("%s, %s: %d %q", name, by, got.Status, got.Code)
			}
		}
	}
}

// An answer is good once, within two minutes, on the channel of its challenge, for its device,
// method and customer. Nothing but the right second factor logs in beside the bound key.
func TestAnAnswerIsGoodOnceAndForItsChallenge(t *testing.T) {
	t.Parallel()
	req.Covers(t, "BIO-012.3")
	w := newFixture(t)
	tablet := w.Device(t, "tablet-of-wang")
	for _, by := range methods {
		first := w.request(t, w.Phone, by)
		send(t, w.Phone, first).Want(t, "")
		if got := send(t, w.Phone, first); got.Code != "LOGIN_FAILED" {
			t.Errorf("%s: the second time got %d %q", by, got.Status, got.Code)
		}
		w.Redis.FlushAll()
		w.Phone.Reopen(t)
		tablet.Reopen(t)
		again := w.Phone.QuickLogin(t, w.Payer, first.Challenge, by, w.keys[by])
		if got := send(t, w.Phone, again); got.Code != "LOGIN_FAILED" {
			t.Errorf("%s: a used challenge on a new channel got %d %q", by, got.Status, got.Code)
		}
		for name, r := range map[string]identityquicklogin.Request{
			"of another channel":   w.Phone.QuickLogin(t, w.Payer, tablet.Challenge(t), by, w.keys[by]),
			"of the app":           w.Phone.QuickLogin(t, w.Payer, make([]byte, device.ChallengeBytes), by, w.keys[by]),
			"of another customer":  w.Phone.QuickLogin(t, w.Payee, w.Phone.Challenge(t), by, w.keys[by]),
			"signed on the tablet": tablet.QuickLogin(t, w.Payer, w.Phone.Challenge(t), by, w.keys[by]),
		} {
			want := "LOGIN_FAILED"
			if name == "signed on the tablet" {
				r.DevicePublicKey, want = w.Phone.PublicKey(t), "INPUT_INVALID"
				if by == device.ByGesture {
					r.Gesture = w.Phone.Password(t, bank.Gesture)
				}
			}
			if got := send(t, w.Phone, r); got.Code != want {
				t.Errorf("%s, a challenge %s: %d %q, want %s", by, name, got.Status, got.Code, want)
			}
		}
		late := w.request(t, w.Phone, by)
		w.Advance(device.ChallengeLife)
		if got := send(t, w.Phone, late); got.Code != "LOGIN_FAILED" {
			t.Errorf("%s: after two minutes got %d %q", by, got.Status, got.Code)
		}
		wantSession(t, w.Phone, "SESSION_REQUIRED")
		just := w.request(t, w.Phone, by)
		w.Advance(device.ChallengeLife - time.Second)
		send(t, w.Phone, just).Want(t, "")
	}
	if n := w.failures(t); n != 0 {
		t.Errorf("answers to wrong challenges have used up %d guesses", n)
	}
}

// Of many equal answers at once, one logs in.
func TestOneOfManyEqualAnswersLogsIn(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for _, by := range methods {
		r := w.request(t, w.Phone, by)
		replies := check.AtOnce(8, func(int) bank.Reply { return send(t, w.Phone, r) })
		if won := bank.Won(t, replies, "LOGIN_FAILED"); won != 1 {
			t.Errorf("%s: %d of the answers logged in", by, won)
		}
	}
}

// A signature by another key than the one that finger or face unlocks is no second factor.
func TestOnlyTheUnlockedKeyIsASecondFactor(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	stranger, err := sm.GenerateKey()
	check.Must(t, err)
	for _, by := range []device.Method{device.ByFingerprint, device.ByFace} {
		other := device.ByFingerprint
		if by == other {
			other = device.ByFace
		}
		sent, signed := w.request(t, w.Phone, by), w.request(t, w.Phone, by)
		crossed, switched := sent, w.request(t, w.Phone, other)
		crossed.Assertion = signed.Assertion
		switched.Assertion = w.Phone.QuickLogin(t, w.Payer, switched.Challenge, by, w.keys[by]).Assertion
		for name, tt := range map[string]struct {
			r    identityquicklogin.Request
			want string
		}{
			"a stranger's key":       {w.Phone.QuickLogin(t, w.Payer, w.Phone.Challenge(t), by, stranger), "LOGIN_FAILED"},
			"the bound key":          {w.Phone.QuickLogin(t, w.Payer, w.Phone.Challenge(t), by, w.Phone.Key), "LOGIN_FAILED"},
			"the other's key":        {w.Phone.QuickLogin(t, w.Payer, w.Phone.Challenge(t), by, w.keys[other]), "LOGIN_FAILED"},
			"over another challenge": {crossed, "LOGIN_FAILED"},
			"for another method":     {switched, "LOGIN_FAILED"},
		} {
			if got := send(t, w.Phone, tt.r); got.Code != tt.want {
				t.Errorf("%s, %s: %d %q", by, name, got.Status, got.Code)
			}
		}
		alone := w.request(t, w.Phone, by)
		alone.DeviceSignature = alone.Assertion // biometric without the bound key
		send(t, w.Phone, alone).Want(t, "INPUT_INVALID")
		wantSession(t, w.Phone, "SESSION_REQUIRED")
		w.ForgetAttempts(t)
	}
	w.Exec(t, "UPDATE device SET gesture = NULL, fingerprint_key = NULL, face_key = NULL")
	for _, by := range methods {
		send(t, w.Phone, w.request(t, w.Phone, by)).Want(t, "LOGIN_FAILED")
	}
}

// Rules of identity-login hold here too: the version of the app, the lock of the log-in to another
// device, the report of the environment, one session for each customer.
func TestTheRulesOfALoginHold(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	tablet := w.Device(t, "tablet-of-wang")
	tablet.LoginAs(t, w.Payer)
	w.Exec(t, "UPDATE device SET locked = true WHERE device_id = $1", tablet.ID)
	for _, by := range methods {
		send(t, w.Phone, w.request(t, w.Phone, by)).Want(t, "DEVICE_LOCKED")
	}
	send(t, w.Phone, w.guess(t, "14789", false)).Want(t, "LOGIN_FAILED") // only right factors learn of the lock
	wantSession(t, tablet, "")
	w.Exec(t, "UPDATE device SET locked = device_id = $1", w.Phone.ID)
	for _, by := range methods {
		r := w.request(t, w.Phone, by)
		r.Environment = nil
		var got identityquicklogin.Response
		send(t, w.Phone, r).Into(t, &got)
		if len(got.Environment.Warnings) != 1 || got.Environment.Warnings[0].Finding != "missing" {
			t.Errorf("%s: without a report: %+v", by, got.Environment)
		}
		wantSession(t, w.Phone, "")
	}
	wantSession(t, tablet, "SESSION_DISPLACED")
}

func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	gesture, face := bank.Fields(t, w.request(t, w.Phone, device.ByGesture)), bank.Fields(t, w.request(t, w.Phone, device.ByFace))
	for name, tt := range map[string]struct {
		request map[string]any
		field   string
	}{
		"no number":                     {bank.With(t, gesture, "phone", ""), "phone"},
		"both names":                    {bank.With(t, gesture, "alias", "tide.fan"), "alias"},
		"an unknown method":             {bank.With(t, gesture, "method", "voice"), "method"},
		"a gesture for a face":          {bank.With(t, gesture, "method", "face"), "gesture"},
		"a face for a gesture":          {bank.With(t, face, "method", "gesture"), "gesture"},
		"a face with a gesture":         {bank.With(t, face, "gesture", gesture["gesture"]), "gesture"},
		"a gesture with an assertion":   {bank.With(t, gesture, "assertion", face["assertion"]), "assertion"},
		"another challenge than signed": {bank.With(t, gesture, "challenge", face["challenge"]), "device_signature"},
		"another method than signed":    {bank.With(t, face, "method", "fingerprint"), "device_signature"},
		"no challenge":                  {bank.With(t, gesture, "challenge", ""), "challenge"},
		"a version without numbers":     {bank.With(t, gesture, "app", map[string]any{"platform": "ios", "version": "x"}), "app.version"},
	} {
		if got := send(t, w.Phone, tt.request); got.Code != "INPUT_INVALID" || got.Problem.Field != tt.field {
			t.Errorf("%s: %q of %q, want INPUT_INVALID of %q", name, got.Code, got.Problem.Field, tt.field)
		}
	}
	send(t, w.Phone, bank.With(t, gesture, "gesture", []byte(bank.Gesture))).Want(t, "PASSWORD_UNSEALED")
	send(t, w.Phone, gesture).Want(t, "") // nothing has used the challenge up
}

// A gesture whose stored text is out of date is stored anew by a right guess, and then still logs
// in.
func TestARightGestureIsStoredAnew(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	stored := func() string {
		return check.Value[string](t, w.Host.DB.Pool(), "SELECT gesture FROM device WHERE device_id = $1", w.Phone.ID)
	}
	before := stored()
	w.moreRounds()
	send(t, w.Phone, w.guess(t, "14789", false)).Want(t, "LOGIN_FAILED")
	if stored() != before {
		t.Error("a wrong guess has changed the stored gesture")
	}
	send(t, w.Phone, w.guess(t, bank.Gesture, false)).Want(t, "")
	after := stored()
	send(t, w.Phone, w.guess(t, bank.Gesture, false)).Want(t, "")
	if after == before || stored() != after {
		t.Error("a right guess did not store the gesture anew, once")
	}
}

func TestDependenciesDown(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	r := w.guess(t, bank.Gesture, true)
	w.Redis.SetError("down")
	send(t, w.Phone, r).Want(t, "SERVICE_UNAVAILABLE")
	w.Redis.SetError("")
	wantSession(t, w.Phone, "SESSION_REQUIRED")

	broken := bank.On(t, pgtest.Broken(t))
	d := broken.Device(t, "phone")
	down := d.QuickLogin(t, w.Payer, make([]byte, device.ChallengeBytes), device.ByGesture, nil)
	d.Call(t, identityquicklogin.Function, "", down).Want(t, "SERVICE_UNAVAILABLE")
}

// reasons are the reasons of failed quick log-ins that audit has got, in their order.
func (w fixture) reasons(t *testing.T) []string {
	t.Helper()
	var list []string
	for _, e := range w.Outbox(t, events.TypeAccessRecorded) {
		var r events.AccessRecorded
		check.Must(t, json.Unmarshal(e.Data, &r))
		if r.Function == identityquicklogin.Function.Spec.Name && r.Outcome == "LOGIN_FAILED" {
			list = append(list, r.Reason)
			if (r.Reason != "unbound") != (r.CustomerID == w.Payer.ID.String()) {
				t.Errorf("%s: the record is about %q", r.Reason, r.CustomerID)
			}
		}
	}
	return list
}
