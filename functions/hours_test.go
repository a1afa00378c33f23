package functions_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// The clock runs through a day and a night. At each hour every function answers with
// success or with a refusal, and never with a failure.
func TestEveryFunctionAnswersAtEachHour(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AVAIL-001.2")
	p := newFixture(t)
	posted := events.TransferPosted{PayerCustomerID: p.Payer.ID.String(), AmountFen: 1, PostedAt: p.Clock.Now()}
	answered := 0
	for hour := range 24 {
		p.Phone.Reopen(t)
		check.Must(t, p.Host.Sessions.Start(t.Context(), p.Phone.Channel, p.Payer.ID))
		for _, f := range functions.All() {
			status, want := 0, http.StatusInternalServerError
			switch {
			case isEvent(f):
				kind := f.Spec.Consumes[0]
				data := dataOf(t, kind)
				switch kind {
				case events.TypeTransferPosted:
					data = posted
				case events.TypeIdentityDeviceBound:
					data = events.IdentityDeviceBound{CustomerID: p.Payer.ID.String(), DeviceID: p.Phone.ID, BoundAt: p.Clock.Now()}
				case events.TypePhoneChanged:
					data = events.PhoneChanged{CustomerID: p.Payer.ID.String(), ChangeID: uuid.NewString(), ChangedAt: p.Clock.Now()}
				case events.TypePasswordChanged:
					data = events.PasswordChanged{
						CustomerID: p.Payer.ID.String(), DeviceID: p.Phone.ID, Which: "login_password", ChangedAt: p.Clock.Now(),
					}
				}
				status, want = p.Deliver(t, f, failedAt(p.Event(t, uuid.NewString(), kind, "x", data))), http.StatusMultipleChoices
			case f.Spec.NoChannel:
				status = p.Phone.Send(t, f, []byte("{}")).Status
			default:
				status = p.Phone.Call(t, f, uuid.NewString(), goodRequest(t, f)).Status
				if f.Spec.Name == "identity-logout" {
					check.Must(t, p.Host.Sessions.Start(t.Context(), p.Phone.Channel, p.Payer.ID))
				}
			}
			if status < http.StatusOK || status >= want {
				t.Errorf("hour %d: %s answered %d", hour, f.Spec.Name, status)
			}
			answered++
		}
		p.Advance(time.Hour)
	}
	if answered < 24*20 {
		t.Errorf("only %d answers", answered)
	}
}
