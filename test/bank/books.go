package bank

import (
	"context"
	"testing"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/pg"
)

// Books fails the test unless the ledger in the database is sound: nothing made
// or lost, every balance the sum of its entries, nobody overdrawn, every posting
// authentic.
func Books(t testing.TB, db *pg.DB, ring *keys.Ring) {
	t.Helper()
	report, err := ledger.Verify(context.Background(), db, func(id string, sum []byte, parts ...[]byte) error {
		return ring.VerifyMAC(keys.Ledger, id, sum, parts...)
	})
	must(t, err)
	if !report.Sound() {
		t.Errorf("the books are not sound: %+v", report)
	}
}
