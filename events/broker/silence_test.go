package broker_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/proxytest"
)

// All connections of a broker go silent. It takes and delivers events again within
// seconds, at the latest when the leases of lost answers end.
func TestABrokerRecoversFromSilence(t *testing.T) {
	t.Parallel()
	d := newFixture(t, taken)
	direct, url := pgtest.NewURL(t)
	proxy, through := proxytest.To(t, url)
	near, err := pg.Open(t.Context(), pg.Config{URL: through, MaxConns: 4, QueryTimeout: 2 * time.Second})
	check.Must(t, err)
	t.Cleanup(near.Close)
	d.DB = near
	b := d.broker(t)
	bank.Background(t, b.Run)
	publish(t, b, d.event(t, oneHears, "before"))
	check.UntilCount(t, 1, direct.Pool(), countIn, "done")
	proxy.Silence()
	begun := time.Now()
	check.Until(t, "an event is taken", func() bool {
		return errors.Join(b.Publish(t.Context(), []event{d.event(t, oneHears, "after")})...) == nil
	})
	check.UntilCount(t, 0, direct.Pool(), countIn, "due")
	if took := time.Since(begun); took > 40*time.Second {
		t.Errorf("delivered after %v", took)
	}
}
