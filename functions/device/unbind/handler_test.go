package unbind_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/tidebank/tidebank/events"
	devicelist "github.com/tidebank/tidebank/functions/device/list"
	deviceunbind "github.com/tidebank/tidebank/functions/device/unbind"
	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

func unbind(t *testing.T, d *bank.Device, id string) bank.Reply {
	t.Helper()
	return d.Call(t, deviceunbind.Function, "", deviceunbind.Request{DeviceID: id})
}

func code(t *testing.T, p bank.Pair, d *bank.Device) string {
	t.Helper()
	p.Exec(t, "DELETE FROM otp_quota")
	return otptest.Ask(t, p.Bank, d, otp.Login, p.Payer.Phone)
}

// On a device that is not bound, the first transfer is refused, also between own accounts.
// It is not refused any more once a login with its step-up has bound the device, and it is
// refused again after the device is unbound.
func TestTransfersNeedABoundDevice(t *testing.T) {
	t.Parallel()
	req.Covers(t, "DEVICE-004.1", "DEVICE-004.4")
	p := bank.NewPair(t, 1_000_00)
	p.Exec(t, "DELETE FROM device")
	transfers := func(want string) {
		t.Helper()
		for _, order := range []map[string]any{p.ToPayee(1_00), p.ToOwn(1_00)} {
			p.Phone.Call(t, transferprepare.Function, "", order).Want(t, want)
		}
	}
	p.Phone.Call(t, identitylogin.Function, "", p.Phone.LogIn(t, p.Payer, code(t, p, p.Phone))).Want(t, "")
	transfers("DEVICE_UNBOUND")
	p.Advance(time.Minute)
	p.Phone.Call(t, identitylogin.Function, "", p.Phone.LogInBinding(t, p.Payer, code(t, p, p.Phone))).Want(t, "")
	transfers("")
	in := p.Prepare(t, p.ToPayee(1_00))
	proved := p.Proved(t, in)

	reply := unbind(t, p.Phone, p.Phone.ID)
	if reply.Want(t, ""); string(reply.Body) != `{"unbound":true}` {
		t.Errorf("got %s", reply.Body)
	}
	transfers("DEVICE_UNBOUND")
	p.Confirm(t, proved).Want(t, "INTENT_EXPIRED") // what was prepared before
	var left devicelist.Response
	p.Phone.Call(t, devicelist.Function, "", struct{}{}).Into(t, &left)
	if len(left.Devices) != 0 {
		t.Errorf("still listed: %+v", left.Devices)
	}
}

// Another phone that claims the id of the bound device logs in with a key of its own. It is not
// taken for that device: it pays nothing and sets no way of quick login, with all of the customer's
// other factors. The customer's own phone does again, after its next login.
func TestWhoOnlyClaimsABoundDevicePaysNothing(t *testing.T) {
	t.Parallel()
	req.Covers(t, "DEVICE-004.1")
	p := bank.NewPair(t, 1_000_00)
	p.Phone.Call(t, transferprepare.Function, "", p.ToPayee(1_00)).Want(t, "")
	thief := p.Device(t, p.Phone.ID)
	logIn := func(d *bank.Device) {
		t.Helper()
		p.Advance(time.Minute)
		d.Call(t, identitylogin.Function, "", d.LogIn(t, p.Payer, code(t, p, d))).Want(t, "")
	}
	logIn(thief)
	for _, order := range []map[string]any{p.ToPayee(1_00), p.ToOwn(1_00)} {
		thief.Call(t, transferprepare.Function, "", order).Want(t, "DEVICE_UNBOUND")
	}
	p.Phone.Reopen(t)
	logIn(p.Phone)
	p.Phone.Call(t, transferprepare.Function, "", p.ToPayee(1_00)).Want(t, "")
}

// A device is bound only by a login whose factors are all right, together with the trade
// password or the old key. With one right factor alone nothing is bound.
func TestOneFactorBindsNoDevice(t *testing.T) {
	t.Parallel()
	req.Covers(t, "DEVICE-004.2")
	p := bank.NewPair(t, 0)
	p.Exec(t, "DELETE FROM device")
	const wrong = "628415"
	bound := func() int { return p.Count(t, "SELECT count(*) FROM device") }
	for name, change := range map[string]func(*bank.Device, *identitylogin.Request){
		"only the password": func(d *bank.Device, r *identitylogin.Request) {
			r.OTP, r.TradePassword = otptest.Wrong(r.OTP), d.Password(t, wrong)
		},
		"only the code": func(d *bank.Device, r *identitylogin.Request) {
			r.Password, r.TradePassword = d.Password(t, "not-it-2026"), d.Password(t, wrong)
		},
		"only the trade password": func(d *bank.Device, r *identitylogin.Request) {
			r.Password, r.OTP = d.Password(t, "not-it-2026"), otptest.Wrong(r.OTP)
		},
		"no code":  func(_ *bank.Device, r *identitylogin.Request) { r.OTP = otptest.Wrong(r.OTP) },
		"no trade": func(d *bank.Device, r *identitylogin.Request) { r.TradePassword = d.Password(t, wrong) },
	} {
		d := p.Device(t, "tablet-of-wang")
		r := d.LogInBinding(t, p.Payer, code(t, p, d))
		change(d, &r)
		if got := d.Call(t, identitylogin.Function, "", r); got.Code != "LOGIN_FAILED" || bound() != 0 {
			t.Errorf("%s: %q, %d devices are bound", name, got.Code, bound())
		}
		p.ForgetAttempts(t)
		p.Advance(time.Minute)
	}
	d := p.Device(t, "tablet-of-wang")
	d.Call(t, identitylogin.Function, "", d.LogInBinding(t, p.Payer, code(t, p, d))).Want(t, "")
	if bound() != 1 {
		t.Errorf("%d devices are bound, want 1", bound())
	}
}

// A customer unbinds no device of another customer, and none twice. Each call leaves an
// access record.
func TestOnlyOwnDevices(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 0)
	other := p.Device(t, "phone-of-li")
	other.LoginAs(t, p.Payee)
	unbind(t, p.Phone, other.ID).Want(t, "OBJECT_NOT_FOUND")
	unbind(t, p.Phone, "no-such-device").Want(t, "OBJECT_NOT_FOUND")
	unbind(t, p.Phone, "").Want(t, "INPUT_INVALID")
	unbind(t, p.Phone, p.Phone.ID).Want(t, "")
	unbind(t, p.Phone, p.Phone.ID).Want(t, "OBJECT_NOT_FOUND")
	if n := p.Count(t, "SELECT count(*) FROM device WHERE customer_id = $1 AND device_id = $2", p.Payee.ID, other.ID); n != 1 {
		t.Error("the other customer's device is gone")
	}
	var outcomes []string
	for _, e := range p.Outbox(t, events.TypeAccessRecorded) {
		var r events.AccessRecorded
		check.Must(t, json.Unmarshal(e.Data, &r))
		if r.Function == "device-unbind" {
			outcomes = append(outcomes, r.Outcome)
		}
	}
	if len(outcomes) != 5 || outcomes[3] != "OK" {
		t.Errorf("access records: %v", outcomes)
	}
	p.Device(t, "stranger").Call(t, deviceunbind.Function, "", deviceunbind.Request{DeviceID: "x"}).Want(t, "SESSION_REQUIRED")
	down := bank.On(t, pgtest.Broken(t))
	d := down.Device(t, "phone-of-wang")
	check.Must(t, down.Host.Sessions.Start(t.Context(), d.Channel, p.Payer.ID))
	unbind(t, d, d.ID).Want(t, "SERVICE_UNAVAILABLE")
}
