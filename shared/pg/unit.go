package pg

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidebank/tidebank/shared/bankerr"
)

// raised is the SQLSTATE that the bank's SQL functions raise for a refusal. The
// error's message is the refusal's code. Its detail, if there is one, is the number of
// seconds after which a repetition may succeed.
const raised = "TB001"

// Statement is one step of a unit of work. A unit takes part in group commit only if
// every statement has Rows, no Scan, and no nil among its Args. Other units are
// committed alone, which costs more under load; the metric
// tidebank_db_units_ungrouped_total counts them and names the statement.
type Statement struct {
	SQL  string
	Args []any
	// Call names an SQL function that takes Args and returns nothing, instead of SQL.
	// Commit sends neighbouring calls as one statement.
	Call string
	// Scan reads the row that the statement returns; nil reads no row. An error of Scan
	// comes after the commit and can't roll it back, so refuse in SQL.
	Scan func(row pgx.Row) error
	// Rows is the same step for many units at once: SQL that takes an array for each of
	// Args. It must take its locks in the order of their keys.
	Rows string
	// Refuse maps a constraint or a raised code to the error that Commit returns. If the
	// SQL function raises the code with a number of seconds as detail, the bankerr.Error
	// gets this time as its RetryAfter.
	Refuse map[string]error
	// Notify names a channel whose listeners are notified soon after the commit.
	Notify string
}

// refused refuses SQL or arguments that could end the transaction.
func (s Statement) refused() error {
	if err := refuse(s.SQL, s.Args); err != nil {
		return err
	}
	if err := refuseControl(s.Rows); err != nil {
		return err
	}
	return refuseControl(s.Call)
}

// name returns the statement's name for errors and metrics.
func (s Statement) name() string {
	if s.Call != "" {
		return s.Call
	}
	return nameOf(s.SQL)
}

// Unit collects the statements of one transaction. Packages add their own statements,
// and Commit sends all of them in one round trip. A unit describes its work
// completely, so one transaction can commit many units of the same shape. The zero
// Unit is empty and ready to use.
type Unit struct {
	statements []Statement
}

// Add appends a statement; statements run in the order in which they were added.
func (u *Unit) Add(s Statement) { u.statements = append(u.statements, s) }

// Append adds the statements of another unit after the unit's own.
func (u *Unit) Append(other Unit) {
	u.statements = append(u.statements, other.statements...)
}

// Empty reports whether the unit has no statement.
func (u *Unit) Empty() bool { return len(u.statements) == 0 }

// All iterates over the statements in their order.
func (u *Unit) All() iter.Seq[Statement] { return slices.Values(u.statements) }

// Commit commits all statements of the unit, or no statement. The first statement
// that fails decides the error, which is classified. Units of concurrent callers may
// share a transaction. When that transaction fails, Commit sends each unit in a
// transaction of its own. Commit tries again after a serialisation failure or a
// deadlock.
//
// If ctx ends or the connection breaks while PostgreSQL works, the unit may still
// have committed. An idempotency record in the unit then answers the repeated
// request.
//
// ErrControl refuses SQL that could end the transaction, and every option of pgx among
// the arguments.
func (db *DB) Commit(ctx context.Context, u *Unit) error {
	for _, s := range u.statements {
		if err := s.refused(); err != nil {
			return err
		}
	}
	commit := db.units.do
	if statement, yes := u.ungroupable(); yes {
		db.ungrouped.WithLabelValues(statement).Inc()
		commit = db.units.runOne
	}
	err := commit(ctx, u)
	if err == nil {
		db.wake.committed(u.channels())
	}
	return err
}

// channels returns the channels that the statements notify.
func (u *Unit) channels() []string {
	var list []string
	for _, s := range u.statements {
		if s.Notify != "" {
			list = append(list, s.Notify)
		}
	}
	return list
}

func (db *DB) tryCommit(ctx context.Context, u *Unit) error {
	var batch pgx.Batch
	steps := u.steps()
	for _, s := range steps {
		sql, args := s.text()
		batch.Queue(sql, args...)
	}
	results := guarded{db.Pool().SendBatch(ctx, &batch)}
	for _, s := range steps {
		if err := s.read(results); err != nil {
			_ = results.Close() // repeats this error
			return s.refusal(err)
		}
	}
	if err := results.Close(); err != nil {
		return fmt.Errorf("commit unit: %w", err)
	}
	return nil
}

// step is sent as one SQL statement: it is one Statement with SQL, or several
// neighbouring calls.
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

// text returns the step's SQL and arguments. The same calls give the same SQL, so
// PostgreSQL prepares it once. PostgreSQL runs the calls from left to right.
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

// refusal returns the error to which a statement of the step maps err. If there is no
// such error, it returns err with the step's name.
func (s step) refusal(err error) error {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		name := server.ConstraintName
		if server.Code == raised {
			name = server.Message
		}
		for _, statement := range s {
			if refused, ok := statement.Refuse[name]; ok {
				return inTime(refused, server)
			}
		}
	}
	return fmt.Errorf("%s: %w", s[0].name(), err)
}

// inTime adds the time that the SQL function raised as detail to the refusal.
func inTime(refused error, server *pgconn.PgError) error {
	var refusal *bankerr.Error
	seconds, err := strconv.ParseFloat(server.Detail, 64)
	if server.Code != raised || err != nil || !errors.As(refused, &refusal) {
		return refused
	}
	return refusal.WithRetryAfter(time.Duration(seconds * float64(time.Second)))
}
