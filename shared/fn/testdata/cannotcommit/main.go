// Package cannotcommit holds statements by which an operation would commit or write.
// The compiler refuses each of them.
package cannotcommit

import (
	"context"

	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
)

func command(ctx context.Context, lent *fn.Lent, call *fn.Call, unit *pg.Unit) {
	lent.DB.Commit(ctx, unit)
	lent.DB.InTx(ctx, nil)
	lent.DB.Pool()
	lent.Sessions.Start(ctx, call.Channel, call.CustomerID)
	call.Commit(ctx, unit)
	unit.Commit(ctx)
	fn.RecordReply(ctx, unit, nil)
}

func effect(ctx context.Context, tx pg.Tx) {
	tx.Commit(ctx)
	tx.Rollback(ctx)
}

var _ = fn.Effect(effect)
