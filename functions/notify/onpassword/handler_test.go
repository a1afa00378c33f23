package onpassword_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	messagelist "github.com/tidebank/tidebank/functions/message/list"
	notifyonpassword "github.com/tidebank/tidebank/functions/notify/onpassword"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/smstest"
)

// A customer is told once, by text and in the inbox, which password was changed or reset.
func TestACustomerIsToldOfANewPassword(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 0)
	gateway := smstest.Start(t, p.Bank, notifyonpassword.Function)
	for n, tt := range []struct {
		which string
		reset bool
		want  string
	}{
		{"login_password", false, "登录密码已于11月23日10:00修改"},
		{"login_password", true, "登录密码已于11月23日10:00重置"},
		{"trade_password", false, "交易密码已于11月23日10:00修改"},
		{"trade_password", true, "交易密码已于11月23日10:00重置"},
		{"gesture", false, "手势密码已于11月23日10:00设置"},
		{"fingerprint", false, "指纹登录已于11月23日10:00开通"},
		{"face", false, "面容登录已于11月23日10:00开通"},
	} {
		id := p.Payer.ID.String()
		e := p.Event(t, uuid.NewString(), events.TypePasswordChanged, id, events.PasswordChanged{
			CustomerID: id, DeviceID: "phone-of-thief", Which: tt.which, Reset: tt.reset, ChangedAt: bank.Start,
		})
		for range 2 {
			if got := p.Deliver(t, notifyonpassword.Function, e); got != http.StatusAccepted {
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
		p.Advance(time.Minute) // one phone gets few notices about security in a minute
	}
}

func TestAMalformedEventIsRefused(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 0)
	gateway := smstest.Start(t, p.Bank, notifyonpassword.Function)
	e := p.Event(t, uuid.NewString(), events.TypePasswordChanged, "x", events.PasswordChanged{CustomerID: "x"})
	if got := p.Deliver(t, notifyonpassword.Function, e); got != http.StatusBadRequest || len(gateway.Inbox("")) != 0 {
		t.Errorf("%d, %d texts", got, len(gateway.Inbox("")))
	}
}
