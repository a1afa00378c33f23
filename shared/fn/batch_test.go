package fn_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
)

var batched = http.Header{"Content-Type": {"application/cloudevents-batch+json; charset=UTF-8"}}

// A batch is taken; each of its events has its own effect, once.
func TestABatchOfEvents(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	f := consumer(counting)
	var batch []cloudevent.Event
	for range 5 {
		batch = append(batch, b.Event(t, uuid.NewString(), typeHeard, "x", heard{}))
	}
	batch = append(batch, batch[0]) // twice in one batch
	for range 2 {
		if got := b.DeliverRaw(t, f, check.JSON(t, batch), batched); got != http.StatusAccepted {
			t.Errorf("answered %d, want 202", got)
		}
	}
	for _, e := range batch {
		if n := effects(t, b, e.ID); n != 1 {
			t.Errorf("%s: %d effects, want 1", e.ID, n)
		}
	}
	if got := b.DeliverRaw(t, f, []byte("[]"), batched); got != http.StatusAccepted {
		t.Errorf("the empty batch: %d", got)
	}
}

// The answer to a batch tells the sender the truth. If an event may succeed later, it
// is 503, and the repetition does not repeat the others.
func TestTheAnswerToABatch(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	var down atomic.Bool
	ran := map[string]int{}
	f := consumer(func(_ context.Context, d fn.Delivery[heard]) (fn.Effect, error) {
		ran[d.Data.Word]++
		switch {
		case d.Data.Word == "later" && down.Load():
			return nil, bankerr.ErrUnavailable
		case d.Data.Word == "never":
			return nil, bankerr.ErrInput
		}
		return leave(d.ID), nil
	})
	event := func(word string) cloudevent.Event {
		return b.Event(t, uuid.NewString(), typeHeard, "x", heard{Word: word})
	}
	good, later, never, forged := event("good"), event("later"), event("never"), event("good")
	forged.Subject = "another"
	broken := []byte(`{"specversion":"1.0"}`)
	deliver := func(want int, list ...any) {
		t.Helper()
		if got := b.DeliverRaw(t, f, check.JSON(t, list), batched); got != want {
			t.Errorf("answered %d, want %d", got, want)
		}
	}
	down.Store(true)
	deliver(http.StatusServiceUnavailable, never, good, later, forged)
	deliver(http.StatusServiceUnavailable, later, good)
	down.Store(false)
	deliver(http.StatusAccepted, good, later)
	deliver(http.StatusBadRequest, good, never)
	deliver(http.StatusBadRequest, event("good"), forged)
	deliver(http.StatusBadRequest, json.RawMessage(broken), event("good"))
	if diff := cmp.Diff(map[string]int{"good": 3, "later": 3, "never": 2}, ran); diff != "" {
		t.Errorf("reactions (-want +got):\n%s", diff)
	}
	for word, e := range map[string]cloudevent.Event{"good": good, "later": later} {
		if n := effects(t, b, e.ID); n != 1 {
			t.Errorf("%s: %d effects, want 1", word, n)
		}
	}
}

func TestDeliveriesThatAreNoBatch(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	f := consumer(counting)
	for body, want := range map[string]int{
		"": http.StatusBadRequest, "{}": http.StatusBadRequest, "null": http.StatusBadRequest, "[1]": http.StatusBadRequest,
		"[null]": http.StatusBadRequest, "[[]]": http.StatusBadRequest, "[{}]": http.StatusBadRequest, "[": http.StatusBadRequest,
		"[" + strings.Repeat(" ", 64<<10) + "]": http.StatusRequestEntityTooLarge,
	} {
		if got := b.DeliverRaw(t, f, []byte(body), batched); got != want {
			t.Errorf("%.20q: %d, want %d", body, got, want)
		}
	}
	large := bytes.Repeat([]byte("x"), 64<<10+1)
	single := http.Header{"Content-Type": {cloudevent.JSON}}
	if got := b.DeliverRaw(t, f, large, single); got != http.StatusRequestEntityTooLarge {
		t.Errorf("a large event: %d, want 413", got)
	}
}

// Each part of a reaction has its own effect. A repetition runs only the parts that
// have had none.
func TestPartsSucceedAndFailAlone(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	answers := map[string]error{}
	var runs atomic.Int64
	f := fn.EventParts(fn.Spec{
		Name: "test-in-parts", Summary: "Of a test", Requirements: []string{"AUDIT-001"}, Timeout: patience,
		Consumes: []string{typeHeard}, Emits: []string{typeEffect},
	}, func(context.Context, *fn.Lent, struct{}) (fn.Split[heard], error) {
		return func(_ context.Context, d fn.Delivery[heard]) ([]fn.Part, error) {
			part := func(name string) fn.Part {
				return fn.Part{Name: name, React: func(context.Context) (fn.Effect, error) {
					runs.Add(1)
					if name == "panics" && answers[name] != nil {
						panic("boom")
					}
					return leave(d.ID + name), answers[name]
				}}
			}
			return []fn.Part{part("one"), part("two"), part("panics")}, nil
		}, nil
	})
	e := b.Event(t, uuid.NewString(), typeHeard, "x", heard{})
	for _, tt := range []struct {
		answers map[string]error
		want    int
		ran     int64
		effects []int // of each part
	}{
		{map[string]error{"one": bankerr.ErrUnavailable, "panics": bankerr.ErrInternal}, http.StatusServiceUnavailable, 3, []int{0, 1, 0}},
		{map[string]error{"one": bankerr.ErrInput}, http.StatusBadRequest, 2, []int{0, 1, 1}},
		{nil, http.StatusAccepted, 1, []int{1, 1, 1}},
		{nil, http.StatusAccepted, 0, []int{1, 1, 1}},
	} {
		answers = tt.answers
		runs.Store(0)
		if got := b.Deliver(t, f, e); got != tt.want || runs.Load() != tt.ran {
			t.Errorf("%v: answered %d after %d parts, want %d after %d", tt.answers, got, runs.Load(), tt.want, tt.ran)
		}
		for i, name := range []string{"one", "two", "panics"} {
			if n := effects(t, b, e.ID+name); n != tt.effects[i] {
				t.Errorf("%v: %s has %d effects, want %d", tt.answers, name, n, tt.effects[i])
			}
		}
	}
}
