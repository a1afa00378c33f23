package session_test

import (
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/test/check"
)

func newID() (id channel.ID) {
	_, _ = rand.Read(id[:])
	return id
}

// Of hellos at once on two instances, the bank takes as many as its cap, and keeps no
// channel of the others.
func TestHellosOfAllInstancesHaveOneCap(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, h fixture) {
		const most, sent = 20, 100
		h.config.Hellos = most
		stores := []*session.Store{h.instance(t), h.instance(t)}
		ids := make([]channel.ID, sent)
		for i := range ids {
			ids[i] = newID()
		}
		taken := check.AtOnce(sent, func(n int) bool {
			err := stores[n%2].OpenChannel(t.Context(), ids[n], session.Channel{Keys: newKeys()})
			if err != nil && !errors.Is(err, session.ErrCrowded) {
				t.Errorf("hello %d: %v", n, err)
			}
			return err == nil
		})
		passed := 0
		for n, ok := range taken {
			_, err := h.instance(t).Channel(t.Context(), ids[n])
			if ok != (err == nil) || !ok && !errors.Is(err, session.ErrChannelExpired) {
				t.Errorf("hello %d was taken: %v, and its channel is %v", n, ok, err)
			}
			if ok {
				passed++
			}
		}
		if passed != most {
			t.Errorf("%d of %d hellos were taken, want %d", passed, sent, most)
		}
		for _, s := range stores {
			if !s.Crowded() {
				t.Error("an instance does not know that the bank is crowded")
			}
		}
		solved := newID()
		check.Must(t, stores[0].OpenSolved(t.Context(), solved, session.Channel{Keys: newKeys()}))
		if _, err := h.Channel(t.Context(), solved); err != nil {
			t.Errorf("the channel of a solved code: %v", err)
		}
	})
}

// An instance forgets within seconds that the bank was crowded. A lost count harms
// nothing.
func TestCrowdedHasAnEnd(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	h.config.Hellos = 1
	on := h.instance(t)
	open := func() error { return on.OpenChannel(t.Context(), newID(), session.Channel{Keys: newKeys()}) }
	check.Must(t, open())
	if err := open(); !errors.Is(err, session.ErrCrowded) || !on.Crowded() {
		t.Fatalf("the second hello: %v", err)
	}
	h.redis.Del("rate:hellos")
	h.advance(5 * time.Second)
	if on.Crowded() {
		t.Error("the instance has not forgotten")
	}
	check.Must(t, open())
	if err := open(); !errors.Is(err, session.ErrCrowded) {
		t.Fatalf("the next hello: %v", err)
	}
	h.advance(66 * time.Second)
	check.Must(t, open())
}

// If the answer of Redis was lost, the channel is there all the same.
func TestAHelloSurvivesALostAnswer(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	on, proxy := h.behind(t)
	proxy.Lose("eval", 2)
	id := newID()
	check.Must(t, on.OpenChannel(t.Context(), id, session.Channel{Keys: newKeys()}))
	if !proxy.Lost() {
		t.Error("no answer was lost")
	}
	if _, err := h.Channel(t.Context(), id); err != nil {
		t.Errorf("the channel: %v", err)
	}
}
