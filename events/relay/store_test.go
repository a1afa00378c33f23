package relay

import (
	"testing"

	"github.com/tidebank/tidebank/shared/pgtest"
)

func TestStatementsPrepare(t *testing.T) {
	t.Parallel()
	pgtest.Prepares(t, sqlLease, sqlPublished, sqlRelease, sqlPrune, sqlUnpublished, sqlLag)
}
