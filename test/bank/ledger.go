package bank

import (
	"context"
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
)

// Exec runs a statement on the bank's database.
func (b *Bank) Exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	check.Exec(t, b.Host.DB.Pool(), sql, args...)
}

// Count returns the number that a query of the bank's database selects.
func (b *Bank) Count(t testing.TB, sql string, args ...any) int {
	t.Helper()
	return check.Count(t, b.Host.DB.Pool(), sql, args...)
}

// Balance is the balance of an account.
func (b *Bank) Balance(t testing.TB, account uuid.UUID) money.Fen {
	t.Helper()
	return money.Fen(b.Count(t, "SELECT balance FROM account WHERE id = $1", account))
}

// Books fails the test unless the ledger in the database is sound: the sum is zero,
// every balance is the sum of its entries, no account is overdrawn, and every posting
// is authentic.
func Books(t testing.TB, db *pg.DB, ring *keys.Ring) {
	t.Helper()
	report, err := ledger.Verify(context.Background(), db, func(id string, sum []byte, parts ...[]byte) error {
		return ring.VerifyMAC(keys.Ledger, id, sum, parts...)
	})
	check.Must(t, err)
	if !report.Sound() {
		t.Errorf("the books are not sound: %+v", report)
	}
}

// Sound fails the test unless the bank's ledger is sound.
func (b *Bank) Sound(t testing.TB) {
	t.Helper()
	Books(t, b.Host.DB, b.Host.Keys)
}
