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
// The batches of concurrent callers are sent as one batch. When PostgreSQL refuses
// that batch, each caller's batch is sent again separately, so its functions may run
// twice. QueryBatch returns an error of a function only to the caller of that
// function, after the commit. Each statement sees the data that was committed when
// the statement began.
func (db *DB) QueryBatch(ctx context.Context, batch *pgx.Batch) error {
	if err := refuseBatch(batch); err != nil {
		return err
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

// reader makes sure that an error or a panic of a caller's function does not affect
// the other callers.
func (b *queryBatch) reader(read func(pgx.BatchResults) error) func(pgx.BatchResults) error {
	if read == nil {
		return nil
	}
	return func(answers pgx.BatchResults) error {
		defer func() {
			if p := recover(); p != nil {
				b.err = fmt.Errorf("panic: %v\n%s", p, debug.Stack()) //nolint:err113 // the caller's own function has panicked
			}
		}()
		if err := read(answers); err != nil && b.err == nil {
			b.err = err
		}
		return nil
	}
}
