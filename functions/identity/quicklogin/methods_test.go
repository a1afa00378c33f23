package quicklogin_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	identitycertapply "github.com/tidebank/tidebank/functions/identity/certapply"
	identitychangeprepare "github.com/tidebank/tidebank/functions/identity/changeprepare"
	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	identityquicklogin "github.com/tidebank/tidebank/functions/identity/quicklogin"
	identityregister "github.com/tidebank/tidebank/functions/identity/register"
	"github.com/tidebank/tidebank/localstack/casim"
	"github.com/tidebank/tidebank/localstack/passkeysim"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/req"
)

// applied gets the payer a soft UKey by identity-cert-apply.
func applied(t *testing.T, p bank.Pair) bank.UKey {
	t.Helper()
	var in identitychangeprepare.Response
	p.Phone.Call(t, identitychangeprepare.Function, "", map[string]any{"change": stepup.ApplyCertificate}).Into(t, &in)
	key, err := sm.GenerateKey()
	check.Must(t, err)
	csr, err := sm.NewRequest(key, in.Subject)
	check.Must(t, err)
	var issued identitycertapply.Response
	p.Phone.Call(t, identitycertapply.Function, uuid.NewString(), identitycertapply.Request{
		Confirmation: stepup.Confirmation{IntentID: in.IntentID, Proofs: []stepup.Proof{
			p.KnownLogin(t, bank.LoginPassword), p.CodeFor(t, in.IntentID), p.Known(t),
		}},
		CSR: csr,
	}).Into(t, &issued)
	certificate, err := sm.ParseCertificate(issued.Certificate)
	check.Must(t, err)
	p.Relist(t)
	return bank.UKey{Key: key, Certificate: certificate}
}

// A customer signs up with a password and the reserved number, sets each other method by its own function,
// and logs in by each of them, as one of two factors.
func TestEachMethodIsEnrolledAndLogsIn(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-004.1")
	b := bank.New(t)
	p := bank.Pair{Bank: b, Payer: b.Customer(t, "王小明", 1_00, 0), Phone: b.Device(t, "phone-of-wang")}
	code := otptest.Ask(t, b, p.Phone, otp.Register, p.Payer.Phone)
	p.Phone.Call(t, identityregister.Function, uuid.NewString(), p.Phone.SignUp(t, p.Payer, code)).Want(t, "")
	w := fixture{p, map[device.Method]*sm.PrivateKey{}}
	wantSession(t, p.Phone, "SESSION_REQUIRED")
	for name, wrong := range map[string]func(*identitylogin.Request){
		"another password": func(r *identitylogin.Request) { r.Password = p.Phone.Password(t, "not-it-2026") },
		"another code":     func(r *identitylogin.Request) { r.OTP = "000000" },
	} {
		w.Exec(t, "DELETE FROM otp_quota")
		w.Advance(time.Minute)
		r := p.Phone.LogIn(t, p.Payer, otptest.Ask(t, b, p.Phone, otp.Login, p.Payer.Phone))
		if r.OTP == "000000" { // once in a million
			continue
		}
		wrong(&r)
		if got := p.Phone.Call(t, identitylogin.Function, "", r); got.Code != "LOGIN_FAILED" {
			t.Errorf("%s: %d %q", name, got.Status, got.Code)
		}
	}
	w.ForgetAttempts(t)
	w.password(t, p.Phone).Want(t, "") // the login password, and the SMS code
	wantSession(t, p.Phone, "")

	w.SetGesture(t, bank.Gesture).Want(t, "")
	w.SetPIN(t, bank.PIN).Want(t, "")
	for _, by := range []device.Method{device.ByFingerprint, device.ByFace} {
		w.keys[by] = w.SetUnlockKey(t, by)
	}
	passkey, ukey := w.SetPasskey(t), applied(t, p)
	good := map[device.Method]func() identityquicklogin.Request{
		device.BySoftUKey: func() identityquicklogin.Request { return p.Phone.QuickUKey(t, p.Payer, p.Phone.Challenge(t), ukey) },
		device.ByPIN:      func() identityquicklogin.Request { return p.Phone.QuickPIN(t, p.Payer, p.Phone.Challenge(t)) },
		device.ByPasskey: func() identityquicklogin.Request {
			return p.Phone.QuickPasskey(t, p.Payer, p.Phone.Challenge(t), passkey)
		},
	}
	for _, by := range methods {
		good[by] = func() identityquicklogin.Request { return w.request(t, p.Phone, by) }
	}
	for by, request := range good {
		p.Phone.Reopen(t)
		wantSession(t, p.Phone, "SESSION_REQUIRED")
		if got := send(t, p.Phone, request()); got.Code != "" {
			t.Errorf("%s: %d %s", by, got.Status, got.Body)
			continue
		}
		wantSession(t, p.Phone, "")
	}
	unknown := bank.Fields(t, good[device.ByPIN]())
	if got := send(t, p.Phone, bank.With(t, unknown, "method", "voice")); got.Code != "INPUT_INVALID" {
		t.Errorf("an unknown method: %q", got.Code)
	}
	w.Exec(t, "UPDATE device SET pin = NULL, passkey_public_key = NULL, gesture = NULL, fingerprint_key = NULL, face_key = NULL")
	for by, request := range good { // what is not set logs nobody in
		if got := send(t, p.Phone, request()); got.Code != "LOGIN_FAILED" {
			t.Errorf("%s: %d %q", by, got.Status, got.Code)
		}
		w.ForgetAttempts(t)
	}
}

