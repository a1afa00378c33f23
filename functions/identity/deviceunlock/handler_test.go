package deviceunlock_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	devicelock "github.com/tidebank/tidebank/functions/device/lock"
	identitydeviceunlock "github.com/tidebank/tidebank/functions/identity/deviceunlock"
	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/req"
)

// The session on the locked device releases the lock by two factors, not by one, and then
// another device logs in.
func TestTwoFactorsReleaseTheLock(t *testing.T) {
	t.Parallel()
	req.Covers(t, "DEVICE-010.2", "DEVICE-010.3")
	p := bank.NewPair(t, 0)
	tablet := p.Device(t, "tablet-of-wang")
	logIn := func(want string) {
		t.Helper()
		p.Exec(t, "DELETE FROM otp_quota")
		p.Advance(time.Minute)
		r := tablet.LogInBinding(t, p.Payer, otptest.Ask(t, p.Bank, tablet, otp.Login, p.Payer.Phone))
		tablet.Call(t, identitylogin.Function, "", r).Want(t, want)
	}
	p.Phone.Call(t, devicelock.Function, "", struct{}{}).Want(t, "")
	logIn("DEVICE_LOCKED")
	in := p.PrepareChange(t, stepup.UnlockDevice)
	unlock := func(proofs ...stepup.Proof) bank.Reply {
		return p.Phone.Call(t, identitydeviceunlock.Function, uuid.NewString(), stepup.Confirmation{IntentID: in.IntentID, Proofs: proofs})
	}
	unlock().Want(t, "INPUT_INVALID")
	unlock(p.Known(t)).Want(t, "STEPUP_STRONGER")
	logIn("DEVICE_LOCKED")
	unlock(p.CodeFor(t, in.IntentID), p.Known(t)).Want(t, "")
	logIn("")
}
