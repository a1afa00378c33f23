package broker

import (
	"testing"

	"github.com/tidebank/tidebank/shared/pgtest"
)

func TestStatementsPrepare(t *testing.T) {
	t.Parallel()
	pgtest.Prepares(t, sqlEnqueue, sqlClaim, sqlDone, sqlFailed, sqlReplay, sqlList, sqlPrune, sqlWaiting, sqlDead)
}
