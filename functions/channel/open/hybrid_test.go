package open_test

import (
	"errors"
	"strings"
	"testing"

	captchaissue "github.com/tidebank/tidebank/functions/captcha/issue"
	channelopen "github.com/tidebank/tidebank/functions/channel/open"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// offer starts a handshake of version 2; change spoils its hello.
func offer(t *testing.T, device string, change func(map[string]any)) (*channel.Client, []byte) {
	t.Helper()
	client, err := channel.NewClient(device)
	check.Must(t, err)
	check.Must(t, client.OfferHybrid())
	fields := bank.Fields(t, client.Hello())
	if change != nil {
		change(fields)
	}
	return client, check.JSON(t, fields)
}

// newPolicyPhone is a device of a bank with a policy about version 2.
func newPolicyPhone(t *testing.T, policy channel.Policy) (*bank.Bank, *bank.Device) {
	t.Helper()
	b, phone := newPhone(t)
	b.Open(t, channelopen.Function, channelopen.Config{Hybrid: string(policy)})
	return b, phone
}

// use gives the device the channel of a welcome, and makes a call on it.
func use(t *testing.T, b *bank.Bank, d *bank.Device, client *channel.Client, welcome channel.Welcome) {
	t.Helper()
	var err error
	d.Channel, d.Keys, err = client.Finish(welcome, b.Host.Keys.Public(keys.Channel))
	check.Must(t, err)
	d.Sequence.Store(0)
	d.Call(t, captchaissue.Function, "", struct{}{}).Want(t, "")
}

// Under each policy, apps of both versions get a channel that carries calls, or the refusal
// that tells them to update.
func TestVersionsOfTheHandshake(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-016.1")
	for _, tt := range []struct {
		policy channel.Policy
		first  string // refusal of a hello of version 1
		hybrid bool   // the bank chooses version 2 for those who offer it
	}{
		{"", "", true},
		{channel.HybridOn, "", true},
		{channel.HybridRequired, "CHANNEL_REFUSED", true},
		{channel.HybridOff, "", false},
	} {
		b, phone := newPolicyPhone(t, tt.policy)
		client, raw := hello(t, phone.ID, nil)
		answer := phone.Send(t, channelopen.Function, raw)
		if answer.Want(t, tt.first); tt.first == "" {
			var welcome channel.Welcome
			answer.Into(t, &welcome)
			if welcome.Hybrid() {
				t.Errorf("policy %q: version 2 was not offered", tt.policy)
			}
			use(t, b, phone, client, welcome)
		}
		client, raw = offer(t, phone.ID, nil)
		var welcome channel.Welcome
		phone.Send(t, channelopen.Function, raw).Into(t, &welcome)
		if welcome.Hybrid() != tt.hybrid {
			t.Errorf("policy %q: version 2 was chosen: %v", tt.policy, welcome.Hybrid())
		}
		use(t, b, phone, client, welcome)
	}
}

// Somebody on the way who takes the offer out of the hello, or the choice out of the
// welcome, gets no channel with the app.
func TestAStrippedOfferIsRefused(t *testing.T) {
	t.Parallel()
	b, phone := newPhone(t)
	pinned := b.Host.Keys.Public(keys.Channel)
	client, raw := offer(t, phone.ID, func(fields map[string]any) {
		fields["version"] = 1
		delete(fields, "kem_key")
	})
	var welcome channel.Welcome
	phone.Send(t, channelopen.Function, raw).Into(t, &welcome)
	if _, _, err := client.Finish(welcome, pinned); !errors.Is(err, channel.ErrHandshake) || welcome.Hybrid() {
		t.Errorf("without the offer: %v", err)
	}
	client, raw = offer(t, phone.ID, nil)
	phone.Send(t, channelopen.Function, raw).Into(t, &welcome)
	chosen := welcome.KEMCiphertext
	welcome.KEMCiphertext = nil
	if _, _, err := client.Finish(welcome, pinned); !errors.Is(err, channel.ErrHandshake) {
		t.Errorf("without the choice: %v", err)
	}
	welcome.KEMCiphertext = check.Flip(chosen, 500)
	if _, _, err := client.Finish(welcome, pinned); !errors.Is(err, channel.ErrHandshake) {
		t.Errorf("with a changed choice: %v", err)
	}
	welcome.KEMCiphertext = chosen
	use(t, b, phone, client, welcome)
}

// A bad offer is refused and leaves nothing.
func TestMalformedOffers(t *testing.T) {
	t.Parallel()
	b, phone := newPhone(t)
	_, good := offer(t, phone.ID, nil)
	phone.Send(t, channelopen.Function, good).Want(t, "")
	before := len(kept(b))
	unreduced := make([]byte, 1184)
	for i := range unreduced {
		unreduced[i] = 0xff
	}
	for _, tt := range []struct {
		name, field string
		value       any
		want        string
	}{
		{"an offer in version 1", "version", 1, "CHANNEL_REFUSED"},
		{"version 3", "version", 3, "CHANNEL_REFUSED"},
		{"an empty key", "kem_key", "", "INPUT_INVALID"},
		{"a short key", "kem_key", make([]byte, 32), "INPUT_INVALID"},
		{"a key of ML-KEM-1024", "kem_key", make([]byte, 1568), "INPUT_INVALID"},
		{"a key of 1183 bytes", "kem_key", make([]byte, 1183), "CHANNEL_REFUSED"},
		{"a key of 1185 bytes", "kem_key", make([]byte, 1185), "CHANNEL_REFUSED"},
		{"a key that is not reduced", "kem_key", unreduced, "CHANNEL_REFUSED"},
		{"no bytes", "kem_key", 7, "INPUT_INVALID"},
		{"null", "kem_key", nil, "INPUT_INVALID"},
	} {
		_, raw := offer(t, phone.ID, func(fields map[string]any) { fields[tt.field] = tt.value })
		got := phone.Send(t, channelopen.Function, raw)
		if got.Code != tt.want || tt.want == "INPUT_INVALID" && got.Problem.Field != tt.field {
			t.Errorf("%s: %q of %q, want %q", tt.name, got.Code, got.Problem.Field, tt.want)
		}
	}
	_, raw := offer(t, phone.ID, func(fields map[string]any) { delete(fields, "kem_key") })
	phone.Send(t, channelopen.Function, raw).Want(t, "CHANNEL_REFUSED")
	if n := len(kept(b)); n != before {
		t.Errorf("%d keys are left by bad offers", n-before)
	}
}

func TestAWrongPolicyDoesNotStart(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	_, err := channelopen.Function.Open(t.Context(), b.Host, host.Values(channelopen.Config{Hybrid: "yes"}))
	if err == nil || !strings.Contains(err.Error(), "CHANNEL_HYBRID") {
		t.Errorf("with another policy: %v", err)
	}
}
