package ledger_test

import (
	"errors"
	"testing"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// More entries than one batch moves are all folded.
func TestFoldAllLeavesNothing(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	const entries = 5_001
	check.Exec(t, b.db.Pool(), `
INSERT INTO ledger_fold (account_id, posting_id, amount, counterparty, summary, posted_at)
SELECT $1, gen_random_uuid(), 2, '', '', now() FROM generate_series(1, $2)`, b.bank, entries)
	check.Must(t, ledger.FoldAll(t.Context(), b.db))
	numbered := check.Count(t, b.db.Pool(), `
SELECT count(*) FROM entry WHERE account_id = $1 AND balance_after = 2 * number AND number <= $2`, b.bank, entries)
	if numbered != entries {
		t.Errorf("%d entries have their number and running balance, want %d", numbered, entries)
	}
	left := check.Count(t, b.db.Pool(), "SELECT count(*) FROM ledger_fold")
	if balance := b.balance(t, b.bank); left != 0 || balance != 2*entries {
		t.Errorf("%d entries are left, and the balance is %d; want 0 and %d", left, balance, 2*entries)
	}
	if err := ledger.FoldAll(t.Context(), pgtest.Broken(t)); !errors.Is(err, bankerr.ErrUnavailable) {
		t.Errorf("without the database: %v", err)
	}
}
