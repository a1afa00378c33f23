package pg

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/jackc/pgx/v5"
)

// sqlHurry keeps a lock that one of many waits for from holding up the others.
const sqlHurry = `SELECT set_config('lock_timeout', '200ms', true)`

// gathers reports whether the unit can be committed with others.
func (u *Unit) gathers() bool {
	for _, s := range u.statements {
		if s.Rows == "" || s.Scan != nil || slices.Contains(s.Args, nil) {
			return false
		}
	}
	return len(u.statements) > 0
}

// sameShape reports whether the units differ in values only.
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

func (db *DB) commitAll(ctx context.Context, units []*Unit) error {
	if len(units) == 1 {
		return db.tryCommit(ctx, units[0])
	}
	// Statement by statement for all: so everybody takes their locks table by table,
	// and in each in the order of its keys, and no two can wait for each other.
	var batch pgx.Batch
	batch.Queue(sqlHurry)
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

// column is one argument of one statement, of all units, as a slice of its type.
func column(units []*Unit, statement, argument int) any {
	arg := func(u *Unit) reflect.Value { return reflect.ValueOf(u.statements[statement].Args[argument]) }
	of := arg(units[0]).Type()
	if arg(units[0]).CanInt() {
		of = reflect.TypeFor[int64]() // pgx would look at each value of a named type
	}
	values := reflect.MakeSlice(reflect.SliceOf(of), len(units), len(units))
	for i, u := range units {
		values.Index(i).Set(arg(u).Convert(of))
	}
	return values.Interface()
}
