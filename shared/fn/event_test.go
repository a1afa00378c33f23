package fn_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	handler "github.com/openfaas/templates-sdk/go-http"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

const typeHeard = "com.tidebank.test.heard.v1"

type heard struct {
	N    int    `json:"n"`
	Word string `json:"word"`
}

func hears(s *fn.Spec) { s.Audience, s.Consumes = fn.Internal, []string{typeHeard} }

func consumer(react func(context.Context, fn.Delivery[heard]) (fn.Effect, error)) fn.Function {
	spec := fn.Spec{Name: "test-on-heard", Summary: "Of a test", Requirements: []string{"AUDIT-001"}, Timeout: patience}
	hears(&spec)
	spec.Emits = []string{typeEffect}
	return fn.Event(spec, func(context.Context, *fn.Lent, struct{}) (fn.Reaction[heard], error) { return react, nil })
}

// leave is an effect that can be counted.
func leave(subject string) fn.Effect {
	return func(ctx context.Context, tx pg.Tx) error {
		return events.Emit(ctx, tx, subject, uuid.Nil, done{})
	}
}

func counting(_ context.Context, d fn.Delivery[heard]) (fn.Effect, error) { return leave(d.ID), nil }

func structured(t *testing.T, e cloudevent.Event) (string, http.Header) {
	t.Helper()
	body := check.JSON(t, e)
	return string(body), http.Header{"Content-Type": {cloudevent.JSON}}
}

func binary(t *testing.T, e cloudevent.Event) (string, http.Header) {
	t.Helper()
	r, err := cloudevent.NewRequest(t.Context(), "http://localhost/", e)
	check.Must(t, err)
	var body bytes.Buffer
	_, err = body.ReadFrom(r.Body)
	check.Must(t, err)
	return body.String(), r.Header
}

// connector sends the event as OpenFaaS connectors do: raw, under its topic.
func connector(t *testing.T, e cloudevent.Event) (string, http.Header) {
	t.Helper()
	body, _ := structured(t, e)
	return body, http.Header{"X-Topic": {"bank"}, "Content-Type": {"text/plain"}}
}

func TestEventsArriveInEveryMode(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	var got fn.Delivery[heard]
	f := consumer(func(_ context.Context, d fn.Delivery[heard]) (fn.Effect, error) {
		got = d
		return leave(d.ID), nil
	})
	for name, mode := range map[string]func(*testing.T, cloudevent.Event) (string, http.Header){
		"structured": structured, "binary": binary, "connector": connector,
	} {
		got = fn.Delivery[heard]{}
		id := uuid.NewString()
		// The word is one that a later release sends and this one doesn't know.
		body, header := mode(t, b.Event(t, id, typeHeard, "subject", map[string]any{"n": 7, "word": "w", "since_v1_1": []int{1}}))
		reply := handle(t, b, f, body, header)
		if diff := cmp.Diff(handler.Response{StatusCode: http.StatusAccepted}, reply); diff != "" {
			t.Errorf("%s: not an empty 202 (-want +got):\n%s", name, diff)
		}
		want := fn.Delivery[heard]{ID: id, Type: typeHeard, Subject: "subject", Data: heard{7, "w"}}
		if !got.Time.Equal(b.Clock.Now()) || !bytes.Contains(got.Raw, []byte("since_v1_1")) {
			t.Errorf("%s: time %v, raw %s", name, got.Time, got.Raw)
		}
		got.Time, got.Raw = want.Time, nil
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", name, diff)
		}
		if n := effects(t, b, id); n != 1 {
			t.Errorf("%s: %d effects", name, n)
		}
	}
}

// Brokers deliver at least once. Each delivery has looked for the event before any other
// commits.
func TestConcurrentDeliveriesHaveOneEffect(t *testing.T) {
	t.Parallel()
	const many = 5
	b := bank.New(t)
	arrived, ran := gate(many), atomic.Int64{}
	f := consumer(func(ctx context.Context, d fn.Delivery[heard]) (fn.Effect, error) {
		ran.Add(1)
		return leave(d.ID), arrived(ctx)
	})
	e := b.Event(t, uuid.NewString(), typeHeard, "x", heard{})
	body, header := structured(t, e)
	var wait sync.WaitGroup
	for range many {
		wait.Go(func() {
			if got := handle(t, b, f, body, header).StatusCode; got != http.StatusAccepted {
				t.Errorf("got %d", got)
			}
		})
	}
	wait.Wait()
	if got := handle(t, b, f, body, header).StatusCode; got != http.StatusAccepted {
		t.Errorf("a late delivery got %d", got)
	}
	if n := effects(t, b, e.ID); n != 1 || ran.Load() != many {
		t.Errorf("%d effects of %d reactions, want 1 of %d", n, ran.Load(), many)
	}
}

