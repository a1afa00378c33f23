package ondevice_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

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

// Neither codes nor notices about money use up the budget of notices about security. When
// that is used up itself, the event is done, and the inbox has the message.
func TestNoOtherTextsSilenceABoundKey(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 0)
	gateway := smstest.Start(t, p.Bank, notifyondevice.Function)
	bind := func() {
		t.Helper()
		id := p.Payer.ID.String()
		e := p.Event(t, uuid.NewString(), events.TypeIdentityDeviceBound, id,
			events.IdentityDeviceBound{CustomerID: id, DeviceID: "phone-of-thief", BoundAt: bank.Start})
		if got := p.Deliver(t, notifyondevice.Function, e); got != http.StatusAccepted {
			t.Fatalf("the delivery got %d", got)
		}
	}
	p.Exec(t, `INSERT INTO sms_use (span, starts_at, codes, notices) VALUES ('day', $1, 500000, 300000), ('minute', $2, 2000, 1000)`,
		bank.Start.Add(-10*time.Hour), bank.Start)
	for n := range 6 { // a phone gets five in a minute
		bind()
		if got := len(gateway.Inbox(p.Payer.Phone)); got != min(n+1, 5) {
			t.Fatalf("%d texts after %d keys", got, n+1)
		}
	}
	p.Exec(t, "UPDATE sms_use SET security = 50000 WHERE span = 'day'")
	p.Advance(time.Minute)
	bind()
	if n := p.Count(t, "SELECT count(*) FROM message"); n != 7 || len(gateway.Inbox("")) != 5 {
		t.Errorf("%d messages, %d texts; want 7 and 5", n, len(gateway.Inbox("")))
	}
	refused := p.Outbox(t, events.TypeMessageRefused)
	if len(refused) != 1 || !strings.Contains(string(refused[0].Data), "the day's budget") {
		t.Errorf("refusals recorded: %v", refused)
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
