package pg

import (
	"context"
	"errors"
	"fmt"
	"strconv"

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
	// Call names an SQL function that takes Args and returns nothing, instead of
	// SQL. Calls that follow one another travel as one statement.
	Call string
	// Scan reads the one row that comes back; nil expects none. What Scan itself
	// finds wrong comes after the commit and undoes nothing: refuse in SQL.
	Scan func(row pgx.Row) error
	// Rows is the same step for many units at once: SQL with an array for each of
	// Args, which takes its locks in the order of their keys. Units are gathered if
	// all of their statements have it.
	Rows string
	// Refuse names, by constraint or raised code, the error to answer with.
	Refuse map[string]error
}

// Unit collects statements that become true together. Packages add their own
// steps to it, and Commit sends all of them at once: PostgreSQL runs them as one
// transaction within one network round trip. A unit is a value that describes all
// of its work, so that many of one shape can be committed together. The zero Unit
// is empty and ready.
type Unit struct {
	statements []Statement
	events     []string // types
}

// Add appends a statement; statements run in the order in which they were added.
func (u *Unit) Add(s Statement) { u.statements = append(u.statements, s) }

// Append adds all that another unit holds, after what is there.
func (u *Unit) Append(other Unit) {
	u.statements = append(u.statements, other.statements...)
	u.events = append(u.events, other.events...)
}

// Empty reports whether there is nothing to commit.
func (u *Unit) Empty() bool { return len(u.statements) == 0 }

// Events are the types of the events that leave when the unit commits.
func (u *Unit) Events() []string { return u.events }

// Commit makes the unit true, or nothing of it. The first statement to fail
// decides the error. When many come at once, units may share a transaction; one
// that fails is then tried alone, and fails alone. Serialisation failures and
// deadlocks are tried again. When ctx ends or the connection breaks while
// PostgreSQL is at work, the unit may have become true all the same; an idempotency
// record in it tells who asks again.
func (db *DB) Commit(ctx context.Context, u *Unit) error {
	commit := db.units.alone
	if u.gathers() {
		commit = db.units.enter
	}
	err := commit(ctx, u)
	if err == nil && len(u.events) > 0 {
		db.wake.poke()
	}
	return err
}

func (db *DB) tryCommit(ctx context.Context, u *Unit) error {
	var batch pgx.Batch
	steps := u.steps()
	for _, s := range steps {
		sql, args := s.text()
		batch.Queue(sql, args...)
	}
	results := db.Pool().SendBatch(ctx, &batch)
	for _, s := range steps {
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

// step is what travels as one statement: a statement, or calls.
type step []Statement

func (u *Unit) steps() []step {
	steps := make([]step, 0, len(u.statements))
	for i, s := range u.statements {
		if s.Call != "" && i > 0 && u.statements[i-1].Call != "" {
			last := len(steps) - 1
			steps[last] = u.statements[i-len(steps[last]) : i+1]
			continue
		}
		steps = append(steps, u.statements[i:i+1])
	}
	return steps
}

// text is the step's SQL, the same for the same calls, so that it is prepared
// once. PostgreSQL carries the calls out from left to right.
func (s step) text() (string, []any) {
	if s[0].Call == "" {
		return s[0].SQL, s[0].Args
	}
	sql, args := []byte("SELECT "), make([]any, 0, 24)
	for i, call := range s {
		if i > 0 {
			sql = append(sql, ", "...)
		}
		sql = append(append(sql, call.Call...), '(')
		for j, a := range call.Args {
			if j > 0 {
				sql = append(sql, ", "...)
			}
			args = append(args, a)
			sql = strconv.AppendInt(append(sql, '$'), int64(len(args)), 10)
		}
		sql = append(sql, ')')
	}
	return string(sql), args
}

func (s step) read(results pgx.BatchResults) error {
	if s[0].Scan != nil {
		return s[0].Scan(results.QueryRow())
	}
	_, err := results.Exec()
	return err //nolint:wrapcheck // refusal wraps it
}

func (s step) refusal(err error) error {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		name := server.ConstraintName
		if server.Code == raised {
			name = server.Message
		}
		for _, statement := range s {
			if refused, ok := statement.Refuse[name]; ok {
				return refused
			}
		}
	}
	return fmt.Errorf("statement: %w", err)
}
