// Package pgtest gives each test a PostgreSQL database of its own.
//
// A test process starts one server, or uses TIDEBANK_TEST_DATABASE_URL. It has one migrated
// template database, and clones it for each test in a fraction of a second. Test processes
// with the same migrations share the prepared data of a server (prepared.go). The server
// keeps no data and does not sync, so crash tests start their own server.
package pgtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/infra/migrations"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
)

type cluster struct {
	url func(database string) string
	err error
}

var (
	start  = sync.OnceValue(startCluster)
	clones atomic.Int64
)

// New returns a migrated, empty database that lives as long as the test.
func New(t testing.TB) *pg.DB {
	t.Helper()
	db, _ := NewURL(t)
	return db
}

// NewURL is New, with the database's address.
func NewURL(t testing.TB) (*pg.DB, string) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs PostgreSQL; left out with -short")
	}
	c := start()
	check.Must(t, c.err)
	name := fmt.Sprintf("t%d_%d", os.Getpid(), clones.Add(1))
	admin(t, c, "CREATE DATABASE "+name+" TEMPLATE "+template()+" STRATEGY file_copy")
	url := c.url(name)
	db, err := pg.Open(t.Context(), pg.Config{URL: url, MaxConns: 16})
	check.Must(t, err)
	t.Cleanup(func() {
		db.Close()
		admin(t, c, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	})
	return db, url
}

// Broken returns a database that always fails.
func Broken(t testing.TB) *pg.DB {
	t.Helper()
	db, err := pg.Open(t.Context(), pg.Config{URL: "postgres://nobody@127.0.0.1:1/none?sslmode=disable", MaxConns: 1})
	check.Must(t, err)
	t.Cleanup(db.Close)
	return db
}

// template is the database to clone. Test processes may share a server, so it has the process's number.
func template() string { return fmt.Sprintf("template_%d", os.Getpid()) }

// creating serialises the clones: PostgreSQL can't copy a template twice at once.
var creating sync.Mutex

func admin(t testing.TB, c cluster, sql string) {
	t.Helper()
	creating.Lock()
	defer creating.Unlock()
	check.Must(t, run(c, sql))
}

func run(c cluster, sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.url("postgres"))
	if err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	defer conn.Close(ctx) // a failed close loses no data
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	return nil
}

const prefix = "tidebank-pgtest-"

// sweep removes the folders of test processes that have ended.
func sweep() {
	found, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range found {
		pid, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(dir), prefix))
		if err != nil || syscall.Kill(pid, 0) == nil {
			continue
		}
		_ = os.RemoveAll(dir) // the next test process tries again
	}
}

func startCluster() cluster {
	ctx := context.Background()
	c := cluster{}
	if given := os.Getenv("TIDEBANK_TEST_DATABASE_URL"); given != "" {
		base, query, _ := strings.Cut(given, "?")
		base = base[:strings.LastIndex(base, "/")+1]
		c.url = func(database string) string { return base + database + "?" + query }
	} else {
		sweep()
		dir := filepath.Join(os.TempDir(), prefix+strconv.Itoa(os.Getpid()))
		server, err := startPrepared(ctx, dir)
		if err != nil {
			return cluster{err: err}
		}
		// The server ends with this process, and the next test process removes its folder.
		c.url = server.URL
		if err := run(c, "ALTER DATABASE "+preparedName+" RENAME TO "+template()); err != nil {
			return cluster{err: err}
		}
		return c
	}
	if err := run(c, "CREATE DATABASE "+template()); err != nil {
		return cluster{err: err}
	}
	if err := migrations.Up(ctx, c.url(template())); err != nil {
		return cluster{err: err}
	}
	return c
}
