package pg

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// raised is the SQLSTATE with which the bank's SQL functions refuse; the message
// is then the refusal's code.
const raised = "TB001"

// Statement is one step of a unit of work.
type Statement struct {
	SQL  string
	Args []any
	// Scan reads the one row that comes back; nil expects none.
	Scan func(row pgx.Row) error
	// Refuse names, by constraint or raised code, the error to answer with.
	Refuse map[string]error
}

// Unit collects statements that become true together. Packages add their own
// steps to it, and Commit sends all of them at once: PostgreSQL runs them as one
// transaction within one network round trip. Units are values that describe all
// of their work, so that a later committer can gather several into one commit.
// The zero Unit is empty and ready.
type Unit struct {
	statements []Statement
	events     int
}

// Add appends a statement; statements run in the order in which they were added.
func (u *Unit) Add(s Statement) { u.statements = append(u.statements, s) }

// Commit makes the unit true, or nothing of it. The first statement to fail
// decides the error. Serialisation failures and deadlocks are tried again.
func (db *DB) Commit(ctx context.Context, u *Unit) error {
	err := retry(ctx, func() error { return db.tryCommit(ctx, u) })
	if err == nil && u.events > 0 {
		db.wake.poke()
	}
	return err
}

func (db *DB) tryCommit(ctx context.Context, u *Unit) error {
	var batch pgx.Batch
	for _, s := range u.statements {
		batch.Queue(s.SQL, s.Args...)
	}
	results := db.pool.SendBatch(ctx, &batch)
	for _, s := range u.statements {
		if err := s.read(results); err != nil {
			_ = results.Close() // says the same again
			return s.refusal(err)
		}
	}
	if err := results.Close(); err != nil {
		return fmt.Errorf("commit unit: %w", err)
	}
	return nil
}

func (s Statement) read(results pgx.BatchResults) error {
	if s.Scan != nil {
		return s.Scan(results.QueryRow())
	}
	_, err := results.Exec()
	return err //nolint:wrapcheck // refusal wraps it
}

func (s Statement) refusal(err error) error {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		name := server.ConstraintName
		if server.Code == raised {
			name = server.Message
		}
		if refused, ok := s.Refuse[name]; ok {
			return refused
		}
	}
	return fmt.Errorf("statement: %w", err)
}
