package onotp_test

import (
	"net/http"
	"testing"

	otpsend "github.com/tidebank/tidebank/functions/otp/send"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/test/req"
)

// A code for an order goes to the number that the bank has on record. A request that
// names a number is refused, also if the number is the payer's.
func TestCodesGoToTheReservedNumberOnly(t *testing.T) {
	t.Parallel()
	req.Covers(t, "OTP-006.1")
	w := newFixture(t)
	in := w.Prepare(t, w.ToPayee(1_00))
	for _, number := range []string{"13999999999", w.Payee.Phone, w.Payer.Phone} {
		w.Phone.Call(t, otpsend.Function, "", map[string]any{
			"purpose": otp.Intent, "intent_id": in.IntentID, "phone": number,
		}).Want(t, "INPUT_INVALID")
	}
	w.wantTexts(t, 0)
	w.deliver(t, w.ask(t, map[string]any{"purpose": otp.Intent, "intent_id": in.IntentID}), http.StatusAccepted)
	w.wantTexts(t, 1)
	w.confirm(t, in, w.code(t)).Want(t, "") // which reads the text to the payer's number
	for _, number := range []string{"13999999999", w.Payee.Phone} {
		if got := w.sms.Inbox(number); len(got) != 0 {
			t.Errorf("%s got %v", number, got)
		}
	}
}
