package onphone_test

import (
	"net/http"
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	notifyonphone "github.com/tidebank/tidebank/functions/notify/onphone"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/smstest"
)

// Without the earlier number, no number gets a text: not the present one either.
func TestNobodyElseGetsTheNotice(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 0)
	gateway := smstest.Start(t, p.Bank, notifyonphone.Function)
	for _, tt := range []struct {
		customer, change string
		want             int
	}{
		{p.Payer.ID.String(), uuid.NewString(), http.StatusAccepted},
		{p.Payer.ID.String(), "x", http.StatusBadRequest},
		{"x", uuid.NewString(), http.StatusBadRequest},
	} {
		e := p.Event(t, uuid.NewString(), events.TypePhoneChanged, tt.customer, events.PhoneChanged{
			CustomerID: tt.customer, ChangeID: tt.change, DeviceID: "phone-of-wang", ChangedAt: bank.Start,
		})
		if got := p.Deliver(t, notifyonphone.Function, e); got != tt.want || len(gateway.Inbox("")) != 0 {
			t.Errorf("%+v: %d, %d texts", tt, got, len(gateway.Inbox("")))
		}
	}
}
