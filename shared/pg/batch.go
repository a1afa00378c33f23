package pg

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/jackc/pgx/v5"
)

// QueryBatch sends queries and small changes in one round trip and one transaction.
// Each query's own function reads its answer, as with pgx.Batch.
//
// Batches of concurrent callers are sent as one. When PostgreSQL refuses that, each
// batch is sent again alone, so its functions may run twice. An error of a function
// is returned to its own caller, after the commit. Each statement sees what had
// committed when it began.
func (db *DB) QueryBatch(ctx context.Context, batch *pgx.Batch) error {
	for _, query := range batch.QueuedQueries {
		if err := refuseControl(query.SQL); err != nil {
			return err
		}
	}
	b := &queryBatch{queries: batch.QueuedQueries}
	if err := db.batches.do(ctx, b); err != nil {
		return err
	}
	return Classify(b.err)
}

// queryBatch is one caller's batch, and the first error of its own functions.
type queryBatch struct {
	queries []*pgx.QueuedQuery
	err     error
}

func (db *DB) sendBatches(ctx context.Context, batches []*queryBatch) error {
	var all pgx.Batch
	if len(batches) > 1 {
		all.Queue(sqlShortLockTimeout)
	}
	for _, b := range batches {
		b.err = nil
		for _, query := range b.queries { // copied: pgx ties a query to the connection that sent it
			all.Queue(query.SQL, query.Arguments...).Fn = b.reader(guard(query.Fn))
		}
	}
	if err := db.Pool().SendBatch(ctx, &all).Close(); err != nil {
		return fmt.Errorf("query batch: %w", err)
	}
	return nil
}

// reader keeps an error or a panic of a caller's function away from the other callers.
func (b *queryBatch) reader(read func(pgx.BatchResults) error) func(pgx.BatchResults) error {
	if read == nil {
		return nil
	}
	return func(answers pgx.BatchResults) error {
		defer func() {
			if p := recover(); p != nil {
				b.err = fmt.Errorf("panic: %v\n%s", p, debug.Stack()) //nolint:err113 // the caller's own fault, for the log
			}
		}()
		if err := read(answers); err != nil && b.err == nil {
			b.err = err
		}
		return nil
	}
}
