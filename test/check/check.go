// Package check holds the small helpers that tests of every package share. It
// imports no other package of the bank, so that each test can use it.
package check

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Failer is a test, or a property test with random cases.
type Failer interface {
	Helper()
	Fatal(args ...any)
}

// Must ends the test if err is not nil.
func Must(t Failer, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Until waits until done returns true. It asks every five milliseconds, and ends
// the test after a minute.
func Until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not true after a minute: %s", what)
		}
	}
}

// FreeAddress returns a free host and port on an IP address of this machine.
func FreeAddress(t testing.TB, ip string) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort(ip, "0"))
	Must(t, err)
	Must(t, l.Close())
	return l.Addr().String()
}

// FreePort returns a free port of 127.0.0.1.
func FreePort(t testing.TB) string {
	t.Helper()
	_, port, err := net.SplitHostPort(FreeAddress(t, "127.0.0.1"))
	Must(t, err)
	return port
}

// Database is a pool, a connection or a transaction.
type Database interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Value returns the one value that a query selects.
func Value[T any](t Failer, db Database, sql string, args ...any) (value T) {
	t.Helper()
	Must(t, db.QueryRow(context.Background(), sql, args...).Scan(&value))
	return value
}

// Count returns the number that a query selects.
func Count(t Failer, db Database, sql string, args ...any) int {
	t.Helper()
	return Value[int](t, db, sql, args...)
}

// Column returns the values of the one column that a query selects.
func Column[T any](t Failer, db Database, sql string, args ...any) []T {
	t.Helper()
	rows, err := db.Query(context.Background(), sql, args...)
	Must(t, err)
	list, err := pgx.CollectRows(rows, pgx.RowTo[T])
	Must(t, err)
	return list
}

// UntilCount waits until a query selects the number.
func UntilCount(t testing.TB, want int, db Database, sql string, args ...any) {
	t.Helper()
	Until(t, fmt.Sprintf("%s %v is %d", sql, args, want), func() bool { return Count(t, db, sql, args...) == want })
}

// Exec runs a statement.
func Exec(t Failer, db Database, sql string, args ...any) {
	t.Helper()
	_, err := db.Exec(context.Background(), sql, args...)
	Must(t, err)
}

// AtOnce makes calls at the same time and returns their results in order.
func AtOnce[T any](calls int, call func(i int) T) []T {
	results := make([]T, calls)
	var wait sync.WaitGroup
	for i := range results {
		wait.Go(func() { results[i] = call(i) })
	}
	wait.Wait()
	return results
}
