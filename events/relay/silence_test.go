package relay_test

import (
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/proxytest"
)

// All connections of a relay go silent. It publishes again within seconds, and commits
// wake it again.
func TestARelayRecoversFromSilence(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	proxy, through := proxytest.To(t, d.url)
	near, err := pg.Open(t.Context(), pg.Config{URL: through, MaxConns: 4, QueryTimeout: 2 * time.Second})
	check.Must(t, err)
	t.Cleanup(near.Close)
	s := &sink{}
	r := fixture{DB: near, ring: d.ring, log: d.log}.relay(s)
	r.Lease = 2 * time.Second // an answer with leased events may get lost
	bank.Background(t, r.Run)
	check.UntilCount(t, 1, d.Pool(), countListeners)
	promptly(t, d, s)
	proxy.Silence()
	begun := time.Now()
	id := d.emit(t)
	check.Until(t, "the event is published", func() bool { return s.times()[id] != 0 })
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("published after %v", took)
	}
	check.UntilCount(t, 1, d.Pool(), countListeners+" AND backend_start > to_timestamp($1)", begun.Unix())
	promptly(t, d, s)
}
