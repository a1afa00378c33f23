package pg

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// sqlReadOnly opens each batch of a Reader. PostgreSQL lets no later statement of the
// transaction take it back.
const sqlReadOnly = `-- transaction.read_only
SELECT set_config('transaction_read_only', 'on', true)`

// Reader reads and can't write. Each query runs in its own read-only transaction, so
// PostgreSQL refuses every statement that writes. A query takes one round trip.
//
// Errors are classified and carry the statement's name; pgx.ErrNoRows comes back
// unchanged. ErrControl refuses SQL that could end the transaction, and every option of
// pgx among the arguments. A Reader is safe for concurrent use.
type Reader struct{ db *DB }

// Reader returns the database's Reader.
func (db *DB) Reader() Reader { return Reader{db: db} }

// QueryRow queries one row. The caller must call Scan, which returns the connection
// to the pool. Scan returns pgx.ErrNoRows if there is no row.
func (r Reader) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if err := refuse(sql, args); err != nil {
		return failed{err}
	}
	return row{sql: sql, results: r.send(ctx, sql, args)}
}

// Query queries rows. The caller must close the rows, as pgx.CollectRows does; Close
// returns the connection to the pool.
func (r Reader) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := refuse(sql, args); err != nil {
		return nil, err
	}
	results := r.send(ctx, sql, args)
	_, _ = results.Exec() // Query repeats its error
	found, err := results.Query()
	rs := &rows{Rows: noConn{found}, sql: sql, results: results}
	if err != nil {
		rs.Close()
		return rs, rs.Err()
	}
	return rs, nil
}

// Batch sends many queries in one round trip and one transaction. Each query's own
// function reads its answer. An error of such a function fails the batch.
func (r Reader) Batch(ctx context.Context, batch *pgx.Batch) error {
	if err := refuseBatch(batch); err != nil {
		return err
	}
	var all pgx.Batch
	all.Queue(sqlReadOnly)
	for _, query := range batch.QueuedQueries { // copied: pgx ties a query to the connection that sent it
		all.Queue(query.SQL, query.Arguments...).Fn = guard(query.Fn)
	}
	if err := r.db.Pool().SendBatch(ctx, &all).Close(); err != nil {
		return readError("read batch", err)
	}
	return nil
}

func (r Reader) send(ctx context.Context, sql string, args []any) pgx.BatchResults {
	var batch pgx.Batch
	batch.Queue(sqlReadOnly)
	batch.Queue(sql, args...)
	return r.db.Pool().SendBatch(ctx, &batch)
}

// failed is the row of a query that Reader has refused.
type failed struct{ err error }

func (f failed) Scan(...any) error { return f.err }

// row is the answer to QueryRow.
type row struct {
	sql     string
	results pgx.BatchResults
}

func (r row) Scan(dest ...any) (err error) {
	defer func() { // return the connection even if a destination panics
		err = readError(nameOf(r.sql), cmp.Or(err, r.results.Close()))
	}()
	if _, err := r.results.Exec(); err != nil {
		return err //nolint:wrapcheck // readError wraps it
	}
	return guarded{r.results}.QueryRow().Scan(dest...) //nolint:wrapcheck // readError wraps it
}

// rows is the answer to Query.
type rows struct {
	pgx.Rows
	sql     string
	results pgx.BatchResults // nil once the connection is back in the pool
	closed  error
}

func (r *rows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

func (r *rows) Close() {
	if r.results == nil {
		return
	}
	r.Rows.Close()
	r.closed = r.results.Close()
	r.results = nil
}

func (r *rows) Err() error { return readError(nameOf(r.sql), cmp.Or(r.Rows.Err(), r.closed)) }

func readError(name string, err error) error {
	switch {
	case err == nil || errors.Is(err, pgx.ErrNoRows):
		return err
	case readOnly(err): // the operation wants to write: a fault of its code
		return fmt.Errorf("%s: %w", name, err)
	}
	return Classify(fmt.Errorf("%s: %w", name, err))
}
