package fn_test

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/infra/pgserver"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/proxytest"
	"github.com/tidebank/tidebank/test/req"
)

// asking is a database server that asks every user for a password over the network.
func asking(t *testing.T) (admin *pgx.Conn, log *bank.Log, address func(user, password string) string) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs PostgreSQL; left out with -short")
	}
	log = &bank.Log{}
	server, err := pgserver.Start(t.Context(), pgserver.Config{Dir: t.TempDir(), Log: log})
	check.Must(t, err)
	t.Cleanup(func() { check.Must(t, server.Stop()) })
	admin, err = pgx.Connect(t.Context(), server.URL("postgres"))
	check.Must(t, err)
	t.Cleanup(func() { _ = admin.Close(t.Context()) }) // the server ends
	rules := check.Value[string](t, admin, "SHOW hba_file")
	check.Must(t, os.WriteFile(rules, []byte("host all all 127.0.0.1/32 scram-sha-256\n"), 0o600))
	check.Exec(t, admin, "SELECT pg_reload_conf()")
	at, err := url.Parse(server.URL("postgres"))
	check.Must(t, err)
	return admin, log, func(user, password string) string {
		own := *at
		own.User = url.UserPassword(user, password)
		return own.String()
	}
}

// The user, the password and the address of the database stand in the configuration only:
// the same program connects with the new ones after a change of the configuration, and
// with the old ones no more.
func TestTheDatabaseIsAMatterOfConfiguration(t *testing.T) {
	t.Parallel()
	req.Covers(t, "KEY-012.2")
	admin, server, address := asking(t)
	first, second, third := rand.Text(), rand.Text(), rand.Text()
	check.Exec(t, admin, "CREATE ROLE first_user LOGIN PASSWORD '"+first+"'")
	check.Exec(t, admin, "CREATE ROLE second_user LOGIN PASSWORD '"+second+"'")
	keyFile, setting := filepath.Join(t.TempDir(), "keys"), filepath.Join(t.TempDir(), "database-url")
	check.Must(t, keys.Create(keyFile))
	redis := miniredis.RunT(t)

	// serves starts the program, whose environment never changes: it names the file of the setting.
	serves := func(text string) (user string, ready bool) {
		t.Helper()
		check.Must(t, os.WriteFile(setting, []byte(text), 0o600))
		refusals := func() int { return strings.Count(server.String(), "password authentication failed") }
		before, port := refusals(), check.FreePort(t)
		cmd, log := process(t, "PORT="+port, "DATABASE_URL=file://"+setting, "REDIS_URL=redis://"+redis.Addr(),
			"KEYS_FILE="+keyFile, "FN_TRUSTED_PROXIES=none")
		base := "http://127.0.0.1:" + port
		check.Until(t, "listen", func() bool { return status(t.Context(), base+"/_/health") == http.StatusOK })
		check.Until(t, "an answer of the database", func() bool {
			ready = status(t.Context(), base+"/_/ready") == http.StatusOK
			return ready || refusals() > before
		})
		if ready {
			user = check.Value[string](t, admin, `
SELECT COALESCE(min(usename::text), '') FROM pg_stat_activity WHERE usename IN ('first_user', 'second_user')`)
		}
		check.Must(t, cmd.Process.Signal(syscall.SIGTERM))
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %s", err, log)
		}
		if strings.Contains(log.String(), first) || strings.Contains(log.String(), second) || strings.Contains(log.String(), third) {
			t.Errorf("the log shows a password: %s", log)
		}
		check.UntilCount(t, 0, admin, "SELECT count(*) FROM pg_stat_activity WHERE usename IN ('first_user', 'second_user')")
		return user, ready
	}
	if user, ready := serves(address("first_user", first)); !ready || user != "first_user" {
		t.Errorf("it connects as %q, ready %v", user, ready)
	}
	if user, ready := serves(address("second_user", second)); !ready || user != "second_user" {
		t.Errorf("with another user: it connects as %q, ready %v", user, ready)
	}
	check.Exec(t, admin, "ALTER ROLE second_user PASSWORD '"+third+"'")
	if _, ready := serves(address("second_user", second)); ready {
		t.Error("it connects with the old password")
	}
	if user, ready := serves(address("second_user", third)); !ready || user != "second_user" {
		t.Errorf("with another password: it connects as %q, ready %v", user, ready)
	}
	proxy, through := proxytest.To(t, address("second_user", third))
	if user, ready := serves(through); !ready || user != "second_user" || proxy.Turns() == 0 {
		t.Errorf("at another address: it connects as %q, ready %v, after %d turns", user, ready, proxy.Turns())
	}
}
