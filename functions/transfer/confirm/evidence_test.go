package confirm_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	identityaliasset "github.com/tidebank/tidebank/functions/identity/aliasset"
	identitychangeprepare "github.com/tidebank/tidebank/functions/identity/changeprepare"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/evidence"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// evidenced reads the evidence of an operation, and checks it.
func (w fixture) evidenced(t *testing.T, id uuid.UUID) evidence.Record {
	t.Helper()
	record, err := evidence.Read(t.Context(), w.Host.DB.Reader(), w.Host.Keys, id)
	check.Must(t, err)
	check.Must(t, record.Verify(w.Host.Roots, w.Host.Keys))
	return record
}

// A signed transfer stores its evidence, which proves it later, also when the certificate has
// expired or was revoked. Without the transfer there is none.
func TestASignedTransferStoresItsEvidence(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-025.1")
	w := newFixture(t, 9*million)
	w.AllowLarge(t)
	by := w.SoftUKey(t, w.Payer, cert.AtCounter)
	in, other := w.prepare(t, million), w.prepare(t, million)
	w.signed(t, in, by).Want(t, "")
	w.signed(t, other, by).Want(t, "LIMIT_EXCEEDED")
	record := w.evidenced(t, in.IntentID)
	if record.Text != in.Text || record.CustomerID != w.Payer.ID || record.Operation != "transfer-confirm" ||
		!record.VerifiedAt.Equal(w.Clock.Now()) {
		t.Errorf("the evidence is of %+v", record)
	}
	if n := w.Count(t, "SELECT count(*) FROM evidence"); n != 1 {
		t.Errorf("%d records are stored", n)
	}
	if _, err := evidence.Read(t.Context(), w.Host.DB.Reader(), w.Host.Keys, other.IntentID); !errors.Is(err, bankerr.ErrNotFound) {
		t.Errorf("of a transfer that was refused: %v", err)
	}
	w.Authority(t).Revoke(by.Certificate.Serial())
	w.Relist(t)
	w.Clock.Advance(20 * 365 * 24 * time.Hour)
	w.evidenced(t, in.IntentID)
}

// Each byte of the evidence counts, in a file and in the database, for a transfer and for a change
// of the customer's data.
func TestEachByteOfTheEvidenceCounts(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-023.2")
	w := newFixture(t, 9*million)
	w.AllowLarge(t)
	by := w.SoftUKey(t, w.Payer, cert.InApp)
	transfer := w.prepare(t, 1_00)
	w.proven(t, transfer, w.Known(t), by.Signed(t, stepup.SoftUKey, transfer.Text)).Want(t, "")
	var change identitychangeprepare.Response
	w.Phone.Call(t, identitychangeprepare.Function, "", map[string]any{"change": stepup.SetAlias}).Into(t, &change)
	w.Phone.Call(t, identityaliasset.Function, "alias", map[string]any{
		"intent_id": change.IntentID, "alias": "tide.fan", "proofs": []stepup.Proof{
			w.CodeFor(t, change.IntentID), w.KnownLogin(t, bank.LoginPassword), by.Signed(t, stepup.SoftUKey, change.Text),
		},
	}).Want(t, "")
	for _, id := range []uuid.UUID{transfer.IntentID, change.IntentID} {
		text, err := w.evidenced(t, id).Encode()
		check.Must(t, err)
		record, err := evidence.Decode(text)
		check.Must(t, err)
		check.Must(t, record.Verify(w.Host.Roots, w.Host.Keys))
		for i := range text {
			if changed, err := evidence.Decode(check.Flip(text, i)); err == nil && changed.Verify(w.Host.Roots, w.Host.Keys) == nil {
				t.Errorf("byte %d of %d does not count: %q", i, len(text), text[i])
			}
		}
	}
	w.Exec(t, "ALTER TABLE evidence DISABLE TRIGGER ALL")
	flip := func(table, column, value string) [2]string {
		sql := fmt.Sprintf("UPDATE %[1]s SET %[2]s = set_byte(%[3]s, 30, get_byte(%[3]s, 30) # 1)", table, column, value)
		return [2]string{sql, sql}
	}
	for name, change := range map[string][2]string{
		"text": flip("evidence", "text_ct", "text_ct"), "signature": flip("evidence", "signed_data", "signed_data"),
		"MAC": flip("evidence", "mac", "mac"), "certificate": flip("certificate", "der", "der"),
		"chain": flip("certificate", "chain[1]", "chain[1]"), "list": flip("revocation_list", "der", "der"),
		"customer": {
			"UPDATE evidence SET customer_id = (SELECT id FROM customer WHERE id <> customer_id LIMIT 1)",
			"UPDATE evidence SET customer_id = (SELECT customer_id FROM certificate)",
		},
		"operation": {"UPDATE evidence SET operation = operation || 'x'", "UPDATE evidence SET operation = left(operation, -1)"},
		"time": {
			"UPDATE evidence SET verified_at = verified_at + interval '1 us'",
			"UPDATE evidence SET verified_at = verified_at - interval '1 us'",
		},
		"key of the MAC": {"UPDATE evidence SET mac_key = mac_key || '1'", "UPDATE evidence SET mac_key = left(mac_key, -1)"},
	} {
		w.Exec(t, change[0])
		record, err := evidence.Read(t.Context(), w.Host.DB.Reader(), w.Host.Keys, transfer.IntentID)
		if err == nil && record.Verify(w.Host.Roots, w.Host.Keys) == nil {
			t.Errorf("the %s does not count", name)
		}
		w.Exec(t, change[1])
		w.evidenced(t, transfer.IntentID)
	}
}

// A transfer that only the certificate confirms passes neither without its signature nor with one
// over another text, and then leaves no evidence.
func TestNothingOfThisClassPassesUnsigned(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-025.2")
	w := newFixture(t, 9*million)
	w.AllowLarge(t)
	by := w.SoftUKey(t, w.Payer, cert.AtCounter)
	in, other := w.prepare(t, million), w.prepare(t, 1_00)
	code := stepup.Proof{Factor: stepup.SMSOTP, Code: w.otp(t, in)}
	w.proven(t, in, code, w.Known(t), w.Signed(t, in)).Want(t, "STEPUP_STRONGER")
	w.proven(t, in, code, by.Signed(t, stepup.SoftUKeyCounter, other.Text)).Want(t, "PROOF_REJECTED")
	if n := w.Count(t, "SELECT (SELECT count(*) FROM evidence) + (SELECT count(*) FROM transfer)"); n != 0 {
		t.Errorf("%d rows are stored", n)
	}
	w.proven(t, in, code, by.Signed(t, stepup.SoftUKeyCounter, in.Text)).Want(t, "")
	w.evidenced(t, in.IntentID)
}
