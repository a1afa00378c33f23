package limit

import (
	"testing"

	"github.com/tidebank/tidebank/shared/pgtest"
)

func TestStatementsPrepare(t *testing.T) {
	t.Parallel()
	pgtest.Prepares(t, sqlUsage, sqlUseRows)
}
