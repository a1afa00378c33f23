package pg_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/trace"

	"github.com/tidebank/tidebank/shared/pg"
)

func event(subject string) pg.Event {
	return pg.Event{
		ID: uuid.New(), Type: "com.tidebank.test.noted.v1", Subject: subject, CustomerHash: "c0ffee",
		Data: map[string]int{"amount_fen": 12},
	}
}

func (d fixture) outbox(t *testing.T) int { t.Helper(); return d.int(t, "SELECT count(*) FROM outbox") }

func TestEmitWritesWhatRelaysRead(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{15: 1}, SpanID: trace.SpanID{7: 2}, TraceFlags: trace.FlagsSampled,
	}))
	inUnit, inTx := event("order-1"), event("order-2")
	var u pg.Unit
	if err := u.Emit(ctx, inUnit); err != nil {
		t.Fatal(err)
	}
	if err := d.Commit(ctx, &u); err != nil {
		t.Fatal(err)
	}
	if err := d.InTx(ctx, func(ctx context.Context, tx pg.Tx) error { return pg.Emit(ctx, tx, inTx) }); err != nil {
		t.Fatal(err)
	}
	for _, want := range []pg.Event{inUnit, inTx} {
		var got pg.Event
		var data, parent string
		err := d.Pool().QueryRow(t.Context(), `SELECT id, type, subject, customerhash, data::text, traceparent FROM outbox
 WHERE subject = $1 AND published_at IS NULL`, want.Subject).Scan(
			&got.ID, &got.Type, &got.Subject, &got.CustomerHash, &data, &parent)
		if err != nil {
			t.Fatal(err)
		}
		got.Data, want.Data = nil, nil
		const wantParent = "00-00000000000000000000000000000001-0000000000000002-01"
		if got != want || data != `{"amount_fen": 12}` || parent != wantParent {
			t.Errorf("%+v %s %s, want %+v", got, data, parent, want)
		}
	}
}

func TestEventsLeaveOnlyWithTheirUnit(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	var u pg.Unit
	if err := u.Emit(t.Context(), event("order-1")); err != nil {
		t.Fatal(err)
	}
	if err := d.Commit(t.Context(), add(&u, raise("TB001", "NO_WAY"))); err == nil {
		t.Error("committed")
	}
	failure := errors.New("second thoughts")
	err := d.InTx(t.Context(), func(ctx context.Context, tx pg.Tx) error {
		return errors.Join(pg.Emit(ctx, tx, event("order-2")), failure)
	})
	if !errors.Is(err, failure) || d.outbox(t) != 0 {
		t.Errorf("%d events were left, %v", d.outbox(t), err)
	}
	// A unit that is tried again writes its event once.
	u = pg.Unit{}
	if err := u.Emit(t.Context(), event("order-3")); err != nil {
		t.Fatal(err)
	}
	if err := d.Commit(t.Context(), add(&u, try(3, "40001"))); err != nil || d.outbox(t) != 1 {
		t.Errorf("%d events, want 1 (%v)", d.outbox(t), err)
	}
}

func TestEmitRefusesWhatIsNoJSON(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	e := event("order-1")
	e.Data = func() {}
	u := unit(note(1, "a"))
	if err := u.Emit(t.Context(), e); err == nil {
		t.Error("the unit took it")
	}
	err := d.InTx(t.Context(), func(ctx context.Context, tx pg.Tx) error { return pg.Emit(ctx, tx, e) })
	if err == nil || d.outbox(t) != 0 {
		t.Errorf("the transaction took it: %v", err)
	}
}

// A relay that looks whenever it is woken sees every event, without polling.
func TestRelaysAreWokenAfterTheCommit(t *testing.T) {
	t.Parallel()
	for name, send := range map[string]func(context.Context, fixture) error{
		"unit": func(ctx context.Context, d fixture) error {
			var u pg.Unit
			return errors.Join(u.Emit(ctx, event("unit")), d.Commit(ctx, &u))
		},
		"transaction": func(ctx context.Context, d fixture) error {
			return d.InTx(ctx, func(ctx context.Context, tx pg.Tx) error { return pg.Emit(ctx, tx, event("tx")) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newFixture(t)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			listener := listen(t, d)
			const count = 24
			var callers sync.WaitGroup
			for range count {
				callers.Go(func() {
					if err := send(ctx, d); err != nil {
						t.Error(err)
					}
				})
			}
			for d.outbox(t) < count {
				if _, err := listener.WaitForNotification(ctx); err != nil {
					t.Fatalf("not woken with %d of %d events there: %v", d.outbox(t), count, err)
				}
			}
			callers.Wait()
		})
	}
}

// Only a commit with events wakes: what comes first here is the test's own call.
func TestNobodyIsWokenForNothing(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	listener := listen(t, d)
	var refused pg.Unit
	if err := refused.Emit(t.Context(), event("order-1")); err != nil {
		t.Fatal(err)
	}
	_ = d.Commit(t.Context(), add(&refused, raise("TB001", "NO_WAY")))
	_ = d.InTx(t.Context(), func(ctx context.Context, tx pg.Tx) error {
		return errors.Join(pg.Emit(ctx, tx, event("order-2")), errors.New("second thoughts"))
	})
	if err := d.Commit(t.Context(), unit(note(1, "a"))); err != nil {
		t.Fatal(err)
	}
	// A waker woken by mistake has had the time of many commits.
	for n := range 30 {
		if err := d.Commit(t.Context(), unit(note(2+n, "b"))); err != nil {
			t.Fatal(err)
		}
	}
	d.exec(t, "SELECT pg_notify('outbox', 'mine')")
	got, err := listener.WaitForNotification(t.Context())
	if err != nil || got.Payload != "mine" {
		t.Errorf("woken by %+v, %v", got, err)
	}
}

func listen(t *testing.T, d fixture) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	if _, err := conn.Exec(t.Context(), "LISTEN outbox"); err != nil {
		t.Fatal(err)
	}
	return conn
}
