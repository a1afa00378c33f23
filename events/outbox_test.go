package events_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

var registered = events.IdentityRegistered{CustomerID: "c", DeviceID: "phone"}

func outbox(t *testing.T, db *pg.DB) int {
	t.Helper()
	return check.Count(t, db.Pool(), "SELECT count(*) FROM outbox")
}

// emitters are the two ways of committing an event.
var emitters = map[string]func(context.Context, *pg.DB, string, uuid.UUID, events.Data) error{
	"unit": func(ctx context.Context, db *pg.DB, subject string, customer uuid.UUID, data events.Data) error {
		var unit pg.Unit
		if err := events.Emit(ctx, &unit, subject, customer, data); err != nil {
			return err
		}
		return db.Commit(ctx, &unit)
	},
	"transaction": func(ctx context.Context, db *pg.DB, subject string, customer uuid.UUID, data events.Data) error {
		return db.InTx(ctx, func(ctx context.Context, tx pg.Tx) error {
			return events.Emit(ctx, tx, subject, customer, data)
		})
	},
}

func TestEmitWritesWhatLeaseReads(t *testing.T) {
	t.Parallel()
	ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{15: 1}, SpanID: trace.SpanID{7: 2}, TraceFlags: trace.FlagsSampled,
	}))
	for name, emit := range emitters {
		db, customer := pgtest.New(t), uuid.New()
		before := time.Now().Add(-time.Minute)
		if err := emit(ctx, db, "order-1", customer, registered); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := emit(t.Context(), db, "order-2", uuid.Nil, events.FraudScored{}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := leaseAll(t, db)
		if err != nil || len(got) != 2 {
			t.Fatalf("%s: %v, %v", name, got, err)
		}
		for i, s := range got {
			if id, err := uuid.Parse(s.ID); err != nil || id.Version() != 7 || s.CreatedAt.Before(before) {
				t.Errorf("%s: id %s of %v (%v), want a UUIDv7 of now", name, s.ID, s.CreatedAt, err)
			}
			got[i].ID, got[i].CreatedAt = "", time.Time{}
		}
		if string(got[0].Data) != `{"device_id": "phone", "customer_id": "c"}` {
			t.Errorf("%s: %s", name, got[0].Data)
		}
		got[0].Data, got[1].Data = nil, nil
		want := []events.Stored{
			{
				Type: events.TypeIdentityRegistered, Subject: "order-1", CustomerHash: events.CustomerHash(customer),
				Traceparent: "00-00000000000000000000000000000001-0000000000000002-01",
			},
			{Type: events.TypeFraudScored, Subject: "order-2"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-emitted +leased):\n%s", name, diff)
		}
	}
}

func TestEventsLeaveOnlyWithTheirTransaction(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	var unit pg.Unit
	check.Must(t, events.Emit(t.Context(), &unit, "order-1", uuid.Nil, registered))
	unit.Add(pg.Statement{SQL: "SELECT 1/0"})
	if err := db.Commit(t.Context(), &unit); err == nil {
		t.Error("committed")
	}
	failure := errors.New("second thoughts")
	err := db.InTx(t.Context(), func(ctx context.Context, tx pg.Tx) error {
		return errors.Join(events.Emit(ctx, tx, "order-2", uuid.Nil, registered), failure)
	})
	if !errors.Is(err, failure) || outbox(t, db) != 0 {
		t.Errorf("%d events were left, %v", outbox(t, db), err)
	}
}

// leaseAll leases the waiting events of every lane.
func leaseAll(t *testing.T, db *pg.DB) ([]events.Stored, error) {
	t.Helper()
	var all []events.Stored
	for _, lane := range events.Lanes() {
		stored, err := events.Lease(t.Context(), db, lane, time.Hour, 10)
		if err != nil {
			return nil, err
		}
		all = append(all, stored...)
	}
	return all, nil
}

// Codes have a lane of their own, whichever way the event was emitted.
func TestEachEventIsInTheLaneOfItsType(t *testing.T) {
	t.Parallel()
	for name, emit := range emitters {
		db := pgtest.New(t)
		for _, kind := range events.Catalogue() {
			check.Must(t, emit(t.Context(), db, "subject", uuid.Nil, kind.Data))
		}
		var codes []string
		stored, err := events.Lease(t.Context(), db, events.LaneCodes, time.Hour, 100)
		check.Must(t, err)
		for _, s := range stored {
			codes = append(codes, s.Type)
		}
		if diff := cmp.Diff([]string{events.TypeOTPIssued}, codes); diff != "" {
			t.Errorf("%s: lane of codes (-want +got):\n%s", name, diff)
		}
		records, err := events.Lease(t.Context(), db, events.LaneAudit, time.Hour, 100)
		if err != nil || len(records) != 1 || records[0].Type != events.TypeAccessRecorded {
			t.Errorf("%s: lane of audit: %v, %v", name, records, err)
		}
		rest, err := events.Lease(t.Context(), db, events.LaneEvents, time.Hour, 100)
		if err != nil || len(rest) != len(events.Catalogue())-2 {
			t.Errorf("%s: %d other events, %v", name, len(rest), err)
		}
	}
}

