package lock_test

import (
	"testing"
	"time"

	devicelist "github.com/tidebank/tidebank/functions/device/list"
	devicelock "github.com/tidebank/tidebank/functions/device/lock"
	deviceunbind "github.com/tidebank/tidebank/functions/device/unbind"
	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

func lock(t *testing.T, d *bank.Device) bank.Reply {
	t.Helper()
	return d.Call(t, devicelock.Function, "", struct{}{})
}

// entry is a login of the payer with right factors, and with the trade password and a card.
func entry(t *testing.T, p bank.Pair, d *bank.Device) identitylogin.Request {
	t.Helper()
	p.Exec(t, "DELETE FROM otp_quota")
	p.Advance(time.Minute)
	p.ForgetAttempts(t)
	return d.LogInBinding(t, p.Payer, otptest.Ask(t, p.Bank, d, otp.Login, p.Payer.Phone))
}

func logIn(t *testing.T, d *bank.Device, r identitylogin.Request) bank.Reply {
	t.Helper()
	return d.Call(t, identitylogin.Function, "", r)
}

// bound binds the device by a login.
func bound(t *testing.T, p bank.Pair, d *bank.Device) {
	t.Helper()
	logIn(t, d, entry(t, p, d)).Want(t, "")
}

// With the lock on, a login on any other device is refused although all its factors are
// right: on a bound one, on a new one, on one that claims the locked device's id, and on
// one that brings the step-up that binds a device. The locked device logs in, and nothing
// of a refused login stays.
func TestOnlyTheLockedDeviceLogsIn(t *testing.T) {
	t.Parallel()
	req.Covers(t, "DEVICE-010.1")
	p := bank.NewPair(t, 0)
	tablet, stranger := p.Device(t, "tablet-of-wang"), p.Device(t, "phone-of-thief")
	bound(t, p, tablet)
	bound(t, p, p.Phone)
	lock(t, p.Phone).Want(t, "")
	lock(t, p.Phone).Want(t, "")
	claims := p.Device(t, p.Phone.ID)
	plain := func(d *bank.Device) identitylogin.Request {
		r := entry(t, p, d)
		r.TradePassword, r.CardNo = nil, ""
		return r
	}
	for name, c := range map[string]struct {
		d       *bank.Device
		request func(*bank.Device) identitylogin.Request
	}{
		"a bound device":     {tablet, plain},
		"a new device":       {stranger, func(d *bank.Device) identitylogin.Request { return entry(t, p, d) }},
		"the id, other keys": {claims, plain},
	} {
		if got := logIn(t, c.d, c.request(c.d)); got.Code != "DEVICE_LOCKED" || got.Status != 422 {
			t.Errorf("%s: %d %q", name, got.Status, got.Code)
		}
	}
	if n := p.Count(t, "SELECT count(*) FROM device WHERE customer_id = $1 AND device_id = $2", p.Payer.ID, stranger.ID); n != 0 {
		t.Error("a refused login has bound a device")
	}
	p.Phone.Call(t, devicelist.Function, "", struct{}{}).Want(t, "") // the session goes on
	wrong := plain(tablet)
	wrong.Password = tablet.Password(t, "not-it-2026")
	logIn(t, tablet, wrong).Want(t, "LOGIN_FAILED") // only right factors learn of the lock
	logIn(t, p.Phone, plain(p.Phone)).Want(t, "")
	unbind := p.Phone.Call(t, deviceunbind.Function, "", deviceunbind.Request{DeviceID: p.Phone.ID})
	unbind.Want(t, "DEVICE_LOCKED")
}

// A login on another device releases the lock only if it asks for it and brings trade
// password and card number, both right.
func TestALoginReleasesTheLock(t *testing.T) {
	t.Parallel()
	req.Covers(t, "DEVICE-010.2", "DEVICE-010.3")
	p := bank.NewPair(t, 0)
	bound(t, p, p.Phone)
	lock(t, p.Phone).Want(t, "")
	tablet := p.Device(t, "tablet-of-wang")
	for name, change := range map[string]func(*identitylogin.Request) string{
		"no further factor": func(r *identitylogin.Request) string { r.TradePassword, r.CardNo = nil, ""; return "INPUT_INVALID" },
		"a wrong trade password": func(r *identitylogin.Request) string {
			r.TradePassword = tablet.Password(t, "628415")
			return "LOGIN_FAILED"
		},
		"another's card":      func(r *identitylogin.Request) string { r.CardNo = p.Payee.Accounts[0].No; return "LOGIN_FAILED" },
		"a wrong code":        func(r *identitylogin.Request) string { r.OTP = otptest.Wrong(r.OTP); return "LOGIN_FAILED" },
		"does not ask for it": func(r *identitylogin.Request) string { r.UnlockDevice = false; return "DEVICE_LOCKED" },
	} {
		r := entry(t, p, tablet)
		r.UnlockDevice = true
		want := change(&r)
		if got := logIn(t, tablet, r); got.Code != want {
			t.Errorf("%s: %q, want %s", name, got.Code, want)
		}
		if p.Count(t, "SELECT count(*) FROM device WHERE locked") != 1 {
			t.Fatalf("%s: the lock is released", name)
		}
	}
	r := entry(t, p, tablet)
	r.UnlockDevice = true
	logIn(t, tablet, r).Want(t, "")
	bound(t, p, p.Device(t, "third-of-wang"))
}

// A lock replaces an earlier one, belongs to one customer, and needs a bound device.
func TestTheLockIsOnABoundDevice(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 0)
	tablet := p.Device(t, "tablet-of-wang")
	tablet.LoginAs(t, p.Payer)
	p.Exec(t, "DELETE FROM device WHERE device_id = $1", tablet.ID)
	lock(t, tablet).Want(t, "DEVICE_UNBOUND")
	lock(t, tablet).Want(t, "DEVICE_UNBOUND")
	bound(t, p, p.Phone)
	lock(t, p.Phone).Want(t, "")
	r := entry(t, p, tablet)
	r.UnlockDevice = true
	logIn(t, tablet, r).Want(t, "")
	lock(t, tablet).Want(t, "")
	var list devicelist.Response
	tablet.Call(t, devicelist.Function, "", struct{}{}).Into(t, &list)
	for _, d := range list.Devices {
		if d.Locked != (d.DeviceID == tablet.ID) {
			t.Errorf("%s: locked %v", d.DeviceID, d.Locked)
		}
	}
	if p.Count(t, "SELECT count(*) FROM device WHERE customer_id = $1 AND locked", p.Payee.ID) != 0 {
		t.Error("another customer's device is locked")
	}
	p.Device(t, "stranger").Call(t, devicelock.Function, "", struct{}{}).Want(t, "SESSION_REQUIRED")
	down := bank.On(t, pgtest.Broken(t))
	d := down.Device(t, "phone-of-wang")
	check.Must(t, down.Host.Sessions.Start(t.Context(), d.Channel, p.Payer.ID))
	lock(t, d).Want(t, "SERVICE_UNAVAILABLE")
}
