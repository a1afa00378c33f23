package ondevice_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	messagelist "github.com/tidebank/tidebank/functions/message/list"
	notifyondevice "github.com/tidebank/tidebank/functions/notify/ondevice"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/smstest"
)

// A customer is told once, by text and in the inbox, that a key was bound or replaced.
func TestACustomerIsToldOfABoundKey(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 0)
	gateway := smstest.Start(t, p.Bank, notifyondevice.Function)
	for n, tt := range []struct {
		replaced bool
		want     string
	}{{false, "11月23日10:00在一台设备上绑定了安全密钥"}, {true, "11月23日10:00在一台设备上更换了安全密钥"}} {
		id := p.Payer.ID.String()
		e := p.Event(t, uuid.NewString(), events.TypeIdentityDeviceBound, id, events.IdentityDeviceBound{
			CustomerID: id, DeviceID: "phone-of-thief", Replaced: tt.replaced, BoundAt: bank.Start,
		})
		for range 2 {
			if got := p.Deliver(t, notifyondevice.Function, e); got != http.StatusAccepted {
				t.Fatalf("the delivery got %d", got)
			}
		}
		texts := gateway.Inbox(p.Payer.Phone)
		if len(texts) != n+1 || !strings.Contains(texts[0].Text, tt.want) || strings.Contains(texts[0].Text, "thief") {
			t.Errorf("texts: %v", texts)
		}
		var shown messagelist.Response
		p.Phone.Call(t, messagelist.Function, "", struct{}{}).Into(t, &shown)
		if len(shown.Messages) != n+1 || !strings.Contains(shown.Messages[0].Body, tt.want) {
			t.Errorf("messages: %+v", shown.Messages)
		}
	}
}

func TestAMalformedEventIsRefused(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 0)
	gateway := smstest.Start(t, p.Bank, notifyondevice.Function)
	e := p.Event(t, uuid.NewString(), events.TypeIdentityDeviceBound, "x", events.IdentityDeviceBound{CustomerID: "x"})
	if got := p.Deliver(t, notifyondevice.Function, e); got != http.StatusBadRequest || len(gateway.Inbox("")) != 0 {
		t.Errorf("%d, %d texts", got, len(gateway.Inbox("")))
	}
}
