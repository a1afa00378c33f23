package onfraud_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	fraudontransfer "github.com/tidebank/tidebank/functions/fraud/ontransfer"
	identityme "github.com/tidebank/tidebank/functions/identity/me"
	identityonfraud "github.com/tidebank/tidebank/functions/identity/onfraud"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/req"
)

type fixture struct {
	bank.Pair
	other *bank.Device // the payee's
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	w := fixture{Pair: bank.NewPair(t, 100_00)}
	w.other = w.Device(t, "phone-of-li")
	w.other.LoginAs(t, w.Payee)
	return w
}

func (w fixture) scored(t *testing.T, customer string, grade risk.Grade) cloudevent.Event {
	t.Helper()
	id := uuid.NewString()
	return w.Event(t, id, events.TypeFraudScored, id, events.FraudScored{
		TransferID: id, CustomerID: customer, Score: 90, Grade: int(grade), Reasons: []string{},
	})
}

func (w fixture) deliver(t *testing.T, e cloudevent.Event, want int) {
	t.Helper()
	if got := w.Deliver(t, identityonfraud.Function, e); got != want {
		t.Fatalf("the delivery got %d, want %d", got, want)
	}
}

func wantSession(t *testing.T, d *bank.Device, code string) {
	t.Helper()
	d.Call(t, identityme.Function, "", struct{}{}).Want(t, code)
}

// A high grade ends the customer's session at once, and no other session. A new login
// opens the bank again; the event that comes once more does not end that one.
func TestARiskEventEndsTheSession(t *testing.T) {
	t.Parallel()
	req.Covers(t, "SESSION-001.3")
	w := newFixture(t)
	wantSession(t, w.Phone, "")
	e := w.scored(t, w.Payer.ID.String(), risk.GradeHigh)
	w.deliver(t, e, http.StatusAccepted)
	reply := w.Phone.Call(t, identityme.Function, "", struct{}{})
	if reply.Want(t, "SESSION_REQUIRED"); reply.Status != http.StatusUnauthorized {
		t.Errorf("status %d, want 401", reply.Status)
	}
	wantSession(t, w.Phone, "SESSION_REQUIRED") // it stays ended
	wantSession(t, w.other, "")
	w.Phone.LoginAs(t, w.Payer)
	w.deliver(t, e, http.StatusAccepted)
	wantSession(t, w.Phone, "")
}

// The events of fraud analysis itself end the session: a large, new payment at night among
// many.
func TestAScoredTransferEndsTheSession(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	id, night := uuid.NewString(), time.Date(2026, 11, 23, 3, 0, 0, 0, bank.Start.Location())
	data := events.TransferPosted{
		TransferID: id, PayerCustomerID: w.Payer.ID.String(), PayeeCustomerID: w.Payee.ID.String(),
		CreditAccountID: w.Payee.AccountIDs[0].String(), AmountFen: 60_000_00, NewPayee: true, PostedAt: night,
	}
	w.Exec(t, `
INSERT INTO transfer (id, customer_id, intent_id, debit_id, credit_id, amount, detail_ct, posted_at)
VALUES ($1, $2, $1, $3, $4, $5, '', $6)`, id, data.PayerCustomerID, w.Payer.AccountIDs[0], data.CreditAccountID, data.AmountFen, night)
	if got := w.Deliver(t, fraudontransfer.Function, w.Event(t, id, events.TypeTransferPosted, id, data)); got != http.StatusAccepted {
		t.Fatalf("the transfer's event got %d", got)
	}
	told := bank.Told[events.FraudScored](t, w.Bank, events.TypeFraudScored)
	if len(told) != 1 || told[0].Grade != int(risk.GradeHigh) {
		t.Fatalf("scored %+v", told)
	}
	w.deliver(t, w.Event(t, uuid.NewString(), events.TypeFraudScored, id, told[0]), http.StatusAccepted)
	wantSession(t, w.Phone, "SESSION_REQUIRED")
}

func TestLowerGradesEndNoSession(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for _, grade := range []risk.Grade{risk.GradeNormal, risk.GradeRaised} {
		w.deliver(t, w.scored(t, w.Payer.ID.String(), grade), http.StatusAccepted)
		wantSession(t, w.Phone, "")
	}
	w.deliver(t, w.scored(t, uuid.NewString(), risk.GradeHigh), http.StatusAccepted) // nobody is logged in
	wantSession(t, w.Phone, "")
}

// With Redis down the event comes again, and ends the session then.
func TestTheEventComesAgain(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	e := w.scored(t, w.Payer.ID.String(), risk.GradeHigh)
	w.Redis.SetError("down")
	w.deliver(t, e, http.StatusServiceUnavailable)
	w.Redis.SetError("")
	wantSession(t, w.Phone, "")
	w.deliver(t, e, http.StatusAccepted)
	wantSession(t, w.Phone, "SESSION_REQUIRED")
}

func TestAMalformedEventIsRefused(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.deliver(t, w.scored(t, "x", risk.GradeHigh), http.StatusBadRequest)
}
