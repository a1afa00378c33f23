package events

import (
	"testing"

	"github.com/tidebank/tidebank/shared/pgtest"
)

func TestStatementsPrepare(t *testing.T) {
	t.Parallel()
	pgtest.Prepares(t, sqlSeen, sqlClaim, sqlOutboxInsert, sqlOutboxInsertRows, sqlOutboxLease, sqlOutboxPublished,
		sqlOutboxRelease, sqlOutboxPrune, sqlOutboxUnpublished, sqlOutboxLag)
}
