package bank

import (
	"context"
	"strings"
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

// ForgetAttempts forgets all failed log-ins and sign-ups, for tests that do not mean their bounds.
func (b *Bank) ForgetAttempts(t testing.TB) {
	t.Helper()
	b.Exec(t, "DELETE FROM login_attempt")
	b.Exec(t, "DELETE FROM login_origin")
	b.Exec(t, "DELETE FROM card_attempt")
	for _, key := range b.Redis.Keys() {
		if strings.HasPrefix(key, "failures:") {
			b.Redis.Del(key)
		}
	}
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

// CheckLedger fails the test unless the ledger in the database is sound: the sum is zero,
// every balance is the sum of its entries, no account is overdrawn, and every posting
// is authentic.
func CheckLedger(t testing.TB, db *pg.DB, ring *keys.Ring) {
	t.Helper()
	report, err := ledger.Verify(context.Background(), db, func(id string, sum []byte, parts ...[]byte) error {
		return ring.VerifyMAC(keys.Ledger, id, sum, parts...)
	})
	check.Must(t, err)
	if !report.Sound() {
		t.Errorf("the ledger is not sound: %+v", report)
	}
}

// CheckLedger fails the test unless the bank's ledger is sound.
func (b *Bank) CheckLedger(t testing.TB) {
	t.Helper()
	CheckLedger(t, b.Host.DB, b.Host.Keys)
}
