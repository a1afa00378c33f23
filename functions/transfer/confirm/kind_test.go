package confirm_test

import (
	"slices"
	"testing"

	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/shared/token"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/req"
)

const pin = "60713942"

// method proves a prepared transfer.
type method func(t *testing.T, in transferprepare.Response) stepup.Proof

// enrolled gives the payer every method of both kinds of customers but the face, whose check needs an engine.
func (w fixture) enrolled(t *testing.T) map[stepup.Factor]method {
	t.Helper()
	made, app, counter := w.Token(t), w.SoftUKey(t, w.Payer, cert.InApp), w.SoftUKey(t, w.Payer, cert.AtCounter)
	bluetooth, shield := w.BluetoothKey(t, w.Payer), w.Phone.Shield(t, w.Payer)
	finger := w.SetUnlockKey(t, device.ByFingerprint)
	w.OwnPIN(t, w.Payer, pin)
	by := func(key bank.UKey, as stepup.Factor) method {
		return func(t *testing.T, in transferprepare.Response) stepup.Proof {
			t.Helper()
			return key.Signed(t, as, in.Text)
		}
	}
	return map[stepup.Factor]method{
		stepup.SMSOTP: func(t *testing.T, in transferprepare.Response) stepup.Proof {
			t.Helper()
			return stepup.Proof{Factor: stepup.SMSOTP, Code: w.otp(t, in)}
		},
		stepup.TradePassword: func(t *testing.T, _ transferprepare.Response) stepup.Proof {
			t.Helper()
			return w.Known(t)
		},
		stepup.Token: func(t *testing.T, in transferprepare.Response) stepup.Proof {
			t.Helper()
			return bank.Responded(made, in.Text)
		},
		stepup.UnlockKey: func(t *testing.T, in transferprepare.Response) stepup.Proof {
			t.Helper()
			return unlocked(t, finger, in)
		},
		stepup.PINCode: func(t *testing.T, _ transferprepare.Response) stepup.Proof {
			t.Helper()
			return stepup.Proof{Factor: stepup.PINCode, Password: w.Phone.Password(t, pin)}
		},
		stepup.SoftUKey: by(app, stepup.SoftUKey), stepup.SoftUKeyCounter: by(counter, stepup.SoftUKeyCounter),
		stepup.PhoneShield: by(shield, stepup.PhoneShield), stepup.BluetoothKey: by(bluetooth, stepup.BluetoothKey),
	}
}

// pays confirms a transfer by the method beside another factor, and reports the answer and whether it posted.
func (w fixture) pays(t *testing.T, one method, beside stepup.Factor) (code string, posted bool) {
	t.Helper()
	in := w.prepare(t, 1_00)
	before := w.Count(t, "SELECT count(*) FROM transfer")
	second := w.Signed(t, in)
	if beside == stepup.TradePassword {
		second = w.Known(t)
	}
	code = w.proven(t, in, one(t, in), second).Code
	return code, w.Count(t, "SELECT count(*) FROM transfer") > before
}

// A personal customer confirms by SMS code, soft UKey, dynamic token and Bluetooth Key, and never by a PIN code.
func TestThePersonalCustomersMethods(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-001.1", "AUTH-001.4")
	w := newFixture(t, million)
	methods := w.enrolled(t)
	for _, f := range []stepup.Factor{stepup.SMSOTP, stepup.SoftUKey, stepup.SoftUKeyCounter, stepup.Token, stepup.BluetoothKey} {
		if code, posted := w.pays(t, methods[f], stepup.TradePassword); code != "" || !posted {
			t.Errorf("by %s: %q, posted %v", f, code, posted)
		}
	}
	if code, posted := w.pays(t, methods[stepup.PINCode], stepup.DeviceKey); code != "STEPUP_STRONGER" || posted {
		t.Errorf("by the PIN code: %q, posted %v", code, posted)
	}
	w.CheckLedger(t)
}

// A corporate customer confirms by Bluetooth Key and by PIN code, each beside the phone's key, and together. No method of
// personal customers confirms, although the customer has it, nor stands beside the two.
func TestTheCorporateCustomersMethods(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-001.2", "AUTH-001.4")
	w := newFixture(t, million)
	methods := w.enrolled(t)
	w.Corporate(t, w.Payer)
	for _, f := range []stepup.Factor{stepup.BluetoothKey, stepup.PINCode} {
		if code, posted := w.pays(t, methods[f], stepup.DeviceKey); code != "" || !posted {
			t.Errorf("by %s: %q, posted %v", f, code, posted)
		}
	}
	in := w.prepare(t, 1_00)
	w.proven(t, in, methods[stepup.BluetoothKey](t, in), methods[stepup.PINCode](t, in)).Want(t, "")
	for f, one := range methods {
		if f == stepup.BluetoothKey || f == stepup.PINCode {
			continue
		}
		if code, posted := w.pays(t, one, stepup.DeviceKey); code != "STEPUP_STRONGER" || posted {
			t.Errorf("by %s: %q, posted %v", f, code, posted)
		}
		in, refusal := w.prepare(t, 1_00), "STEPUP_STRONGER"
		if slices.Contains(certified, f) {
			refusal = "PROOF_REJECTED" // two certificates
		}
		w.proven(t, in, one(t, in), methods[stepup.BluetoothKey](t, in), methods[stepup.PINCode](t, in)).Want(t, refusal)
	}
	if n := w.Count(t, "SELECT count(*) FROM transfer"); n != 3 {
		t.Errorf("%d transfers are posted", n)
	}
	w.CheckLedger(t)
}

