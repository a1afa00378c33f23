package pg

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Ask sends a batch of questions, and of small changes, in one round trip and one
// transaction; each query's own function reads its answer, so that Ask needs none.
// Batches of callers who come at once are sent as one. When that fails each is
// sent alone, so the functions must bear being called again. Each statement sees
// what had committed when it began.
func (db *DB) Ask(ctx context.Context, batch *pgx.Batch) error { return db.asks.enter(ctx, batch) }

func (db *DB) askAll(ctx context.Context, batches []*pgx.Batch) error {
	var all pgx.Batch
	if len(batches) > 1 {
		all.Queue(sqlHurry)
	}
	for _, b := range batches {
		for _, q := range b.QueuedQueries {
			all.Queue(q.SQL, q.Arguments...).Fn = q.Fn // a copy: pgx ties what it sends to the connection
		}
	}
	if err := db.Pool().SendBatch(ctx, &all).Close(); err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	return nil
}
