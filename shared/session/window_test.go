package session_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/test/check"
)

const greatest = 1<<53 - 1 // the greatest sequence that the runtime lets through

func TestEachSequenceOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, eachSequenceOnce)
}

func eachSequenceOnce(t *testing.T, h fixture) {
	for _, tt := range []struct {
		name string
		sent []uint64
		good []bool
	}{
		{"in order", []uint64{1, 2, 3}, []bool{true, true, true}},
		{"zero", []uint64{0, 1, 0}, []bool{false, true, false}},
		{"repeated", []uint64{1, 1, 2, 1}, []bool{true, false, true, false}},
		{"out of order", []uint64{5, 3, 4, 3, 5, 6}, []bool{true, true, true, false, false, true}},
		{"the window's last slot", []uint64{100, 37, 37}, []bool{true, true, false}},
		{"one behind the window", []uint64{100, 36, 35, 1}, []bool{true, false, false, false}},
		{
			"the window moves on",
			[]uint64{100, 101, 37, 38, 165, 101, 102},
			[]bool{true, true, false, true, true, false, true},
		},
		{"a slot used again", []uint64{1, 65, 1, 129, 65, 66}, []bool{true, true, false, true, false, true}},
		{"the first is far ahead", []uint64{1 << 40, 1}, []bool{true, false}},
		{
			"to the greatest",
			[]uint64{1, greatest, 2, greatest - 63, greatest - 64, greatest, greatest - 63},
			[]bool{true, true, false, true, false, false, false},
		},
	} {
		l := h.open(t, "phone")
		for i, sequence := range tt.sent {
			_, err := h.Admit(t.Context(), session.Frame{Channel: l.id, Sequence: sequence}, plenty)
			if tt.good[i] != (err == nil) || err != nil && !errors.Is(err, session.ErrReplayed) {
				t.Errorf("%s: %d, the %d. of %v: %v", tt.name, sequence, i+1, tt.sent, err)
			}
		}
	}
}

// In any order, on any instance, a sequence is admitted if it was not admitted before
// and is less than 64 behind the greatest.
func TestWindowIsWhatItSays(t *testing.T) {
	t.Parallel()
	onBoth(t, windowIsWhatItSays)
}

func windowIsWhatItSays(t *testing.T, h fixture) {
	stores := []*session.Store{h.Store, h.instance(t)}
	var last atomic.Uint64
	rapid.Check(t, func(r *rapid.T) {
		id := channel.ID{0: byte(last.Add(1)), 1: byte(last.Load() >> 8)}
		check.Must(t, h.OpenChannel(t.Context(), id, session.Channel{}))
		taken, top := map[uint64]bool{}, uint64(0)
		for range rapid.IntRange(1, 60).Draw(r, "frames") {
			sequence := rapid.Uint64Range(0, 300).Draw(r, "sequence")
			if rapid.Bool().Draw(r, "near") {
				sequence = max(70, top) - 70 + rapid.Uint64Range(0, 80).Draw(r, "offset")
			}
			good := sequence > 0 && !taken[sequence] && sequence+64 > top
			frame := session.Frame{Channel: id, Sequence: sequence}
			_, err := rapid.SampledFrom(stores).Draw(r, "instance").Admit(t.Context(), frame, plenty)
			if good != (err == nil) || err != nil && !errors.Is(err, session.ErrReplayed) {
				r.Fatalf("%d with %d the greatest: %v, want taken: %v", sequence, top, err, good)
			}
			if good {
				taken[sequence], top = true, max(top, sequence)
			}
		}
	})
}

func TestOneOfManyEqualFramesIsAccepted(t *testing.T) {
	t.Parallel()
	onBoth(t, oneOfManyEqualFramesIsAccepted)
}