// pinned is a fixture whose payer has a PIN on the phone.
func pinned(t *testing.T) fixture {
	t.Helper()
	w := newFixture(t)
	w.Phone.KeepPIN(t, w.Payer)
	return w
}

func (w fixture) pin(t *testing.T, pin string, solved bool) identityquicklogin.Request {
	t.Helper()
	r := w.guess(t, bank.Gesture, solved)
	p := w.Phone.QuickPIN(t, w.Payer, w.Phone.Challenge(t))
	p.PIN, p.CaptchaID, p.CaptchaAnswer = w.Phone.Password(t, pin), r.CaptchaID, r.CaptchaAnswer
	return p
}

// Five wrong PINs lock the PIN, with a graphic code after three; the gesture goes on. A login by password on
// this device is the way back.
func TestFiveWrongPINsLock(t *testing.T) {
	t.Parallel()
	w := pinned(t)
	for range 3 {
		send(t, w.Phone, w.pin(t, "528302", false)).Want(t, "LOGIN_FAILED")
	}
	send(t, w.Phone, w.pin(t, bank.PIN, false)).Want(t, "CAPTCHA_REQUIRED")
	send(t, w.Phone, w.pin(t, bank.PIN, true)).Want(t, "")
	for range 5 {
		send(t, w.Phone, w.pin(t, "528302", true)).Want(t, "LOGIN_FAILED")
	}
	send(t, w.Phone, w.pin(t, bank.PIN, true)).Want(t, "LOGIN_FAILED")
	send(t, w.Phone, w.guess(t, bank.Gesture, false)).Want(t, "")
	send(t, w.Phone, w.pin(t, bank.PIN, true)).Want(t, "LOGIN_FAILED") // another method is not the way back
	ukey := w.SoftUKey(t, w.Payer, cert.InApp)
	r := w.Phone.QuickUKey(t, w.Payer, w.Phone.Challenge(t), ukey)
	solved := w.pin(t, bank.PIN, true)
	r.CaptchaID, r.CaptchaAnswer = solved.CaptchaID, solved.CaptchaAnswer
	send(t, w.Phone, r).Want(t, "LOGIN_FAILED") // it needs the PIN
	w.password(t, w.Phone).Want(t, "")
	send(t, w.Phone, w.pin(t, bank.PIN, false)).Want(t, "")
	send(t, w.Phone, bank.With(t, w.pin(t, "12345", false), "phone", w.Payer.Phone)).Want(t, "INPUT_INVALID") // no guess
	if diff := cmp.Diff([]string{
		"pin", "pin", "pin", "pin", "pin", "pin", "pin", "pin, now locked", "locked", "locked", "locked",
	}, w.reasons(t)); diff != "" {
		t.Errorf("reasons for audit (-want +got):\n%s", diff)
	}
}

