package functions_test

import (
	"math/rand/v2"
	"testing"

	"github.com/tidebank/tidebank/test/functest"

	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// The bank takes each of the latest 64 sequence numbers once, in any order. It refuses
// an older one.
func TestFramesComeInAnyOrderWithinTheWindow(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-016.4", "CRYPTO-016.5", "CRYPTO-016.6")
	b := bank.On(t, pgtest.Broken(t))
	d := b.Device(t, "phone-of-wang")
	f := functest.Named(t, "captcha-issue")
	send := func(sequence uint64, want string) {
		t.Helper()
		d.Sequence.Store(sequence - 1)
		if got := d.Send(t, f, d.Frame(t, f, "", struct{}{})); got.Code != want {
			t.Errorf("sequence %d: %q, want %q", sequence, got.Code, want)
		}
	}
	const window, latest = 64, 1000
	for round := range 3 {
		newest := uint64(latest * (round + 1))
		send(newest, "") // the newest first: the others of its window come late
		for _, i := range rand.Perm(window - 1) {
			send(newest-window+1+uint64(i), "")
		}
		for _, i := range rand.Perm(window) {
			send(newest-window+1+uint64(i), "FRAME_REPLAYED")
		}
		for behind := range uint64(window) {
			send(newest-window-behind, "FRAME_REPLAYED")
		}
	}
}

// Only the customer's own bound key signs for the customer, and only the shown text.
func TestOnlyTheCustomersOwnKeySigns(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-001.1", "CRYPTO-001.4")
	p := bank.NewPair(t, 1_000_00)
	tablet, others := p.Device(t, "tablet-of-wang"), p.Device(t, "phone-of-li")
	others.LoginAs(t, p.Payee)
	tablet.LoginAs(t, p.Payer)
	p.Phone.LoginAs(t, p.Payer)
	unknown, err := sm.GenerateKey()
	check.Must(t, err)
	for _, tt := range []struct {
		name  string
		key   *sm.PrivateKey
		alter func(text string) string
		want  string
	}{
		{"another customer's key", others.Key, same, "PROOF_REJECTED"},
		{"the key of the customer's other device", tablet.Key, same, "PROOF_REJECTED"},
		{"a key that nobody bound", unknown, same, "PROOF_REJECTED"},
		{"the own key over another text", p.Phone.Key, func(text string) string { return text + " " }, "PROOF_REJECTED"},
		{"the own key over a changed amount", p.Phone.Key, func(text string) string { return "9" + text[1:] }, "PROOF_REJECTED"},
		{"no signature", nil, same, "INPUT_INVALID"},
		{"the own key", p.Phone.Key, same, ""},
	} {
		in := p.Prepare(t, p.ToOwn(1_00))
		var signature []byte
		if tt.key != nil {
			signature, err = sm.Sign(tt.key, []byte(tt.alter(in.Text)))
			check.Must(t, err)
		}
		got := p.Confirm(t, stepup.Confirmation{IntentID: in.IntentID, Proofs: []stepup.Proof{
			{Factor: stepup.DeviceKey, Signature: signature},
		}})
		if got.Code != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got.Code, tt.want)
		}
	}
	if posted := p.Count(t, "SELECT count(*) FROM transfer"); posted != 1 {
		t.Errorf("%d transfers were made, want 1", posted)
	}
}

func same(text string) string { return text }