func oneOfManyEqualFramesIsAccepted(t *testing.T, h fixture) {
	l := h.open(t, "phone")
	stores := []*session.Store{h.Store, h.instance(t)}
	for sequence := range uint64(5) {
		var accepted, replayed atomic.Int64
		var callers sync.WaitGroup
		for n := range 50 {
			callers.Go(func() {
				switch _, err := stores[n%2].Admit(t.Context(), session.Frame{Channel: l.id, Sequence: sequence + 1}, plenty); {
				case err == nil:
					accepted.Add(1)
				case errors.Is(err, session.ErrReplayed):
					replayed.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		callers.Wait()
		if accepted.Load() != 1 || replayed.Load() != 49 {
			t.Errorf("%d accepted and %d refused, want 1 and 49", accepted.Load(), replayed.Load())
		}
	}
}

// A sequence belongs to its channel.
func TestChannelsCountForThemselves(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	for range 3 {
		if _, err := h.open(t, "phone").call(t, h.Store); err != nil {
			t.Error(err)
		}
	}
}

func TestRateOfAChannel(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	rate := session.Rate{Class: "auth", Limit: 3, Per: time.Minute}
	stores := []*session.Store{h.Store, h.instance(t)}
	l, other := h.open(t, "phone"), h.open(t, "pad")
	call := func(l *line, rate session.Rate) error {
		l.next++
		_, err := stores[l.next%2].Admit(t.Context(), session.Frame{Channel: l.id, Sequence: l.next}, rate)
		return err
	}
	for range rate.Limit {
		check.Must(t, call(l, rate))
	}
	wantWait(t, call(l, rate), 65*time.Second)
	check.Must(t, call(l, plenty))   // another class
	check.Must(t, call(other, rate)) // another channel
	h.advance(59 * time.Second)
	wantWait(t, call(l, rate), 6*time.Second)
	h.advance(6 * time.Second)
	check.Must(t, call(l, rate))
}

// wantWait checks that a call was above the rate, and how long it must wait.
func wantWait(t *testing.T, err error, want time.Duration) {
	t.Helper()
	var refused interface{ RetryAfter() time.Duration }
	if !errors.Is(err, session.ErrRateLimited) || !errors.As(err, &refused) || refused.RetryAfter() != want {
		t.Errorf("%v, want RATE_LIMITED for %v", err, want)
	}
}

// No minute holds more calls than the limit, wherever the minute begins. A refused
// call does not count. The counter does not stay in Redis.
func TestRateSlides(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	l, rate := h.open(t, "phone"), session.Rate{Class: "auth", Limit: 20, Per: time.Minute}
	calls := map[string]func() error{
		"channel": func() error {
			l.next++
			_, err := h.Admit(t.Context(), session.Frame{Channel: l.id, Sequence: l.next}, rate)
			return err
		},
		"address": func() error { return h.AllowAddress(t.Context(), "203.0.113.77", rate) },
	}
	h.advance(59*time.Second + 900*time.Millisecond)
	for name, call := range calls {
		for range rate.Limit {
			check.Must(t, call())
		}
		wantWait(t, call(), 60*time.Second+100*time.Millisecond)
		if t.Failed() {
			t.Fatal(name)
		}
	}
	h.advance(200 * time.Millisecond) // the next minute of the clock
	for range 20 {
		wantWait(t, calls["channel"](), 59*time.Second+900*time.Millisecond)
		wantWait(t, calls["address"](), 59*time.Second+900*time.Millisecond)
	}
	h.advance(59*time.Second + 900*time.Millisecond)
	check.Must(t, calls["channel"]())
	check.Must(t, calls["address"]())
	h.advance(2 * time.Minute)
	for _, key := range h.redis.Keys() {
		if strings.Contains(key, "rate:") {
			t.Errorf("%s is left", key)
		}
	}
}

// At any pace of calls, each time of a rate's length holds at most its limit.
func TestNoMinuteHoldsMoreThanTheLimit(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	var last atomic.Uint64
	rapid.Check(t, func(r *rapid.T) {
		address := fmt.Sprintf("2001:db8:%x::1", last.Add(1))
		rate := session.Rate{Class: "auth", Limit: rapid.IntRange(1, 5).Draw(r, "limit"), Per: time.Minute}
		var allowed []time.Time
		for range rapid.IntRange(1, 40).Draw(r, "calls") {
			h.clock.Advance(time.Duration(rapid.IntRange(0, 40_000).Draw(r, "pause")) * time.Millisecond)
			now := h.clock.Now()
			if err := h.AllowAddress(t.Context(), address, rate); err != nil {
				if n := len(allowed); n < rate.Limit || now.Sub(allowed[n-rate.Limit]) > 65*time.Second {
					r.Fatalf("refused after %v of %v", allowed, now)
				}
				continue
			}
			if allowed = append(allowed, now); len(allowed) > rate.Limit {
				if apart := now.Sub(allowed[len(allowed)-1-rate.Limit]); apart < rate.Per {
					r.Fatalf("%d calls in %v, want %d in %v", rate.Limit+1, apart, rate.Limit, rate.Per)
				}
			}
		}
	})
}

// A replayed frame does not count for the channel's rate. A frame above the rate can't be
// sent again.
func TestReplaysDoNotUseUpTheRate(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	l := h.open(t, "phone")
	rate := session.Rate{Class: "default", Limit: 2, Per: time.Minute}
	accept := func(sequence uint64) error {
		_, err := h.Admit(t.Context(), session.Frame{Channel: l.id, Sequence: sequence}, rate)
		return err
	}
	check.Must(t, accept(1))
	for range 5 {
		if err := accept(1); !errors.Is(err, session.ErrReplayed) && !errors.Is(err, session.ErrRateLimited) {
			t.Fatalf("replayed: %v", err)
		}
	}
	check.Must(t, accept(2))
	if err := accept(3); !errors.Is(err, session.ErrRateLimited) {
		t.Errorf("above the rate: %v", err)
	}
	h.advance(65 * time.Second)
	if err := accept(3); !errors.Is(err, session.ErrReplayed) {
		t.Errorf("the frame above the rate, again: %v", err)
	}
}

func TestRateOfAnAddress(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	const address = "203.0.113.77"
	rate := session.Rate{Class: "open", Limit: 40, Per: time.Minute}
	stores := []*session.Store{h.Store, h.instance(t)}
	var allowed atomic.Int64
	var callers sync.WaitGroup
	for n := range 60 {
		callers.Go(func() {
			err := stores[n%2].AllowAddress(t.Context(), address, rate)
			if err == nil {
				allowed.Add(1)
			} else if !errors.Is(err, session.ErrRateLimited) {
				t.Error(err)
			}
		})
	}
	callers.Wait()
	if allowed.Load() != 40 {
		t.Errorf("%d calls allowed, want 40", allowed.Load())
	}
	check.Must(t, h.AllowAddress(t.Context(), "203.0.113.78", rate))
	check.Must(t, h.AllowAddress(t.Context(), address, plenty))
	h.advance(59 * time.Second)
	if err := h.AllowAddress(t.Context(), address, rate); !errors.Is(err, session.ErrRateLimited) {
		t.Errorf("a second before the minute is over: %v", err)
	}
	h.advance(6 * time.Second)
	check.Must(t, h.AllowAddress(t.Context(), address, rate))
	h.advance(3 * time.Minute)
	if left := h.redis.Keys(); len(left) != 0 {
		t.Errorf("%v are left", left)
	}
}
