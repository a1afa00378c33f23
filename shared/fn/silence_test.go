package fn_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/proxytest"
)

// A call whose connection to PostgreSQL goes silent is answered within its time and the
// short time after it. Within seconds the function works again.
func TestACallOnASilentConnection(t *testing.T) {
	t.Parallel()
	_, url := pgtest.NewURL(t)
	proxy, through := proxytest.To(t, url)
	db, err := pg.Open(t.Context(), pg.Config{URL: through, MaxConns: 2})
	check.Must(t, err)
	t.Cleanup(db.Close)
	b := bank.On(t, db)
	f := declare("test-audited", func(s *fn.Spec) { s.Audit = fn.AuditRead },
		func(context.Context, given, struct{}) (note, error) { return note{"read"}, nil })
	d := b.Device(t, "phone-silent")
	d.Call(t, f, "", struct{}{}).Want(t, "")
	proxy.SilenceAll()
	begun := time.Now()
	if got := d.Call(t, f, "", struct{}{}); got.Code != "SERVICE_UNAVAILABLE" || time.Since(begun) > 15*time.Second {
		t.Errorf("%d %s after %v", got.Status, got.Code, time.Since(begun))
	}
	proxy.Heal()
	deadline := time.Now().Add(10 * time.Second)
	check.Until(t, "a good answer", func() bool { return d.Call(t, f, "", struct{}{}).Status == http.StatusOK })
	if time.Now().After(deadline) {
		t.Error("the function worked again only after 10 s")
	}
}
