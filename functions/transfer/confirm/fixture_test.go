package confirm_test

import (
	"testing"

	"github.com/google/uuid"

	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/otptest"
)

// fixture is a pair, and how its payer confirms.
type fixture struct{ bank.Pair }

func newFixture(t *testing.T, balance money.Fen) fixture {
	t.Helper()
	return fixture{bank.NewPair(t, balance)}
}

func (w fixture) prepare(t *testing.T, amount money.Fen) transferprepare.Response {
	t.Helper()
	return w.Prepare(t, w.request(amount))
}

func (w fixture) request(amount money.Fen) map[string]any {
	request := w.ToPayee(amount)
	request["memo"] = "房租"
	return request
}

// otp issues a code for an intent as otp-send does, and returns it. It counts in no quota.
func (w fixture) otp(t *testing.T, intent transferprepare.Response) string {
	t.Helper()
	subject := stepup.Subject(intent.IntentID)
	var unit pg.Unit
	otp.Issue(&unit, otp.Challenge{
		Subject: subject, Purpose: otp.Intent, Phone: customer.PhoneIndex(w.Host.Keys, w.Payer.Phone),
		CustomerID: &w.Payer.ID, DeviceID: w.Phone.ID, Binding: intent.Digest,
	}, w.Clock.Now())
	check.Must(t, w.Host.DB.Commit(t.Context(), &unit))
	return otptest.Code(t, w.Bank, subject)
}

func confirmation(id uuid.UUID, proofs ...stepup.Proof) stepup.Confirmation {
	return stepup.Confirmation{IntentID: id, Proofs: proofs}
}

// proofs are a right code and a right signature.
func (w fixture) proofs(t *testing.T, intent transferprepare.Response) stepup.Confirmation {
	t.Helper()
	return confirmation(intent.IntentID,
		stepup.Proof{Factor: stepup.SMSOTP, Code: w.otp(t, intent)},
		w.Signed(t, intent))
}
