package stepup

import (
	"testing"

	"github.com/tidebank/tidebank/shared/pgtest"
)

func TestStatementsPrepare(t *testing.T) {
	t.Parallel()
	pgtest.Prepares(t,
		sqlIntentInsert, sqlIntentLoad, sqlPasswordCountAttempt, sqlPasswordResetRows, sqlIntentCancelAll, sqlIntentConsumeRows)
}
