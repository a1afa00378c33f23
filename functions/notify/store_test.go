package notify

import (
	"testing"

	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/pgtest"
)

func TestStatementsPrepare(t *testing.T) {
	t.Parallel()
	pgtest.Prepares(t, sqlPhone, sqlMessage, otp.LoadSQL)
}
