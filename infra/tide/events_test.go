package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// aside writes an event that is set aside.
func aside(t *testing.T, b *bank.Bank) string {
	t.Helper()
	id := uuid.NewString()
	b.Exec(t, `
INSERT INTO outbox (id, type, subject, customerhash, data, attempts, next_at, reason, set_aside_at)
VALUES ($1, 'com.tidebank.transfer.posted.v1', '', '', '{}', 3, now() + interval '1 hour', 'answered 413', now())`, id)
	return id
}

// The operator sees what is set aside, and lets one event, then all, be published. Each
// command leaves an access record.
func TestEventsThatAreSetAside(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	ids := []string{aside(t, b), aside(t, b), aside(t, b)}
	var out bytes.Buffer
	command := newCommand()
	command.SetOut(&out)
	check.Must(t, listAside(t.Context(), command, b.Host))
	for _, want := range append(ids, "answered 413", events.TypeTransferPosted) {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the list does not show %s:\n%s", want, out.String())
		}
	}
	const waits = "SELECT count(*) FROM outbox WHERE set_aside_at IS NULL AND attempts = 0 AND next_at <= now() AND type LIKE '%posted%'"
	o := replayOrder{id: ids[1], reason: "the broker takes it now", operator: "wang"}
	if n, err := replayEvents(t.Context(), b.Host, o); err != nil || n != 1 || b.Count(t, waits) != 1 {
		t.Errorf("%d replayed, %v, and %d wait; want one", n, err, b.Count(t, waits))
	}
	if _, err := replayEvents(t.Context(), b.Host, o); !errors.Is(err, errNoAside) {
		t.Errorf("again: %v, want %v", err, errNoAside)
	}
	o.id, o.all = "", true
	if n, err := replayEvents(t.Context(), b.Host, o); err != nil || n != 2 || b.Count(t, waits) != 3 {
		t.Errorf("%d replayed, %v, and %d wait; want two more", n, err, b.Count(t, waits))
	}
	records := bank.Told[events.AccessRecorded](t, b, events.TypeAccessRecorded)
	if len(records) != 2 || records[0].Function != replayFunction || records[0].Reason != "replayed by wang: the broker takes it now" {
		t.Errorf("records %+v", records)
	}
	b.Host.DB = pgtest.Broken(t)
	if _, err := replayEvents(t.Context(), b.Host, o); err == nil {
		t.Error("replayed without a database")
	}
	if err := listAside(t.Context(), command, b.Host); err == nil {
		t.Error("listed without a database")
	}
}

// Dead letters of the bank's own broker are listed with consumer and reason, and can be
// delivered again; other deliveries are left alone. Each command leaves an access record.
func TestDeadLettersOfTheBanksBroker(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	known, pruned, due := aside(t, b), uuid.NewString(), uuid.NewString()
	for id, state := range map[string]string{known: "dead", pruned: "dead", due: "due"} {
		b.Exec(t, `
INSERT INTO delivery (consumer, event_id, event, lane, state, attempts, due_at, last_error)
VALUES ('notify-on-transfer', $1, '', 'events', $2, 8, now(), 'answered 503')`, id, state)
	}
	var out bytes.Buffer
	command := newCommand()
	command.SetOut(&out)
	check.Must(t, listDead(t.Context(), command, b.Host))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 || strings.Contains(out.String(), due) {
		t.Fatalf("the list:\n%s", out.String())
	}
	for _, want := range []string{known, pruned, events.TypeTransferPosted, "notify-on-transfer", "8", "answered 503"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the list does not show %s:\n%s", want, out.String())
		}
	}
	const waits = "SELECT count(*) FROM delivery WHERE state = 'due' AND attempts = 0"
	o := replayOrder{id: known, dead: true, reason: "it is deployed now", operator: "wang"}
	if n, err := replayEvents(t.Context(), b.Host, o); err != nil || n != 1 || b.Count(t, waits) != 1 {
		t.Errorf("%d replayed, %v, and %d wait; want one", n, err, b.Count(t, waits))
	}
	o.id, o.all = "", true
	if n, err := replayEvents(t.Context(), b.Host, o); err != nil || n != 1 || b.Count(t, waits) != 2 {
		t.Errorf("%d replayed, %v, and %d wait; want one more", n, err, b.Count(t, waits))
	}
	if records := bank.Told[events.AccessRecorded](t, b, events.TypeAccessRecorded); len(records) != 2 {
		t.Errorf("records %+v", records)
	}
	if n := b.Count(t, "SELECT count(*) FROM outbox WHERE set_aside_at IS NOT NULL"); n != 1 {
		t.Errorf("%d events are set aside, want the one before", n)
	}
	b.Host.DB = pgtest.Broken(t)
	if err := listDead(t.Context(), command, b.Host); err == nil {
		t.Error("listed without a database")
	}
}

// Dead letters of the platform's broker are listed, and replayed with a record, once.
func TestDeadLettersOfThePlatform(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	id := aside(t, b)
	b.Exec(t, "UPDATE outbox SET set_aside_at = NULL, published_at = now()")
	b.Exec(t, `INSERT INTO dead_letter (consumer, event_id, type, status, failed_at, deaths)
VALUES ('notify-on-transfer', $1, 'com.tidebank.transfer.posted.v1', 503, '2026-11-23 10:00Z', 2)`, id)
	var out bytes.Buffer
	command := newCommand()
	command.SetOut(&out)
	check.Must(t, listDead(t.Context(), command, b.Host))
	for _, want := range []string{id, events.TypeTransferPosted, "notify-on-transfer", "2", "answered 503 at 2026-11-23T10:00:00Z"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the list does not show %s:\n%s", want, out.String())
		}
	}
	o := replayOrder{id: id, reason: "the function is mended", operator: "wang"}
	if _, err := replayEvents(t.Context(), b.Host, o); !errors.Is(err, errNoAside) {
		t.Errorf("without --dead: %v, want %v", err, errNoAside)
	}
	o.dead = true
	if n, err := replayEvents(t.Context(), b.Host, o); err != nil || n != 1 {
		t.Errorf("%d replayed, %v; want one", n, err)
	}
	if n := b.Count(t, "SELECT count(*) FROM outbox WHERE id = $1 AND published_at IS NULL AND next_at <= now()", id); n != 1 {
		t.Error("the event does not wait for the relay")
	}
	if _, err := replayEvents(t.Context(), b.Host, o); !errors.Is(err, errNoAside) {
		t.Errorf("again: %v, want %v", err, errNoAside)
	}
	records := bank.Told[events.AccessRecorded](t, b, events.TypeAccessRecorded)
	if len(records) != 1 || records[0].Reason != "replayed by wang: the function is mended" {
		t.Errorf("records %+v", records)
	}
}

func TestReplayOrdersThatAreRefused(t *testing.T) {
	t.Parallel()
	good := replayOrder{id: uuid.NewString(), reason: "x", operator: "wang"}
	check.Must(t, good.check())
	for _, tt := range []struct {
		change func(*replayOrder)
		want   error
	}{
		{func(o *replayOrder) { o.id = "" }, errWhich},
		{func(o *replayOrder) { o.all = true }, errWhich},
		{func(o *replayOrder) { o.id = "1" }, errID},
		{func(o *replayOrder) { o.reason = "he rang from 13800010001" }, errReason},
		{func(o *replayOrder) { o.operator = "" }, errOperator},
	} {
		o := good
		tt.change(&o)
		if err := o.check(); !errors.Is(err, tt.want) {
			t.Errorf("%+v: %v, want %v", o, err, tt.want)
		}
	}
}
