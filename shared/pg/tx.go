package pg

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// rollbackTimeout bounds a rollback. A rollback must also run after the caller's
// deadline.
const rollbackTimeout = 5 * time.Second

// Tx is a transaction of InTx. It has no Commit and no Rollback: InTx begins and ends
// it.
type Tx interface {
	queries
	Writer
}

// queries are the methods of a transaction that neither commit nor roll back.
type queries interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// openTx is the Tx that InTx passes. It collects the channels to notify after the
// commit.
type openTx struct {
	queries
	notify []string
}

// Exec runs a statement. Exec, Query and QueryRow refuse a statement that could end the
// transaction, and every option of pgx among the arguments. Exec uses Query, because
// pgx's Exec sends a statement without arguments by the simple protocol. By that
// protocol PostgreSQL would accept several statements in one text.
func (tx *openTx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	found, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	found.Close()
	return found.CommandTag(), found.Err()
}

// Query queries rows. The rows hide their connection.
func (tx *openTx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := refuse(sql, args); err != nil {
		return nil, err
	}
	found, err := tx.queries.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return noConn{found}, nil
}

// QueryRow queries one row. The row hides its connection.
func (tx *openTx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if err := refuse(sql, args); err != nil {
		return failed{err}
	}
	return noConnRow{tx.queries.QueryRow(ctx, sql, args...)}
}

// Write runs the statement at once and reads its row.
func (tx *openTx) Write(ctx context.Context, s Statement) error {
	one := step{s}
	sql, args := one.text()
	var err error
	if s.Scan != nil {
		err = s.Scan(tx.QueryRow(ctx, sql, args...))
	} else {
		_, err = tx.Exec(ctx, sql, args...)
	}
	if err != nil {
		return one.refusal(err)
	}
	if s.Notify != "" {
		tx.notify = append(tx.notify, s.Notify)
	}
	return nil
}

// InTx runs work in a transaction and commits it, unless work fails or panics. After
// a serialisation failure or a deadlock it runs work again, a few times. So work must
// be repeatable and must call no other service. Its error is classified.
func (db *DB) InTx(ctx context.Context, work func(ctx context.Context, tx Tx) error) error {
	return retry(ctx, func() error { return db.tryTx(ctx, work) })
}

func (db *DB) tryTx(ctx context.Context, work func(ctx context.Context, tx Tx) error) error {
	tx, err := db.Pool().Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	committed := false
	defer func() {
		if !committed { // after an error or a panic
			rollback(ctx, tx)
		}
	}()
	open := &openTx{queries: tx}
	if err := work(ctx, open); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	committed = true
	db.wake.committed(open.notify)
	return nil
}

// rollback also runs if the caller's ctx has ended. It drops the error: after a
// failed rollback pgx closes the connection, and PostgreSQL then rolls back.
func rollback(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	_ = tx.Rollback(ctx)
}
