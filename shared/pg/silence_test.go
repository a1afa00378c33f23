package pg_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
)

// soon is far longer than any wait that these tests configure, and far shorter than
// the time-outs of TCP.
const soon = 20 * time.Second

// within fails the test if work takes longer than soon.
func within(t *testing.T, what string, work func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- work() }()
	select {
	case err := <-done:
		return err
	case <-time.After(soon):
		t.Fatalf("%s has not ended after %v", what, soon)
		return nil
	}
}

// A caller without a deadline gets an answer although the network has gone silent, by
// each way into the database.
func TestEachWayEndsOnASilentConnection(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	ways := map[string]func(context.Context, fixture) error{
		"Pool.Exec": func(ctx context.Context, d fixture) error {
			_, err := d.Pool().Exec(ctx, "SELECT 1")
			return pg.Classify(err)
		},
		"Pool.Begin": func(ctx context.Context, d fixture) error {
			tx, err := d.Pool().Begin(ctx)
			if err == nil {
				err = tx.Rollback(ctx)
			}
			return pg.Classify(err)
		},
		"Prune": func(ctx context.Context, d fixture) error {
			prune := "DELETE FROM note WHERE $1::int > 0 AND $2::timestamptz IS NOT NULL"
			_, err := d.Prune(ctx, pg.Retention{Table: "note", SQL: prune}, time.Now())
			return err
		},
	}
	for name, door := range doors {
		ways[name] = func(ctx context.Context, d fixture) error { return door(ctx, d, "SELECT 1", nil, ignore) }
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			near, proxy := d.through(t, pg.Config{MaxConns: 1, QueryTimeout: time.Second})
			check.Must(t, way(t.Context(), near))
			proxy.SilenceAll()
			err := within(t, name, func() error { return way(context.WithoutCancel(t.Context()), near) })
			if !errors.Is(err, bankerr.ErrUnavailable) {
				t.Errorf("%v, want SERVICE_UNAVAILABLE", err)
			}
		})
	}
}

// All connections of a pool go silent, some at work and some idle. Then the pool works
// again within seconds.
func TestThePoolRecoversFromSilence(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	near, proxy := d.through(t, pg.Config{MaxConns: 8, QueryTimeout: time.Second})
	held := make([]pgx.Tx, 8)
	for i := range held {
		var err error
		held[i], err = near.Pool().Begin(t.Context())
		check.Must(t, err)
	}
	for _, tx := range held[:4] {
		check.Must(t, tx.Rollback(t.Context()))
	}
	proxy.Silence()
	for _, tx := range held[4:] {
		go func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	}
	check.Must(t, within(t, "the pool", func() error {
		for {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			err := near.Commit(ctx, unit(pg.Statement{SQL: "SELECT 1"}))
			cancel()
			if err == nil {
				return nil
			}
		}
	}))
	for range 20 {
		check.Must(t, near.Commit(t.Context(), unit(pg.Statement{SQL: "SELECT 1"})))
	}
}

// A connection that went silent while it was idle costs its next caller a second, and no
// call. The other idle connections cost nothing.
func TestIdleConnectionsAreProbed(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	near, proxy := d.through(t, pg.Config{MaxConns: 4})
	held := make([]pgx.Tx, 4)
	for i := range held {
		var err error
		held[i], err = near.Pool().Begin(t.Context())
		check.Must(t, err)
	}
	for _, tx := range held {
		check.Must(t, tx.Rollback(t.Context()))
	}
	proxy.Silence()
	<-time.After(1100 * time.Millisecond) // the test is about idle time
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	for n := range 4 {
		if err := near.Commit(ctx, unit(note(n, "a"))); err != nil {
			t.Errorf("call %d: %v", n, err)
		}
	}
}

// A group's callers get an answer soon after their own deadlines when the group's
// connection is silent.
func TestAGroupEndsWithItsCallers(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	near, proxy := d.through(t, pg.Config{MaxConns: 4})
	check.Must(t, near.Commit(t.Context(), unit(pg.Statement{SQL: "SELECT 1"})))
	proxy.SilenceAll()
	grouped := pg.Statement{SQL: "SELECT $1::int", Rows: "SELECT unnest($1::int8[])", Args: []any{1}}
	begun := time.Now()
	for _, err := range check.AtOnce(12, func(int) error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		return near.Commit(ctx, unit(grouped))
	}) {
		if !errors.Is(err, bankerr.ErrUnavailable) {
			t.Errorf("%v, want SERVICE_UNAVAILABLE", err)
		}
	}
	if took := time.Since(begun); took > 6*time.Second {
		t.Errorf("callers with a deadline of 1 s waited %v", took)
	}
}

// The server ends a statement itself, also if its client does not tell it.
func TestTheServerEndsAStatement(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	short := open(t, pg.Config{URL: d.url, MaxConns: 1, QueryTimeout: 7 * time.Second})
	if got := check.Value[string](t, short.Pool(), "SHOW statement_timeout"); got != "12s" {
		t.Errorf("statement_timeout is %s, want 12s", got)
	}
}

// A listener whose connection goes silent hears again within seconds.
func TestAListenerHearsAgain(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	near, proxy := d.through(t, pg.Config{MaxConns: 2})
	heard := make(chan struct{}, 1)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		near.Listen(ctx, "LISTEN "+channel, func() {
			select {
			case heard <- struct{}{}:
			default:
			}
		})
	}()
	hears := func(what string) {
		t.Helper()
		check.Must(t, within(t, what, func() error {
			for {
				if _, err := d.Pool().Exec(t.Context(), "SELECT pg_notify($1, '')", channel); err != nil {
					return err
				}
				select {
				case <-heard:
					return nil
				case <-time.After(100 * time.Millisecond):
				}
			}
		}))
	}
	<-heard // it listens now
	hears("the first NOTIFY")
	proxy.Silence()
	for len(heard) > 0 {
		<-heard
	}
	hears("the NOTIFY after the silence")
	stop()
	check.Must(t, within(t, "Listen", func() error { <-ended; return nil }))
}
