package relay_test

import (
	"testing"
	"time"

	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
)

// promptly emits events one after the other, each when the last is published. A
// relay that only polled would take a second for each; the deadline is less than
// half of that, and many times what it takes.
func promptly(t *testing.T, d fixture, s *sink) {
	t.Helper()
	const rounds = 40
	deadline := time.Now().Add(rounds * time.Second / 2)
	for n := range rounds {
		id := d.emit(t)
		check.Until(t, "the event is published", func() bool { return s.times()[id] != 0 })
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d events published: the relay was not woken", n, rounds)
		}
		check.UntilCount(t, 0, d.Pool(), countWaiting)
	}
}

// A commit wakes the relay, also after its connection was broken.
func TestCommitsWakeTheRelay(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	s := &sink{}
	bank.Background(t, d.relay(s).Run)
	check.UntilCount(t, 1, d.Pool(), countListeners)
	promptly(t, d, s)
	if n := d.kill(t, "LISTEN outbox"); n != 1 {
		t.Fatalf("%d listeners were there to break, want 1", n)
	}
	d.emit(t)
	check.UntilCount(t, 0, d.Pool(), countWaiting) // by polling, if no NOTIFY came
	check.UntilCount(t, 1, d.Pool(), countListeners)
	promptly(t, d, s)
	for id, n := range s.times() {
		if n != 1 {
			t.Errorf("%s was published %d times", id, n)
		}
	}
}

// A relay also finds rows that were there before it, and rows without a NOTIFY.
func TestWithoutAWakeUp(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	d.fill(t, 3)
	s := &sink{}
	bank.Background(t, d.relay(s).Run)
	check.UntilCount(t, 0, d.Pool(), countWaiting)
	d.one(t)
	check.UntilCount(t, 0, d.Pool(), countWaiting)
	if got := s.times(); len(got) != 4 {
		t.Errorf("published: %v", got)
	}
}

// A relay that has ended leaves no session behind.
func TestRunEndsItsConnection(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	stop := bank.Background(t, d.relay(&sink{}).Run)
	check.UntilCount(t, 1, d.Pool(), countListeners)
	stop()
	check.UntilCount(t, 0, d.Pool(), countListeners)
}
