package relay_test

import (
	"testing"
	"time"

	"github.com/tidebank/tidebank/test/bank"
)

// promptly emits events one after the other, each when the last is published. A
// relay that only polled would take a second for each; the deadline is less than
// half of that, and many times what it takes.
func promptly(t *testing.T, d desk, s *sink) {
	t.Helper()
	const rounds = 40
	deadline := time.Now().Add(rounds * time.Second / 2)
	for n := range rounds {
		id := d.emit(t)
		for s.times()[id] == 0 {
			if time.Now().After(deadline) {
				t.Fatalf("%d of %d events published: the relay was not woken", n, rounds)
			}
			time.Sleep(time.Millisecond)
		}
		d.until(t, 0, countWaiting)
	}
}

// A commit wakes the relay; it does so again when its connection was broken.
func TestCommitsWakeTheRelay(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	s := &sink{}
	bank.Background(t, d.relay(s).Run)
	d.until(t, 1, countListeners)
	promptly(t, d, s)
	if n := d.kill(t, "LISTEN outbox"); n != 1 {
		t.Fatalf("%d listeners were there to break, want 1", n)
	}
	d.emit(t)
	d.until(t, 0, countWaiting) // by polling, if need be
	d.until(t, 1, countListeners)
	promptly(t, d, s)
	for id, n := range s.times() {
		if n != 1 {
			t.Errorf("%s was published %d times", id, n)
		}
	}
}

// What was there before, and what nobody told of, is found all the same.
func TestWithoutAWakeUp(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.fill(t, 3)
	s := &sink{}
	bank.Background(t, d.relay(s).Run)
	d.until(t, 0, countWaiting)
	d.one(t)
	d.until(t, 0, countWaiting)
	if got := s.times(); len(got) != 4 {
		t.Errorf("published: %v", got)
	}
}

// A relay that has ended leaves no session behind.
func TestRunEndsItsConnection(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	stop := bank.Background(t, d.relay(&sink{}).Run)
	d.until(t, 1, countListeners)
	stop()
	d.until(t, 0, countListeners)
}
