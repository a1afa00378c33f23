package functions_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/evidence"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/functest"
	"github.com/tidebank/tidebank/test/req"
)

// noEvidence lists the commands and confirmations without evidence of a change, and why. A new one that is not listed must
// leave evidence.
var noEvidence = map[string]string{
	"transfer-prepare":            "nothing changes before the confirmation",
	"transfer-confirm":            "moves money: postings and entries with MACs, and the soft UKey's own evidence",
	"account-alias-set":           "a name that only the customer sees",
	"identity-login":              "the start of a session",
	"identity-quick-login":        "the start of a session",
	"identity-quick-challenge":    "a challenge",
	"identity-logout":             "the end of a session",
	"identity-session-background": "the state of a session",
	"identity-session-resume":     "the state of a session",
	"identity-change-prepare":     "nothing changes before the confirmation",
	"identity-contract-prepare":   "nothing changes before the confirmation",
	"account-change-prepare":      "nothing changes before the confirmation",
	"identity-face-begin":         "a proof of an intent",
	"identity-face-finish":        "a proof of an intent",
	"identity-token-sync":         "the clock of a token",
	"device-report":               "a report of the app",
	"message-read":                "what the customer has read",
	"otp-send":                    "a code",
	"otp-uplink":                  "a proof of an intent",
	"staff-login":                 "the start of a member's session; nothing of a customer",
	"staff-logout":                "the end of a member's session",
	"staff-password-change":       "a member's password; the access record tells of it",
	"staff-parameter-propose":     "nothing changes before the approval",
	"staff-parameter-approve":     "a figure of the bank; the record names both members and both values",
	"staff-role-set":              "a member's roles; the record names both values",
}

// evidenced returns the evidence of all changes by operation, each verified with the keys alone.
func evidenced(t *testing.T, b *bank.Bank) map[string][]evidence.Signed {
	t.Helper()
	rows, err := b.Host.DB.Pool().Query(t.Context(), "SELECT id, customer_id, operation FROM change_evidence ORDER BY signed_at, id")
	check.Must(t, err)
	defer rows.Close()
	all := map[string][]evidence.Signed{}
	offline := b.Host.Keys.Only(keys.Evidence)
	for rows.Next() {
		var id, customer uuid.UUID
		var operation string
		check.Must(t, rows.Scan(&id, &customer, &operation))
		stored, err := evidence.ReadChange(t.Context(), b.Host.DB.Reader(), b.Host.Keys, id)
		check.Must(t, err)
		text, err := stored.EncodeChange()
		check.Must(t, err)
		read, err := evidence.DecodeChange(text)
		check.Must(t, err)
		s, err := read.VerifyChange(offline)
		if err != nil || s.ID != id || s.CustomerID != customer || s.Operation != operation {
			t.Errorf("%s: %v, %+v", operation, err, s)
		}
		all[operation] = append(all[operation], s)
	}
	check.Must(t, rows.Err())
	return all
}

// The journey takes every function. Each success of a change leaves evidence: once for each good answer.
func TestEveryChangeLeavesEvidence(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-023.1")
	j := newJourney(t)
	j.travel(t)
	found := evidenced(t, j.Bank)
	changes := 0
	for _, f := range req.AtLeast(t, 20, functions.All()) {
		name := f.Spec.Name
		if f.Form != fn.FormCommand && f.Form != fn.FormConfirm {
			continue
		}
		if _, listed := noEvidence[name]; listed == f.Evidenced() {
			t.Errorf("%s leaves evidence: %v, and is listed here: %v", name, f.Evidenced(), listed)
		}
		if !f.Evidenced() {
			continue
		}
		changes++
		if len(found[name]) != len(j.good[name]) {
			t.Errorf("%s: %d good answers left %d records", name, len(j.good[name]), len(found[name]))
		}
		for _, s := range found[name] {
			if s.CustomerID != j.Payer.ID || s.DeviceID != j.Phone.ID || len(s.RequestDigest) == 0 {
				t.Errorf("%s: %+v", name, s)
			}
			if confirmed := f.Form == fn.FormConfirm; confirmed != (s.Text != "") || confirmed != (len(s.Factors) >= 2) {
				t.Errorf("%s: the text %q, the factors %v", name, s.Text, s.Factors)
			}
			if of := f.Spec.Audience == fn.Customer; of != (len(s.Request) > 0) {
				t.Errorf("%s: the request %s", name, s.Request)
			}
		}
	}
	if changes < 15 {
		t.Errorf("only %d changes", changes)
	}
	for operation, list := range found {
		for _, s := range list {
			for _, secret := range []string{`"otp"`, `"code"`, `password":`, `"proofs"`, `"gesture"`} {
				if strings.Contains(string(s.Request), secret) {
					t.Errorf("%s: the evidence holds %s: %s", operation, secret, s.Request)
				}
			}
		}
	}
	if signed := found["identity-gesture-set"]; len(signed) == 0 || len(signed[0].Signatures) != 1 ||
		signed[0].Signatures[0].Factor != string(stepup.DeviceKey) {
		t.Errorf("a change that the device's key has signed: %+v", signed)
	}
}

// Each byte of the evidence counts, and so does the key: another bank's evidence proves nothing here.
func TestChangedEvidenceOfAChangeProvesNothing(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-023.2")
	p := bank.NewPair(t, 100_00)
	p.Exec(t, "UPDATE device SET bound_at = bound_at - interval '2 days'")
	in := p.PrepareChange(t, stepup.SetAlias)
	p.Phone.Call(t, functest.Named(t, "identity-alias-set"), uuid.NewString(), map[string]any{
		"intent_id": in.IntentID, "alias": "tide.fan", "proofs": []stepup.Proof{
			p.KnownLogin(t, bank.LoginPassword), {Factor: stepup.DeviceKey, Signature: p.Phone.Sign(t, in.Text)},
		},
	}).Want(t, "")
	stored, err := evidence.ReadChange(t.Context(), p.Host.DB.Reader(), p.Host.Keys, in.IntentID)
	check.Must(t, err)
	text, err := stored.EncodeChange()
	check.Must(t, err)
	for i := range text {
		changed, err := evidence.DecodeChange(check.Flip(text, i))
		if err == nil {
			_, err = changed.VerifyChange(p.Host.Keys)
		}
		if err == nil {
			t.Fatalf("byte %d of %d does not count", i, len(text))
		}
	}
	if _, err := stored.VerifyChange(bank.New(t).Host.Keys); !errors.Is(err, evidence.ErrBank) {
		t.Errorf("by another bank's keys: %v", err)
	}
	if _, err := evidence.ReadChange(t.Context(), p.Host.DB.Reader(), p.Host.Keys, uuid.New()); !errors.Is(err, bankerr.ErrNotFound) {
		t.Errorf("another intent: %v", err)
	}
	key, err := sm.GenerateKey()
	check.Must(t, err)
	if signature, err := sm.Sign(key, []byte(stored.Content)); err == nil { // by somebody else's key, with the bank's certificate
		forged := stored
		forged.Signature = signature
		if _, err := forged.VerifyChange(p.Host.Keys); !errors.Is(err, evidence.ErrBank) {
			t.Errorf("somebody else's signature: %v", err)
		}
	}
}
