package prepare_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/events"
	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	transferconfirm "github.com/tidebank/tidebank/functions/transfer/confirm"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/req"
)

// loggedIn logs the payer in on the device by identity-login, which stores the address.
func loggedIn(t *testing.T, p bank.Pair, d *bank.Device) {
	t.Helper()
	p.Exec(t, "DELETE FROM otp_quota")
	p.Advance(time.Minute)
	code := otptest.Ask(t, p.Bank, d, otp.Login, p.Payer.Phone)
	d.Call(t, identitylogin.Function, "", d.LogInBinding(t, p.Payer, code)).Want(t, "")
}

const movedLine = `"msg":"session used from another address"`

// A session that is used from another address needs the factors of a raised grade, also for
// an intent that was prepared before. Back at its own address it needs them no more. Each
// use is logged, without the address.
func TestAnotherAddressRaisesTheRisk(t *testing.T) {
	t.Parallel()
	req.Covers(t, "DEVICE-001.3", "DEVICE-001.4")
	p := bank.NewPair(t, 1_000_00)
	const home, away = "203.0.113.7", "198.51.100.20"
	loggedIn(t, p, p.Phone)
	before := p.Prepare(t, p.ToPayee(1_00))
	if !slices.Contains(before.Combinations, "sms_otp+device_key") || strings.Contains(p.Log.String(), movedLine) {
		t.Fatalf("at the address of the login: %v", before.Combinations)
	}
	p.Phone.IP = away
	if in := p.Prepare(t, p.ToPayee(1_00)); !slices.Equal(in.Combinations, []string{"sms_otp+device_key+trade_password"}) {
		t.Errorf("at another address: %v", in.Combinations)
	}
	p.Confirm(t, p.Proved(t, before)).Want(t, "STEPUP_STRONGER")
	if text := p.Log.String(); !strings.Contains(text, movedLine) || strings.Contains(text, away) {
		t.Error("the change of address is not logged, or the address is")
	}
	p.Phone.IP = home
	if in := p.Prepare(t, p.ToPayee(1_00)); !slices.Equal(in.Combinations, before.Combinations) {
		t.Errorf("back at the address of the login: %v", in.Combinations)
	}

	// A login on another device stands in its access record.
	loggedIn(t, p, p.Device(t, "tablet-of-wang"))
	loggedIn(t, p, p.Phone)
	loggedIn(t, p, p.Phone)
	var reasons []string
	for _, r := range bank.Told[events.AccessRecorded](t, p.Bank, events.TypeAccessRecorded) {
		if r.Function == "identity-login" {
			reasons = append(reasons, r.Reason)
		}
	}
	const changed = "another device than the last login"
	if !slices.Equal(reasons, []string{"", changed, changed, ""}) {
		t.Errorf("reasons of the log-ins: %q", reasons)
	}
}

// The other policy: at another address the customer must log in again.
func TestAnotherAddressAsksForALogin(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 1_000_00)
	var err error
	p.Host.Sessions, err = session.New(p.Host.Redis, p.Host.Keys, p.Clock,
		session.Config{ChannelLife: time.Hour, Idle: 10 * time.Minute, Moved: session.MovedLogin})
	check.Must(t, err)
	loggedIn(t, p, p.Phone)
	p.Prepare(t, p.ToPayee(1_00))
	p.Phone.IP = "198.51.100.20"
	p.Phone.Call(t, transferprepare.Function, "", p.ToPayee(1_00)).Want(t, "SESSION_REQUIRED")
	if !strings.Contains(p.Log.String(), movedLine) {
		t.Error("the change of address is not logged")
	}
	loggedIn(t, p, p.Phone)
	p.Prepare(t, p.ToPayee(1_00))
	if _, err := session.New(p.Host.Redis, p.Host.Keys, p.Clock,
		session.Config{ChannelLife: time.Hour, Idle: time.Minute, Moved: "ignore"}); err == nil {
		t.Error("an unknown policy is taken")
	}
}

// A session works only on the device of its login. Another device that knows the session's
// channel and the intent's id, and has keys and a fingerprint of its own, is refused and
// must log in.
func TestAnotherDeviceCantUseTheSession(t *testing.T) {
	t.Parallel()
	req.Covers(t, "DEVICE-001.2")
	p := bank.NewPair(t, 1_000_00)
	loggedIn(t, p, p.Phone)
	stolen := p.Proved(t, p.Prepare(t, p.ToPayee(1_00)))
	thief := p.Device(t, "phone-of-thief")
	thief.Call(t, transferprepare.Function, "", p.ToPayee(1_00)).Want(t, "SESSION_REQUIRED")
	reply := thief.Call(t, transferconfirm.Function, "key", stolen)
	if reply.Want(t, "SESSION_REQUIRED"); reply.Status != 401 || reply.Problem.Detail != "请重新登录" {
		t.Errorf("%d, told %q", reply.Status, reply.Problem.Detail)
	}
	forged := p.Device(t, p.Phone.ID)
	forged.Call(t, transferconfirm.Function, "key", stolen).Want(t, "SESSION_REQUIRED") // claims the fingerprint
	forged.Channel = p.Phone.Channel
	forged.Sequence.Store(500)
	forged.Call(t, transferconfirm.Function, "key", stolen).Want(t, "FRAME_REJECTED")
	p.Confirm(t, stolen).Want(t, "")
}
