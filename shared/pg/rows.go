package pg

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/jackc/pgx/v5"
)

// sqlShortLockTimeout opens a group's transaction: a lock that one caller needs must
// not delay the other callers for long.
const sqlShortLockTimeout = `-- transaction.short_lock_timeout
SELECT set_config('lock_timeout', '200ms', true)`

// ungroupable reports whether a statement prevents group commit of the unit. It
// returns the first such statement's name.
func (u *Unit) ungroupable() (statement string, yes bool) {
	for _, s := range u.statements {
		if s.Rows == "" || s.Scan != nil || slices.Contains(s.Args, nil) {
			return s.name(), true
		}
	}
	return "", false
}

// sameShape reports whether the units differ only in the values of their arguments.
func (u *Unit) sameShape(other *Unit) bool {
	if len(u.statements) != len(other.statements) {
		return false
	}
	for i, s := range u.statements {
		o := other.statements[i]
		if s.Rows != o.Rows || len(s.Args) != len(o.Args) {
			return false
		}
		for j := range s.Args {
			if reflect.TypeOf(s.Args[j]) != reflect.TypeOf(o.Args[j]) {
				return false
			}
		}
	}
	return true
}

func (db *DB) commitUnits(ctx context.Context, units []*Unit) error {
	if len(units) == 1 {
		return db.tryCommit(ctx, units[0])
	}
	// Each statement runs once, for all units. So every group takes its locks table by
	// table, and within a table in the order of the keys: two groups can't deadlock.
	var batch pgx.Batch
	batch.Queue(sqlShortLockTimeout)
	for i, s := range units[0].statements {
		columns := make([]any, len(s.Args))
		for j := range columns {
			columns[j] = column(units, i, j)
		}
		batch.Queue(s.Rows, columns...)
	}
	if err := db.Pool().SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("commit units: %w", err)
	}
	return nil
}

// column returns one argument of one statement, of all units, as a slice of its type.
func column(units []*Unit, statement, argument int) any {
	arg := func(u *Unit) reflect.Value { return reflect.ValueOf(u.statements[statement].Args[argument]) }
	of := arg(units[0]).Type()
	if arg(units[0]).CanInt() {
		of = reflect.TypeFor[int64]() // pgx encodes a slice of a named type more slowly
	}
	values := reflect.MakeSlice(reflect.SliceOf(of), len(units), len(units))
	for i, u := range units {
		values.Index(i).Set(arg(u).Convert(of))
	}
	return values.Interface()
}
