package confirm_test

import (
	"testing"

	handler "github.com/openfaas/templates-sdk/go-http"

	transferconfirm "github.com/tidebank/tidebank/functions/transfer/confirm"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
)

// twoInstances opens the function twice, each time with connections of its own to
// the bank's database at url. Call leave to close them.
func twoInstances(t *testing.T, b *bank.Bank, url string) (instances [2]handler.FunctionHandler, leave func()) {
	t.Helper()
	var hosts [2]host.Host
	for i := range hosts {
		hosts[i] = *b.Host
		var err error
		hosts[i].DB, err = pg.Open(t.Context(), pg.Config{URL: url, MaxConns: 16})
		check.Must(t, err)
		t.Cleanup(hosts[i].DB.Close)
		instances[i], err = transferconfirm.Function.Open(t.Context(), &hosts[i], host.Values())
		check.Must(t, err)
	}
	return instances, func() { hosts[0].DB.Close(); hosts[1].DB.Close() }
}

// slowLimits makes whoever has used a limit wait before the commit, so that others
// look at the limit meanwhile.
func slowLimits(t *testing.T, db *pg.DB) {
	t.Helper()
	_, err := db.Pool().Exec(t.Context(), `
CREATE FUNCTION pause_limit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.02); RETURN NULL; END $$;
CREATE TRIGGER limit_pause AFTER INSERT OR UPDATE ON limit_use FOR EACH ROW EXECUTE FUNCTION pause_limit()`)
	check.Must(t, err)
}
