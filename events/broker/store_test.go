package broker

import (
	"testing"

	"github.com/tidebank/tidebank/shared/pgtest"
)

func TestStatementsPrepare(t *testing.T) {
	t.Parallel()
	pgtest.Prepares(t, sqlAccept, sqlClaim, sqlDone, sqlFailed, sqlReplay, sqlList, sqlPrune, sqlWaiting, sqlDead)
}
