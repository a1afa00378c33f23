package pgserver_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/infra/pgserver"
	"github.com/tidebank/tidebank/test/check"
)

// start runs a server. If the test fails before it stops the server, the server ends
// with the test's process.
func start(t *testing.T, config pgserver.Config) *pgserver.Server {
	t.Helper()
	if testing.Short() {
		t.Skip("needs PostgreSQL; left out with -short")
	}
	s, err := pgserver.Start(t.Context(), config)
	check.Must(t, err)
	return s
}

func stop(t *testing.T, s *pgserver.Server) {
	t.Helper()
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
}

// query runs a statement and returns its only value.
func query(t *testing.T, s *pgserver.Server, database, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL(database))
	check.Must(t, err)
	defer conn.Close(t.Context())
	return check.Value[string](t, conn, sql)
}

func exec(t *testing.T, s *pgserver.Server, database, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL(database))
	check.Must(t, err)
	defer conn.Close(t.Context())
	check.Exec(t, conn, sql)
}

func TestDataOutlivesStopsAndKills(t *testing.T) {
	t.Parallel()
	config := pgserver.Config{Dir: t.TempDir(), Persistent: true}
	s := start(t, config)
	for range 2 { // the second finds it
		check.Must(t, s.Ensure(t.Context(), "tidebank"))
	}
	exec(t, s, "tidebank", "CREATE TABLE note AS SELECT 'before the stop' AS text")
	stop(t, s)

	s = start(t, config)
	exec(t, s, "tidebank", "INSERT INTO note VALUES ('before the kill')")
	check.Must(t, syscall.Kill(s.PID(), syscall.SIGKILL))
	stop(t, s) // nothing is left to stop, and that is no error

	s = start(t, config) // also while the killed server's children still hold its memory
	defer stop(t, s)
	if got := query(t, s, "tidebank", "SELECT string_agg(text, ', ') FROM note"); got != "before the stop, before the kill" {
		t.Errorf("kept %q", got)
	}
}

func TestNothingIsKeptUnlessAsked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, pgserver.Config{Dir: dir, Settings: map[string]string{"fsync": "off", "max_connections": "17"}})
	check.Must(t, os.WriteFile(filepath.Join(dir, "mine"), nil, 0o600))
	if got := query(t, s, "postgres", "SHOW max_connections"); got != "17" {
		t.Errorf("max_connections is %s, want the setting", got)
	}
	if got := query(t, s, "postgres", "SHOW listen_addresses"); got != "127.0.0.1" {
		t.Errorf("it listens on %s", got)
	}
	stop(t, s)
	if _, err := pgx.Connect(t.Context(), s.URL("postgres")); err == nil {
		t.Error("it answers after Stop")
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	check.Must(t, err)
	if diff := cmp.Diff([]string{filepath.Join(dir, "mine")}, left); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
}

// Ensure makes a database of any name once.
func TestEnsure(t *testing.T) {
	t.Parallel()
	s := start(t, pgserver.Config{Dir: t.TempDir(), Settings: map[string]string{"fsync": "off"}})
	defer stop(t, s)
	const odd = `odd"; DROP DATABASE postgres; --`
	for _, name := range []string{odd, odd, "even"} {
		check.Must(t, s.Ensure(t.Context(), name))
	}
	const list = "SELECT string_agg(datname, '|' ORDER BY datname) FROM pg_database WHERE NOT datistemplate"
	if got := query(t, s, "postgres", list); got != "even|"+odd+"|postgres" {
		t.Errorf("databases: %s", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Ensure(ctx, "never"); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled Ensure: %v", err)
	}
}

// locked is a writer that the server and the test share.
type locked struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestAServerThatCannotStartIsTold(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs PostgreSQL; left out with -short")
	}
	dir, log := t.TempDir(), new(locked)
	_, err := pgserver.Start(t.Context(), pgserver.Config{
		Dir: dir, Log: log, Settings: map[string]string{"no_such_setting": "1"},
	})
	if err == nil || !strings.Contains(err.Error(), "stopped while starting") {
		t.Errorf("a wrong setting: %v", err)
	}
	if !strings.Contains(log.String(), "no_such_setting") {
		t.Errorf("the log does not name the setting: %q", log.String())
	}
	output, err := os.Create(filepath.Join(dir, "postgres.log"))
	check.Must(t, err)
	t.Cleanup(func() { _ = output.Close() })
	_, err = pgserver.Start(t.Context(), pgserver.Config{
		Dir: dir, Log: output, Settings: map[string]string{"no_such_setting": "1"},
	})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") || !strings.Contains(err.Error(), output.Name()) {
		t.Errorf("the error does not say what the server wrote: %v", err)
	}
	file := filepath.Join(dir, "file")
	check.Must(t, os.WriteFile(file, nil, 0o600))
	if _, err := pgserver.Start(t.Context(), pgserver.Config{Dir: file}); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("a file for a folder: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := pgserver.Start(ctx, pgserver.Config{Dir: filepath.Join(dir, "other")}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled start: %v", err)
	}
}

// FindBin takes the folder that PATH leads to. It follows a link to the real folder,
// which holds initdb too.
func TestFindBinFollowsPath(t *testing.T) {
	real, link := t.TempDir(), t.TempDir()
	const program = "#!/bin/sh\necho 'postgres (PostgreSQL) 16.3 (Debian 16.3-1)'\n"
	check.Must(t, os.WriteFile(filepath.Join(real, "postgres"), []byte(program), 0o700))
	check.Must(t, os.Symlink(filepath.Join(real, "postgres"), filepath.Join(link, "postgres")))
	want, err := filepath.EvalSymlinks(real)
	check.Must(t, err)
	for _, path := range []string{real, link} {
		t.Setenv("PATH", path)
		if got, err := pgserver.FindBin(); err != nil || got != want {
			t.Errorf("PATH %s: found %q, %v; want %s", path, got, err, want)
		}
	}
	t.Setenv("PATH", t.TempDir())
	found, err := pgserver.FindBin() // Debian's folder, or nothing
	if err != nil && !errors.Is(err, pgserver.ErrNotFound) {
		t.Errorf("nothing in PATH: %v", err)
	}
	if err == nil {
		if _, err := os.Stat(filepath.Join(found, "postgres")); errors.Is(err, fs.ErrNotExist) {
			t.Errorf("found %s, where no postgres is", found)
		}
	}
}

// Data of another major version are refused and stay as they are.
func TestDataOfAnotherVersionStay(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs PostgreSQL; left out with -short")
	}
	for _, made := range []string{"14", "99", "9.6"} {
		dir := t.TempDir()
		data := filepath.Join(dir, "pgdata")
		check.Must(t, os.Mkdir(data, 0o700))
		for name, text := range map[string]string{"PG_VERSION": made + "\n", "rows": "precious"} {
			check.Must(t, os.WriteFile(filepath.Join(data, name), []byte(text), 0o600))
		}
		_, err := pgserver.Start(t.Context(), pgserver.Config{Dir: dir})
		major, _, _ := strings.Cut(made, ".")
		if !errors.Is(err, pgserver.ErrOtherVersion) || !strings.Contains(err.Error(), "need PostgreSQL "+major) ||
			!strings.Contains(err.Error(), data) {
			t.Errorf("data of %s: %v", made, err)
		}
		if kept, err := os.ReadFile(filepath.Join(data, "rows")); err != nil || string(kept) != "precious" {
			t.Errorf("data of %s: %q, %v", made, kept, err)
		}
	}
}
