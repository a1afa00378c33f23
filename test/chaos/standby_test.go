package chaos

import (
	"net/http"
	"testing"

	"github.com/google/uuid"

	transferconfirm "github.com/tidebank/tidebank/functions/transfer/confirm"
	"github.com/tidebank/tidebank/infra/migrations"
	"github.com/tidebank/tidebank/infra/pgserver"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
)

// The standby can't be reached, so a commit waits, and its call ends without an answer.
// PostgreSQL then shows the transfer, which is on the primary alone. The bank must not
// acknowledge it to the app that repeats its call: the primary may be lost next.
func TestARepeatWaitsForTheStandby(t *testing.T) {
	t.Parallel()
	server, err := pgserver.Start(t.Context(), pgserver.Config{Dir: t.TempDir(), Settings: map[string]string{"fsync": "off"}})
	check.Must(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	check.Must(t, server.Ensure(t.Context(), "bank"))
	check.Must(t, migrations.Up(t.Context(), server.URL("bank")))
	db, err := pg.Open(t.Context(), pg.Config{URL: server.URL("bank"), MaxConns: 8})
	check.Must(t, err)
	t.Cleanup(db.Close)

	p := bank.PairOn(t, bank.On(t, db), 100_00)
	in := p.Prepare(t, p.ToOwn(1_00))
	order := stepup.Confirmation{IntentID: in.IntentID, Proofs: []stepup.Proof{p.Signed(t, in)}}
	key := uuid.NewString()

	p.Exec(t, "ALTER SYSTEM SET synchronous_standby_names = 'gone'")
	p.Exec(t, "SELECT pg_reload_conf()")
	check.Until(t, "commits wait for the standby", func() bool {
		return check.Value[string](t, db.Pool(), "SELECT current_setting('synchronous_standby_names')") == "gone"
	})
	p.Phone.Call(t, transferconfirm.Function, key, order).Want(t, "SERVICE_UNAVAILABLE")
	if p.Count(t, "SELECT count(*) FROM transfer") != 1 {
		t.Fatal("the transfer is not on the primary; this test shows nothing")
	}
	p.Phone.Call(t, transferconfirm.Function, key, order).Want(t, "SERVICE_UNAVAILABLE")

	p.Exec(t, "ALTER SYSTEM RESET synchronous_standby_names")
	p.Exec(t, "SELECT pg_reload_conf()")
	if r := p.Phone.Call(t, transferconfirm.Function, key, order); r.Status != http.StatusOK {
		t.Errorf("the standby is back: %d %s", r.Status, r.Body)
	}
	if n := p.Count(t, "SELECT count(*) FROM transfer"); n != 1 {
		t.Errorf("%d transfers", n)
	}
	p.CheckLedger(t)
}