// certified are the factors by the signature of a certificate.
var certified = []stepup.Factor{stepup.SoftUKey, stepup.SoftUKeyCounter, stepup.PhoneShield, stepup.BluetoothKey}

// Two signatures of certificates confirm nothing, and one of them still does.
func TestTwoCertificatesInOneConfirmation(t *testing.T) {
	t.Parallel()
	w := newFixture(t, million)
	methods := w.enrolled(t)
	in := w.prepare(t, 1_00)
	for i, one := range certified {
		for _, other := range certified[:i] {
			got := w.proven(t, in, w.Known(t), methods[one](t, in), methods[other](t, in))
			if got.Code != "PROOF_REJECTED" {
				t.Errorf("%s and %s: %d %q", one, other, got.Status, got.Code)
			}
		}
	}
	w.proven(t, in, w.Known(t), methods[stepup.SoftUKey](t, in)).Want(t, "")
	w.CheckLedger(t)
}

// A method that the customer has not enrolled confirms nothing beside a right proof, although another customer has
// enrolled it.
func TestAMethodThatIsNotEnrolledConfirmsNothing(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-001.3")
	w := newFixture(t, million)
	made := w.HandOut(t, w.Payee, token.SM3)
	w.Exec(t, "UPDATE token SET state = 'active' WHERE serial = $1", made.Serial)
	app, counter := w.SoftUKey(t, w.Payee, cert.InApp), w.SoftUKey(t, w.Payee, cert.AtCounter)
	bluetooth := w.BluetoothKey(t, w.Payee)
	w.OwnPIN(t, w.Payee, pin)
	byPIN := stepup.Proof{Factor: stepup.PINCode, Password: w.Phone.Password(t, pin)}
	in := w.prepare(t, 1_00)
	for _, tt := range []struct {
		proof   stepup.Proof
		refusal string
	}{
		{bank.Responded(made, in.Text), "PROOF_REJECTED"},
		{app.Signed(t, stepup.SoftUKey, in.Text), "PROOF_REJECTED"},
		{counter.Signed(t, stepup.SoftUKeyCounter, in.Text), "PROOF_REJECTED"},
		{bluetooth.Signed(t, stepup.BluetoothKey, in.Text), "PROOF_REJECTED"},
		{byPIN, "STEPUP_STRONGER"}, // a personal customer's never confirms
	} {
		if got := w.proven(t, in, tt.proof, w.Known(t)); got.Code != tt.refusal {
			t.Errorf("%s: %d %q, want %s", tt.proof.Factor, got.Status, got.Code, tt.refusal)
		}
	}
	w.Corporate(t, w.Payer)
	w.proven(t, in, byPIN, w.Signed(t, in)).Want(t, "PIN_CODE_LOCKED") // as without a PIN code
	if n := w.Count(t, "SELECT count(*) FROM transfer"); n != 0 {
		t.Errorf("%d transfers are posted", n)
	}
	w.Exec(t, "UPDATE customer SET kind = $1 WHERE id = $2", customer.Personal, w.Payer.ID)
	w.proven(t, in, w.Known(t), w.Signed(t, in)).Want(t, "") // the proof beside was right
	w.CheckLedger(t)
}

// The kind at the confirmation decides, not the one at the preparation.
func TestTheKindAtTheConfirmationDecides(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-001.4")
	w := newFixture(t, million)
	methods := w.enrolled(t)
	in := w.prepare(t, 1_00)
	w.Corporate(t, w.Payer)
	w.proven(t, in, methods[stepup.SMSOTP](t, in), w.Known(t)).Want(t, "STEPUP_STRONGER")
	as := w.prepare(t, 1_00)
	w.Exec(t, "UPDATE customer SET kind = $1", customer.Personal)
	w.proven(t, as, methods[stepup.PINCode](t, as), w.Signed(t, as)).Want(t, "STEPUP_STRONGER")
	if n := w.Count(t, "SELECT count(*) FROM transfer"); n != 0 {
		t.Errorf("%d transfers are posted", n)
	}
}