// A right PIN is stored anew if its stored text is out of date.
func TestARightPINIsStoredAnew(t *testing.T) {
	t.Parallel()
	w := pinned(t)
	stored := func() string {
		return check.Value[string](t, w.Host.DB.Pool(), "SELECT pin FROM device WHERE device_id = $1", w.Phone.ID)
	}
	before := stored()
	w.moreRounds()
	send(t, w.Phone, w.pin(t, bank.PIN, false)).Want(t, "")
	after := stored()
	send(t, w.Phone, w.pin(t, bank.PIN, false)).Want(t, "")
	if after == before || stored() != after {
		t.Error("a right guess did not store the PIN anew, once")
	}
}

// The soft UKey's signature holds for its login only, by a certificate of this customer that is not revoked,
// and only beside the PIN. While nobody can tell whether it is revoked, a right PIN is not counted.
func TestASoftUKeyLogsInBesideThePIN(t *testing.T) {
	t.Parallel()
	w := pinned(t)
	ukey, others := w.SoftUKey(t, w.Payer, cert.InApp), w.SoftUKey(t, w.Payee, cert.InApp)
	request := func(key bank.UKey) identityquicklogin.Request {
		return w.Phone.QuickUKey(t, w.Payer, w.Phone.Challenge(t), key)
	}
	send(t, w.Phone, request(ukey)).Want(t, "")
	send(t, w.Phone, request(w.SoftUKey(t, w.Payer, cert.AtCounter))).Want(t, "")
	crossed := request(ukey)
	crossed.SignedData = request(ukey).SignedData
	wrongPIN := request(ukey)
	wrongPIN.PIN = w.Phone.Password(t, "528302")
	for name, r := range map[string]identityquicklogin.Request{
		"another customer's": request(others), "of another login": crossed, "a wrong PIN": wrongPIN,
		"a key without its certificate": request(bank.UKey{Key: w.Phone.Key, Certificate: ukey.Certificate}),
	} {
		if got := send(t, w.Phone, r); got.Code != "LOGIN_FAILED" {
			t.Errorf("%s: %d %q", name, got.Status, got.Code)
		}
		w.Exec(t, "UPDATE device SET pin_failures = 0")
		w.ForgetAttempts(t)
	}
	failures := func() int { return w.Count(t, "SELECT pin_failures FROM device WHERE device_id = $1", w.Phone.ID) }
	w.Advance(cert.ListLife + time.Second)
	w.Phone.Reopen(t)
	send(t, w.Phone, request(ukey)).Want(t, "SERVICE_UNAVAILABLE")
	stale := request(ukey)
	stale.PIN = w.Phone.Password(t, "528302")
	send(t, w.Phone, stale).Want(t, "LOGIN_FAILED")
	if n := failures(); n != 1 {
		t.Errorf("%d failures are counted, want that of the wrong PIN", n)
	}
	w.Authority(t).SetFaults(casim.Faults{})
	w.Relist(t)
	send(t, w.Phone, request(ukey)).Want(t, "")
	w.Authority(t).Revoke(ukey.Certificate.Serial())
	w.Relist(t)
	send(t, w.Phone, request(ukey)).Want(t, "LOGIN_FAILED")
}

// keyed is a fixture whose payer has a passkey on the phone.
func keyed(t *testing.T) (fixture, *passkeysim.Authenticator) {
	t.Helper()
	w := fixtureOn(t, bank.New(t))
	check.Must(t, w.Host.Sessions.Start(t.Context(), w.Phone.Channel, w.Payer.ID))
	by := w.SetPasskey(t)
	w.Phone.Reopen(t)
	return w, by
}

