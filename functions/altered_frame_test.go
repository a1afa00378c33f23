package functions_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/functest"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/req"
)

// A request or a reply of which one bit was changed on its way is refused, and nothing of it is
// used. The frame itself is good afterwards.
func TestAnAlteredFrameIsNotUsed(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-001.3")
	p := newFixture(t)
	p.payWithMemo(t)
	tablet := p.Device(t, "tablet-of-wang")
	order := p.ToPayee(1_00)
	order["memo"] = kept
	for _, call := range []struct {
		name    string
		device  *bank.Device
		request any
	}{
		{"identity-me", p.Phone, struct{}{}},
		{"account-overview", p.Phone, struct{}{}},
		{"account-statement", p.Phone, map[string]any{"account_id": p.Payer.AccountIDs[0]}},
		{"account-alias-set", p.Phone, map[string]any{"account_id": p.Payer.AccountIDs[0], "alias": kept}},
		{"transfer-prepare", p.Phone, order},
		{"transfer-confirm", p.Phone, p.Proved(t, p.Prepare(t, order))},
		{"identity-login", tablet, tablet.LogIn(t, p.Payer, otptest.Ask(t, p.Bank, tablet, otp.Login, p.Payer.Phone))},
	} {
		f := functest.Named(t, call.name)
		frame, before := call.device.Frame(t, f, uuid.NewString(), call.request), p.Stored(t)
		for at := 0; at < len(frame); at += 1 + at/40 {
			code := call.device.Send(t, f, check.Flip(frame, at)).Code
			if inChannel := at >= 1 && at < 17; code != "FRAME_REJECTED" && (!inChannel || code != "CHANNEL_EXPIRED") {
				t.Errorf("%s: byte %d of the request was changed: %q", call.name, at, code)
			}
		}
		if p.Stored(t) != before {
			t.Errorf("%s: an altered request had an effect", call.name)
		}
		sent, err := channel.ParseHeader(frame)
		check.Must(t, err)
		reply := bank.Handle(t, p.Open(t, f), frame, http.Header{"X-Forwarded-For": {call.device.IP}})
		if _, err := channel.OpenReply(call.device.Keys, reply.Body, sent, call.name, reply.StatusCode); err != nil ||
			reply.StatusCode != http.StatusOK {
			t.Errorf("%s: unchanged: %d, %v", call.name, reply.StatusCode, err)
		}
		for at := range reply.Body {
			got, err := channel.OpenReply(call.device.Keys, check.Flip(reply.Body, at), sent, call.name, reply.StatusCode)
			if !errors.Is(err, channel.ErrFrame) || got != nil {
				t.Errorf("%s: byte %d of the reply was changed: %q, %v", call.name, at, got, err)
			}
		}
	}
}
