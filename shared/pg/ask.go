package pg

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/jackc/pgx/v5"
)

// QueryBatch sends a batch of questions, and of small changes, in one round trip and one
// transaction; each query's own function reads its answer, so that QueryBatch needs none.
// Batches of callers who come at once are sent as one. When that fails each is
// sent alone, so the functions must bear being called again. What they find wrong
// comes after the commit and is their own caller's error. Each statement sees what
// had committed when it began.
func (db *DB) QueryBatch(ctx context.Context, batch *pgx.Batch) error {
	q := &question{batch: batch}
	if err := db.asks.enter(ctx, q); err != nil {
		return err
	}
	return Classify(q.err)
}

// question is a caller's batch, and the first error of its own functions.
type question struct {
	batch *pgx.Batch
	err   error
}

func (db *DB) askAll(ctx context.Context, questions []*question) error {
	var all pgx.Batch
	if len(questions) > 1 {
		all.Queue(sqlHurry)
	}
	for _, q := range questions {
		q.err = nil
		for _, query := range q.batch.QueuedQueries { // copied: pgx ties a query to the connection it was sent on
			all.Queue(query.SQL, query.Arguments...).Fn = q.reader(query.Fn)
		}
	}
	if err := db.Pool().SendBatch(ctx, &all).Close(); err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	return nil
}

// reader keeps what a caller's function finds wrong, or that it panics, from the
// other callers.
func (q *question) reader(read func(pgx.BatchResults) error) func(pgx.BatchResults) error {
	if read == nil {
		return nil
	}
	return func(answers pgx.BatchResults) error {
		defer func() {
			if p := recover(); p != nil {
				q.err = fmt.Errorf("panic: %v\n%s", p, debug.Stack()) //nolint:err113 // a fault of the caller's, for the log
			}
		}()
		if err := read(answers); err != nil && q.err == nil {
			q.err = err
		}
		return nil
	}
}
