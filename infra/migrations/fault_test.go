package migrations_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/infra/migrations"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/proxytest"
)

// A run behind a held lock tells who holds it, gives up, and shows no query.
func TestARunGivesUpBehindALock(t *testing.T) {
	t.Parallel()
	url := empty(t)
	check.Must(t, migrations.Up(t.Context(), url))
	holder := connect(t, url+"&application_name=long-report")
	const secret = "13800010001"
	check.Exec(t, holder, "BEGIN; LOCK TABLE goose_db_version; SELECT '"+secret+"'")
	var lines []string
	err := migrations.Run{
		URL: url, LockWait: 5 * time.Second, Report: func(line string) { lines = append(lines, line) },
	}.Up(t.Context())
	pid := "process " + strconv.Itoa(int(holder.PgConn().PID()))
	if err == nil || len(lines) != 1 {
		t.Fatalf("%v, and it reports %q", err, lines)
	}
	for _, text := range []string{err.Error(), lines[0]} {
		if !strings.Contains(text, pid+` (application "long-report", idle in transaction for `) || strings.Contains(text, secret) {
			t.Errorf("it says %q", text)
		}
	}
	check.Exec(t, holder, "ROLLBACK")
	check.Must(t, migrations.Up(t.Context(), url))
}

// A run whose connections go silent ends, before it has begun and while it works.
func TestARunEndsOnASilentConnection(t *testing.T) {
	t.Parallel()
	url := empty(t)
	proxy, through := proxytest.To(t, url)
	proxy.SilenceAll()
	if err := (migrations.Run{URL: through, Silence: 2 * time.Second}).Up(t.Context()); err == nil {
		t.Error("no answer, and no error")
	}
	proxy.Heal()
	db := connect(t, url)
	ended := make(chan error, 1)
	check.Must(t, migrations.Up(t.Context(), url))
	check.Exec(t, db, "BEGIN; LOCK TABLE goose_db_version") // the run waits here
	go func() { ended <- migrations.Run{URL: through, Silence: 2 * time.Second}.Up(t.Context()) }()
	check.UntilCount(t, 1, connect(t, url), `
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)
	proxy.Silence()
	check.Exec(t, db, "ROLLBACK") // PostgreSQL does the work now, and its answer gets lost
	select {
	case err := <-ended:
		if !errors.Is(err, migrations.ErrSilent) {
			t.Errorf("%v, want %v", err, migrations.ErrSilent)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it has not ended after 30 s")
	}
	check.Must(t, migrations.Up(t.Context(), url))
}

// A run refuses an address with which it could not work.
func TestARunRefusesAddresses(t *testing.T) {
	t.Parallel()
	url := empty(t)
	for text, want := range map[string]error{
		"postgres://": pg.ErrHost,
		url + "&default_query_exec_mode=simple_protocol": pg.ErrMode,
		url + "&default_query_exec_mode=exec":            pg.ErrMode,
	} {
		if err := migrations.Up(t.Context(), text); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
}
