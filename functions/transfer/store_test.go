package transfer

import (
	"testing"

	"github.com/tidebank/tidebank/shared/pgtest"
)

func TestStatementsPrepare(t *testing.T) {
	t.Parallel()
	pgtest.Prepares(t, sqlPartyOwn, sqlPartyByNumber, sqlPayeeKnown, sqlTransferInsert, sqlTransferInsertRows,
		sqlTransferGet, sqlTransferList)
}
