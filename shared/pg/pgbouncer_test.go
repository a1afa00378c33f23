package pg_test

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
)

// pgBouncer runs a PgBouncer before the database of a URL and returns the URL that leads
// through it.
func pgBouncer(t *testing.T, program, database, settings string) string {
	t.Helper()
	behind, err := url.Parse(database)
	check.Must(t, err)
	address := check.FreeAddress(t, "127.0.0.1")
	_, port, err := net.SplitHostPort(address)
	check.Must(t, err)
	name := strings.TrimPrefix(behind.Path, "/")
	file := filepath.Join(t.TempDir(), "pgbouncer.ini")
	check.Must(t, os.WriteFile(file, []byte(fmt.Sprintf(`[databases]
%s = host=%s port=%s dbname=%s user=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
unix_socket_dir =
auth_type = any
%s`, name, behind.Hostname(), behind.Port(), name, behind.User.Username(), port, settings)), 0o600))
	args := []string{file}
	if os.Geteuid() == 0 { // it refuses to run as root
		args = []string{"-u", "nobody", file}
	}
	cmd := exec.Command(program, args...)
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	check.Must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Log(log.String())
		}
	})
	check.Until(t, "PgBouncer listens", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	behind.Host = address
	return behind.String()
}

// A real PgBouncer is refused when a process starts, in each mode of its pool and of pgx,
// with and without the parameters that it refuses. TestAPoolerIsRefused shows the same
// with a small fake, where no PgBouncer is installed.
func TestPgBouncerIsRefused(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer"
		if _, err := os.Stat(program); err != nil {
			t.Skip("PgBouncer is not installed: apt-get install pgbouncer")
		}
	}
	d := newFixture(t)
	const ignore = "ignore_startup_parameters = lock_timeout, statement_timeout, idle_in_transaction_session_timeout\n"
	for _, pool := range []string{"transaction", "session", "statement"} {
		for name, settings := range map[string]string{"strict": "", "lenient": ignore} {
			through := pgBouncer(t, program, d.url, "pool_mode = "+pool+"\n"+settings)
			for _, mode := range []string{"", "cache_statement", "cache_describe", "describe_exec"} {
				at := through
				if mode != "" {
					at += "&default_query_exec_mode=" + mode
				}
				err := open(t, pg.Config{URL: at, MaxConns: 2}).Refused()
				if !errors.Is(err, pg.ErrPooler) {
					t.Errorf("%s, %s, %q: %v, want %v", pool, name, mode, err, pg.ErrPooler)
				}
			}
			for _, mode := range []string{"exec", "simple_protocol"} {
				_, err := pg.Open(t.Context(), pg.Config{URL: through + "&default_query_exec_mode=" + mode})
				if !errors.Is(err, pg.ErrMode) {
					t.Errorf("%s, %s, %s: %v, want %v", pool, name, mode, err, pg.ErrMode)
				}
			}
			if err := single(t, through); !errors.Is(err, pg.ErrPooler) {
				t.Errorf("%s, %s: migrations: %v, want %v", pool, name, err, pg.ErrPooler)
			}
		}
	}
}

// single connects as migrations and `tide roles apply` do.
func single(t *testing.T, url string) error {
	t.Helper()
	config, refuse, err := pg.Config{URL: url}.Single("test")
	check.Must(t, err)
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		return err
	}
	defer conn.Close(t.Context()) // a failed close loses no data
	return refuse(t.Context(), conn)
}
