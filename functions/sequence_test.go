package functions_test

import (
	"math/rand/v2"
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// The latest 64 sequence numbers are taken in whatever order they come, each once;
// an older one is refused.
func TestFramesComeInAnyOrderWithinTheWindow(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-016.4", "CRYPTO-016.5", "CRYPTO-016.6")
	b := bank.On(t, pgtest.Broken(t))
	d := b.Device(t, "phone-of-wang")
	f := byName(t, "captcha-issue")
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

// Only the customer's own bound key signs for the customer, and only what was shown.
func TestOnlyTheCustomersOwnKeySigns(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-001.1", "CRYPTO-001.4")
	b := bank.New(t)
	wang, li := b.Customer(t, "王小明", 1_000_00, 0), b.Customer(t, "李四", 0)
	phone, tablet, others := b.Device(t, "phone-of-wang"), b.Device(t, "tablet-of-wang"), b.Device(t, "phone-of-li")
	others.LoginAs(t, li)
	tablet.LoginAs(t, wang)
	phone.LoginAs(t, wang)
	unknown, err := sm.GenerateKey()
	check.Must(t, err)
	prepare, confirm := byName(t, "transfer-prepare"), byName(t, "transfer-confirm")
	for _, tt := range []struct {
		name  string
		key   *sm.PrivateKey
		alter func(text string) string
		want  string
	}{
		{"another customer's key", others.Key, same, "PROOF_REJECTED"},
		{"the key of the customer's other device", tablet.Key, same, "PROOF_REJECTED"},
		{"a key that nobody bound", unknown, same, "PROOF_REJECTED"},
		{"the own key over another text", phone.Key, func(text string) string { return text + " " }, "PROOF_REJECTED"},
		{"the own key over a changed amount", phone.Key, func(text string) string { return "9" + text[1:] }, "PROOF_REJECTED"},
		{"no signature", nil, same, "PROOF_REJECTED"},
		{"the own key", phone.Key, same, ""},
	} {
		var in struct {
			ID   uuid.UUID `json:"intent_id"`
			Text string    `json:"text"`
		}
		phone.Call(t, prepare, "", map[string]any{
			"debit_account_id": wang.AccountIDs[0], "payee_account_id": wang.AccountIDs[1], "amount_fen": 1_00,
		}).Into(t, &in)
		var signature []byte
		if tt.key != nil {
			signature, err = sm.Sign(tt.key, []byte(tt.alter(in.Text)))
			check.Must(t, err)
		}
		got := phone.Call(t, confirm, uuid.NewString(), map[string]any{
			"intent_id": in.ID, "proofs": []any{map[string]any{"factor": "device_key", "signature": signature}},
		})
		if got.Code != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got.Code, tt.want)
		}
	}
	var posted int
	if err := b.Host.DB.Pool().QueryRow(t.Context(), "SELECT count(*) FROM transfer").Scan(&posted); err != nil || posted != 1 {
		t.Errorf("%d transfers were made (%v), want 1", posted, err)
	}
}

func same(text string) string { return text }
