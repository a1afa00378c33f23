package functions_test

import (
	"encoding/hex"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/tidebank/tidebank/test/functest"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/workers/upkeep"
)

// sentCode prepares an order and asks for its code, which the gateway sends.
func (p fixture) sentCode(t *testing.T) stepup.Confirmation {
	t.Helper()
	p.Advance(61 * time.Second) // codes of a number are a minute apart
	_, proven := p.proven(t, 1_00)
	request := map[string]any{"purpose": "intent", "intent_id": proven.IntentID}
	p.Phone.Call(t, functest.Named(t, "otp-send"), "", request).Want(t, "")
	code := otptest.Code(t, p.Bank, stepup.Subject(proven.IntentID))
	proven.Proofs[1] = stepup.Proof{Factor: stepup.SMSOTP, Code: code}
	return proven
}

// holding are the tables with a row that names an order, however it spells its id.
func (p fixture) holding(t *testing.T, id uuid.UUID) (names []string) {
	t.Helper()
	for _, table := range p.Tables(t) {
		if p.Count(t, "SELECT count(*) FROM "+table+" AS r WHERE r::text ILIKE ANY ($1)", spelt(id)) > 0 {
			names = append(names, table)
		}
	}
	return names
}

// spelt are the patterns of an id: in clear, as bytes, and as the bytes of its text.
func spelt(id uuid.UUID) []string {
	return []string{
		"%" + id.String() + "%", "%" + hex.EncodeToString(id[:]) + "%", "%" + hex.EncodeToString([]byte(id.String())) + "%",
	}
}

// older lets every row that a retention prunes be older than any window, since the
// jobs ask PostgreSQL's clock.
func (p fixture) older(t *testing.T) {
	t.Helper()
	for _, r := range upkeep.Retentions() {
		set := check.Value[string](t, p.Host.DB.Pool(), `
SELECT string_agg(format('%1$I = (%1$I - interval ''10 years'')::%2$s', column_name, data_type), ', ')
  FROM information_schema.columns WHERE table_name = $1 AND data_type IN ('timestamp with time zone', 'date')`, r.Table)
		p.Exec(t, "UPDATE "+r.Table+" SET "+set)
	}
}

// Of an order that was completed, of one that was refused and of one that was given up
// only the permanent records stay, and no file was ever written. It is not parallel:
// it watches the folder of temporary files.
func TestNothingTemporaryStaysOfAnOrder(t *testing.T) {
	p := newFixture(t)
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	stop := p.runWorkers(t)
	completed := p.sentCode(t)
	p.Phone.Call(t, functest.Named(t, "transfer-confirm"), "completed", completed).Want(t, "")
	refused := p.sentCode(t)
	refused.Proofs[0].Signature[len(refused.Proofs[0].Signature)-1] ^= 1
	p.Phone.Call(t, functest.Named(t, "transfer-confirm"), "refused", refused).Want(t, "PROOF_REJECTED")
	abandoned := p.sentCode(t)
	p.settled(t)
	stop()
	orders := map[string]uuid.UUID{
		"completed": completed.IntentID, "refused": refused.IntentID, "abandoned": abandoned.IntentID,
	}
	for name, id := range orders {
		held := p.holding(t, id)
		for _, table := range []string{"intent", "outbox"} { // sentCode has read the code's challenge
			if !slices.Contains(held, table) {
				t.Errorf("the %s order is not found in %s, only in %v", name, table, held)
			}
		}
	}

	p.older(t)
	p.Advance(10 * 366 * 24 * time.Hour)
	for _, r := range upkeep.Retentions() {
		_, err := p.Host.DB.Prune(t.Context(), r, time.Now())
		check.Must(t, err)
	}
	records := []string{"audit_record", "entry", "posting", "transfer"}
	for name, id := range orders {
		for _, table := range p.holding(t, id) {
			if !slices.Contains(records, table) {
				t.Errorf("%s holds the %s order", table, name)
			}
		}
	}
	if keys := p.Redis.Keys(); len(keys) > 0 {
		t.Errorf("Redis keeps %v", keys)
	}
	if files, err := os.ReadDir(folder); err != nil || len(files) > 0 {
		t.Errorf("files %v, %v", files, err)
	}
}
