package session_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/test/check"
)

func (h fixture) recorded(t *testing.T) (all []session.RefusedCount) {
	t.Helper()
	check.Must(t, h.RecordRefused(t.Context(), func(_ context.Context, counts []session.RefusedCount) error {
		all = append(all, counts...)
		return nil
	}))
	return all
}

// Calls that were not admitted are counted by channel, code and minute, on all
// instances together. The first of them is described. A minute is passed once, when it
// is over.
func TestRefusedCallsAreCounted(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	other := h.instance(t)
	minute := h.clock.Now()
	one, two := channel.ID{1}, channel.ID{2}
	first := session.Refused{
		Channel: one, Code: "FRAME_REPLAYED", Function: "otp-send", DeviceID: "phone", IP: "203.0.113.7", Trace: "t1", Category: "auth",
	}
	later := first
	later.Function, later.IP = "identity-login", "198.51.100.1"
	limited := first
	limited.Code = "RATE_LIMITED"
	elsewhere := first
	elsewhere.Channel = two
	for _, c := range []session.Refused{first, later, limited, elsewhere} {
		check.Must(t, h.CountRefused(t.Context(), c))
		check.Must(t, other.CountRefused(t.Context(), c))
	}
	for _, key := range h.redis.Keys() {
		if strings.Contains(h.redis.HGet(key, fieldOf(t, h, key)), first.IP) {
			t.Error("Redis shows the address")
		}
	}
	if got := h.recorded(t); len(got) != 0 {
		t.Errorf("the minute has not ended: %+v", got)
	}
	h.advance(64 * time.Second) // a late call may still come
	if got := h.recorded(t); len(got) != 0 {
		t.Errorf("the minute ended just now: %+v", got)
	}
	check.Must(t, h.CountRefused(t.Context(), first)) // of the next minute
	h.advance(time.Second)
	want := []session.RefusedCount{
		{Minute: minute.UTC(), First: first, Count: 4},
		{Minute: minute.UTC(), First: limited, Count: 2},
		{Minute: minute.UTC(), First: elsewhere, Count: 2},
	}
	if diff := cmp.Diff(want, h.recorded(t)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := h.recorded(t); len(got) != 0 {
		t.Errorf("passed again: %+v", got)
	}
	h.advance(time.Minute)
	if got := h.recorded(t); len(got) != 1 || got[0].Count != 1 || !got[0].Minute.Equal(minute.Add(time.Minute)) {
		t.Errorf("the next minute: %+v", got)
	}
}

func fieldOf(t *testing.T, h fixture, key string) string {
	t.Helper()
	fields, err := h.redis.HKeys(key)
	check.Must(t, err)
	for _, f := range fields {
		if strings.HasSuffix(f, ":first") {
			return f
		}
	}
	t.Fatal("no description")
	return ""
}

// If recording fails, the counts are passed again.
func TestRefusedCallsStayUntilRecorded(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	check.Must(t, h.CountRefused(t.Context(), session.Refused{Channel: channel.ID{1}, Code: "FRAME_REPLAYED"}))
	h.advance(2 * time.Minute)
	down := errors.New("database is down")
	err := h.RecordRefused(t.Context(), func(context.Context, []session.RefusedCount) error { return down })
	if !errors.Is(err, down) {
		t.Error(err)
	}
	if got := h.recorded(t); len(got) != 1 || got[0].Count != 1 {
		t.Errorf("%+v", got)
	}
}

// A stranger who opens many channels fills no store: further channels are counted
// together.
func TestRefusedCallsAreBounded(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	const channels = 2500
	for n := range channels {
		id := channel.ID{byte(n), byte(n >> 8)}
		check.Must(t, h.CountRefused(t.Context(), session.Refused{Channel: id, Code: "FRAME_REPLAYED", DeviceID: "d"}))
	}
	h.advance(2 * time.Minute)
	got := h.recorded(t)
	var sum int64
	for _, c := range got {
		sum += c.Count
	}
	if len(got) != 2001 || sum != channels {
		t.Errorf("%d records of %d calls, want 2001 of %d", len(got), sum, channels)
	}
	h.redis.FastForward(time.Hour)
	if keys := h.redis.Keys(); len(keys) != 0 {
		t.Errorf("left: %v", keys)
	}
}

// Replays cost the address that sends them. They neither use up the rate of the
// channel, nor stop new frames from the same address.
func TestReplaysCostTheirAddress(t *testing.T) {
	t.Parallel()
	onBoth(t, replaysCostTheirAddress)
}

func replaysCostTheirAddress(t *testing.T, h fixture) {
	rate := session.Rate{Class: "auth", Limit: 5, Per: time.Hour}
	l := h.open(t, "phone")
	send := func(sequence uint64, address string) error {
		_, err := h.Admit(t.Context(), session.Frame{Channel: l.id, Sequence: sequence, Address: address}, rate)
		return err
	}
	check.Must(t, send(1, "192.0.2.1"))
	for n := range 20 {
		want := session.ErrReplayed
		if n >= rate.Limit {
			want = session.ErrRateLimited
		}
		if err := send(1, "198.51.100.66"); !errors.Is(err, want) {
			t.Errorf("replay %d: %v, want %v", n, err, want)
		}
	}
	if err := send(1, "192.0.2.1"); !errors.Is(err, session.ErrReplayed) {
		t.Errorf("a replay from another address: %v", err)
	}
	for sequence := uint64(2); sequence <= 5; sequence++ { // the customer, now behind the stranger's address
		if err := send(sequence, "198.51.100.66"); err != nil {
			t.Errorf("frame %d: %v", sequence, err)
		}
	}
	if err := send(6, "192.0.2.1"); !errors.Is(err, session.ErrRateLimited) {
		t.Errorf("above the channel's rate: %v", err)
	}
}