// gate returns a function that waits until it was called so many times.
func gate(many int64) func(context.Context) error {
	var come atomic.Int64
	open := make(chan struct{})
	return func(ctx context.Context) error {
		if come.Add(1) == many {
			close(open)
		}
		select {
		case <-open:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// A reaction that fails has no effect, and may be delivered again. The status tells the
// broker when no later try can succeed.
func TestTheReactionsErrorDecidesTheStatus(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	failing := func(err error) func() (fn.Effect, error) { return func() (fn.Effect, error) { return nil, err } }
	breaking := func(err error) func() (fn.Effect, error) {
		return func() (fn.Effect, error) {
			return func(ctx context.Context, tx pg.Tx) error {
				check.Must(t, leave("broken")(ctx, tx))
				return err
			}, nil
		}
	}
	for _, tt := range []struct {
		name string
		meet func() (fn.Effect, error)
		want int
	}{
		{"nothing to do", failing(nil), http.StatusAccepted},
		{"bad data", failing(bankerr.ErrInput), http.StatusBadRequest},
		{"a business rule", failing(bankerr.New(bankerr.Refused, "FUNDS_INSUFFICIENT")), http.StatusBadRequest},
		{"nothing there yet", failing(bankerr.ErrNotFound), http.StatusServiceUnavailable},
		{"a partner that is down", failing(bankerr.ErrUnavailable), http.StatusServiceUnavailable},
		{"any error", failing(errors.New("boom")), http.StatusServiceUnavailable},
		{"a panic", func() (fn.Effect, error) { panic("boom") }, http.StatusServiceUnavailable},
		{"an effect that fails", breaking(errors.New("boom")), http.StatusServiceUnavailable},
		{"an effect that is refused", breaking(bankerr.ErrInput), http.StatusBadRequest},
		{"an effect that panics", func() (fn.Effect, error) {
			return func(context.Context, pg.Tx) error { panic("boom") }, nil
		}, http.StatusServiceUnavailable},
	} {
		meet := tt.meet
		f := consumer(func(_ context.Context, d fn.Delivery[heard]) (fn.Effect, error) {
			if meet == nil {
				return leave(d.ID), nil
			}
			return meet()
		})
		f.Spec.Name += tt.name // the bank keeps entries by name
		e := b.Event(t, uuid.NewString(), typeHeard, "x", heard{})
		if got := b.Deliver(t, f, e); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
		meet = nil
		again, want := b.Deliver(t, f, e), 1
		if tt.want == http.StatusAccepted {
			want = 0 // it was seen before
		}
		if n := effects(t, b, e.ID); again != http.StatusAccepted || n != want {
			t.Errorf("%s: delivered again: %d with %d effects, want 202 with %d", tt.name, again, n, want)
		}
	}
	if n := effects(t, b, "broken"); n != 0 {
		t.Errorf("%d effects of transactions that failed", n)
	}
}

func TestEventsThatAreRefused(t *testing.T) {
	t.Parallel()
	b, broken := bank.New(t), bank.On(t, pgtest.Broken(t))
	f := consumer(counting)
	event := func() cloudevent.Event { return b.Event(t, uuid.NewString(), typeHeard, "x", heard{N: 1}) }
	changed := event()
	check.Must(t, changed.SetJSON(heard{N: 2}))
	renamed := event()
	renamed.Source = "//elsewhere"
	for name, e := range map[string]cloudevent.Event{
		"an unknown type": b.Event(t, uuid.NewString(), "com.tidebank.test.other.v1", "x", heard{}),
		"changed data":    changed, "another source": renamed,
		"data of another form": b.Event(t, uuid.NewString(), typeHeard, "x", map[string]any{"n": "seven"}),
	} {
		if got := b.Deliver(t, f, e); got != http.StatusBadRequest {
			t.Errorf("%s: %d, want 400", name, got)
		}
		if n := effects(t, b, e.ID); n != 0 {
			t.Errorf("%s: had an effect", name)
		}
	}
	good := broken.Event(t, uuid.NewString(), typeHeard, "x", heard{})
	body, header := binary(t, good)
	reply := handle(t, broken, f, body, header)
	if reply.StatusCode != http.StatusServiceUnavailable || len(reply.Body) != 0 {
		t.Errorf("database down: %d %s, want an empty 503", reply.StatusCode, reply.Body)
	}
}

// An event that is older than a consumer takes is refused for good: the record that
// the consumer had it may be gone.
func TestOldEventsAreRefused(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	f := consumer(counting)
	for _, tt := range []struct {
		age  time.Duration
		want int
	}{
		{0, http.StatusAccepted},
		{events.Freshness, http.StatusAccepted},
		{events.Freshness + time.Second, http.StatusBadRequest},
		{10 * events.Freshness, http.StatusBadRequest},
	} {
		b.Clock.Advance(-tt.age)
		e := b.Event(t, uuid.NewString(), typeHeard, "x", heard{})
		b.Clock.Advance(tt.age)
		if got := b.Deliver(t, f, e); got != tt.want {
			t.Errorf("%v old: %d, want %d", tt.age, got, tt.want)
		}
	}
	for _, r := range events.Retentions() {
		if r.Table == "event_consumed" && r.Keep <= events.Freshness {
			t.Errorf("what a consumer had is kept for %v, and events are taken for %v", r.Keep, events.Freshness)
		}
	}
}