// A passkey's signature with a wrong challenge, origin, site, count or device logs nobody in. Audit learns of a
// count that has not grown.
func TestAPasskeyLogsInByItsOwnSignature(t *testing.T) {
	t.Parallel()
	req.Covers(t, "BIO-012.1", "BIO-012.3", "BIO-012.4")
	w, by := keyed(t)
	good := func(a *passkeysim.Authenticator) identityquicklogin.Request {
		return w.Phone.QuickPasskey(t, w.Payer, w.Phone.Challenge(t), a)
	}
	first := good(by)
	stolen := by.Copy()
	stolen.Count--
	send(t, w.Phone, first).Want(t, "")
	send(t, w.Phone, first).Want(t, "LOGIN_FAILED")
	w.Phone.Reopen(t)
	wrong := func(change func(*passkeysim.Authenticator)) identityquicklogin.Request {
		a := by.Copy()
		a.Count = 100
		change(a)
		return good(a)
	}
	crossed := good(by)
	crossed.Passkey = good(by).Passkey
	for name, r := range map[string]identityquicklogin.Request{
		"of another login":     crossed,
		"of another origin":    wrong(func(a *passkeysim.Authenticator) { a.Origin = "https://evil.example" }),
		"of another site":      wrong(func(a *passkeysim.Authenticator) { a.RPID = "evil.example" }),
		"without the customer": wrong(func(a *passkeysim.Authenticator) { a.Flags = passkeysim.Present }),
		"of another one":       good(bank.Authenticator(t)),
		"by a copy":            good(stolen),
	} {
		if got := send(t, w.Phone, r); got.Code != "LOGIN_FAILED" {
			t.Errorf("%s: %d %q", name, got.Status, got.Code)
		}
		w.ForgetAttempts(t)
	}
	wantSession(t, w.Phone, "SESSION_REQUIRED")
	reasons := w.reasons(t)
	slices.Sort(reasons)
	if diff := cmp.Diff([]string{
		"challenge", "passkey", "passkey", "passkey", "passkey", "passkey", "passkey, passkey count has not grown",
	}, reasons); diff != "" {
		t.Errorf("reasons for audit (-want +got):\n%s", diff)
	}
	tablet := w.Device(t, "tablet-of-wang")
	tablet.LoginAs(t, w.Payer)
	tablet.Reopen(t)
	send(t, tablet, tablet.QuickPasskey(t, w.Payer, tablet.Challenge(t), by)).Want(t, "LOGIN_FAILED")
	w.ForgetAttempts(t)
	send(t, w.Phone, good(by)).Want(t, "")
	alone := good(by)
	alone.DeviceSignature = w.Device(t, w.Phone.ID).Sign(t, "by a key of its own") // no second factor without the first
	send(t, w.Phone, alone).Want(t, "INPUT_INVALID")
}

// Of many equal answers at once, one logs in, and so of many with one count.
func TestOneOfManyPasskeySignaturesLogsIn(t *testing.T) {
	t.Parallel()
	w, by := keyed(t)
	r := w.Phone.QuickPasskey(t, w.Payer, w.Phone.Challenge(t), by)
	replies := check.AtOnce(8, func(int) bank.Reply { return send(t, w.Phone, r) })
	if won := bank.Won(t, replies, "LOGIN_FAILED"); won != 1 {
		t.Errorf("%d of the equal answers logged in", won)
	}
	w.ForgetAttempts(t)
	w.Phone.Reopen(t)
	var list []identityquicklogin.Request
	for range 6 {
		list = append(list, w.Phone.QuickPasskey(t, w.Payer, w.Phone.Challenge(t), by.Copy()))
	}
	replies = check.AtOnce(len(list), func(i int) bank.Reply { return send(t, w.Phone, list[i]) })
	if won := bank.Won(t, replies, "LOGIN_FAILED"); won != 1 {
		t.Errorf("%d of the answers with one count logged in", won)
	}
}