// EmitOnce writes one event for each id.
func TestEmitOnce(t *testing.T) {
	t.Parallel()
	db, id := pgtest.New(t), uuid.New()
	for _, device := range []string{"first", "second"} {
		var unit pg.Unit
		check.Must(t, events.EmitOnce(t.Context(), &unit, id, "subject", events.IdentityRegistered{DeviceID: device}))
		check.Must(t, db.Commit(t.Context(), &unit))
	}
	got := check.Column[string](t, db.Pool(), "SELECT data->>'device_id' FROM outbox WHERE id = $1", id)
	if len(got) != 1 || got[0] != "first" {
		t.Errorf("events %v, want the first", got)
	}
}

// unprintable is data that JSON can't say.
type unprintable struct{ F func() }

func (unprintable) EventType() string { return "com.tidebank.test.unprintable.v1" }

func TestEmitRefusesWhatIsNoJSON(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	for name, emit := range emitters {
		if err := emit(t.Context(), db, "order-1", uuid.Nil, unprintable{}); err == nil || outbox(t, db) != 0 {
			t.Errorf("the %s took it: %v", name, err)
		}
	}
}

// A listener that reads after each NOTIFY finds each event without polling.
func TestACommitWakesRelays(t *testing.T) {
	t.Parallel()
	for name, emit := range emitters {
		db := pgtest.New(t)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		conn, err := db.Pool().Acquire(ctx)
		check.Must(t, err)
		defer conn.Release()
		check.Exec(t, conn, "LISTEN "+events.OutboxChannel)
		check.Must(t, emit(ctx, db, "order-1", uuid.Nil, registered))
		if _, err := conn.Conn().WaitForNotification(ctx); err != nil || outbox(t, db) != 1 {
			t.Errorf("%s: %d events, %v", name, outbox(t, db), err)
		}
	}
}

// Events of units that commit in one group are written like other events.
func TestEventsOfManyAtOnce(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	const many = 20
	emit := func(lock int64, subject string) error {
		var unit pg.Unit
		unit.Add(pg.Statement{
			SQL: "SELECT pg_advisory_xact_lock_shared($1)", Args: []any{lock},
			Rows: "SELECT pg_advisory_xact_lock_shared(lock) FROM unnest($1::bigint[]) AS lock",
		})
		err := events.Emit(t.Context(), &unit, subject, uuid.Nil, events.OTPIssued{Challenge: subject})
		return errors.Join(err, db.Commit(context.WithoutCancel(t.Context()), &unit))
	}
	holder, err := db.Pool().Begin(t.Context())
	check.Must(t, err)
	check.Exec(t, holder, "SELECT pg_advisory_xact_lock(1)")
	var held, free sync.WaitGroup
	start := func(group *sync.WaitGroup, lock int64, subject string) {
		group.Go(func() {
			if err := emit(lock, subject); err != nil {
				t.Error(err)
			}
		})
	}
	for n := range 2 { // as many as there are workers
		start(&held, 1, fmt.Sprint("held-", n))
	}
	pgtest.AwaitLocks(t, db, 2)
	for n := range many {
		start(&free, 2, fmt.Sprint("free-", n))
	}
	free.Wait()
	var written, transactions int
	err = db.Pool().QueryRow(t.Context(), `
SELECT count(*), count(DISTINCT xmin::text) FROM outbox WHERE subject = data ->> 'challenge'`).Scan(&written, &transactions)
	if err != nil || written != many || transactions == many {
		t.Errorf("%d events in %d transactions, %v", written, transactions, err)
	}
	if err := holder.Rollback(t.Context()); err != nil {
		t.Error(err)
	}
	held.Wait()
}

func TestWithoutADatabase(t *testing.T) {
	t.Parallel()
	db := pgtest.Broken(t)
	_, leased := events.Lease(t.Context(), db, events.LaneEvents, time.Second, 1)
	for name, err := range map[string]error{
		"Lease": leased, "MarkPublished": events.MarkPublished(t.Context(), db, nil),
		"Release": events.Release(t.Context(), db, nil), "Failed": events.Failed(t.Context(), db, nil),
	} {
		if !errors.Is(err, bankerr.ErrUnavailable) {
			t.Errorf("%s: %v, want %v", name, err, bankerr.ErrUnavailable)
		}
	}
}
