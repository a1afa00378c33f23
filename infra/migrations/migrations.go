// Package migrations contains the schema and migrates a database to it.
package migrations

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
)

//go:embed *.sql functions/*.sql
var files embed.FS

// functionsFile is the revision of functions/ and their digest (infra/gen).
//
//go:embed functions.txt
var functionsFile string

// Digest names what this release's migrations make: prepared data of the same digest need no migration.
func Digest() string {
	var parts [][]byte
	for _, pattern := range []string{"*.sql", "functions/*.sql"} {
		names, _ := fs.Glob(files, pattern) // the patterns are well formed
		for _, name := range names {
			text, _ := files.ReadFile(name) // the binary holds it
			parts = append(parts, fmt.Appendf(nil, "%s %d\n%s\n", name, len(text), text))
		}
	}
	return hex.EncodeToString(sm.Digest(parts...))[:16]
}

// Up applies the migrations that the database at url lacks, then all files of
// functions/. If several processes start at once, one process migrates and the other
// processes wait.
func Up(ctx context.Context, url string) error { return Run{URL: url}.Up(ctx) }

// Run is one run of the migrations.
type Run struct {
	URL string
	// LockWait is how long the run waits for a lock that another process holds; a
	// minute if zero. Then the run gives up, and names that process.
	LockWait time.Duration
	// Silence is how long the server may have no work of this run, or give no answer,
	// while the run waits for it; 20 s if zero. Then the connection is lost.
	Silence time.Duration
	// Report gets a line when the run begins to wait for another process; it may be
	// nil.
	Report func(line string)
	// Grants are statements that give privileges. They run in the transaction that replaces
	// the SQL functions: a function may need a new table at its first call.
	Grants []string
}

const (
	defaultLockWait = time.Minute
	defaultSilence  = 20 * time.Second
	unlockTimeout   = 5 * time.Second
)

// Up is the function Up with the settings of the run.
func (r Run) Up(ctx context.Context) error {
	r.LockWait, r.Silence = cmp.Or(r.LockWait, defaultLockWait), cmp.Or(r.Silence, defaultSilence)
	name := "tidebank-migrate " + uuid.NewString()
	config, check, err := pg.Config{URL: r.URL}.Single(name)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	w := &watcher{config: config.Copy(), name: name, silence: r.Silence, report: r.Report}
	config.RuntimeParams["lock_timeout"] = strconv.FormatInt(r.LockWait.Milliseconds(), 10)
	db := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(check))
	defer db.Close() // a failed close loses no data

	ctx, give := context.WithCancelCause(ctx)
	defer give(nil)
	watched := make(chan struct{})
	watching, stop := context.WithCancel(ctx)
	go func() {
		defer close(watched)
		w.run(watching, give)
	}()
	err = r.migrate(ctx, db)
	stop()
	<-watched
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); errors.Is(cause, ErrSilent) {
		return fmt.Errorf("migrate: %w", cause)
	}
	return fmt.Errorf("migrate: %w", w.explain(err, r.LockWait))
}

func (r Run) migrate(ctx context.Context, db *sql.DB) error {
	const lock = 7_124_001 // a number that only migrations use
	conn, err := db.Conn(ctx)
	if err != nil {
		return err //nolint:wrapcheck // Up wraps it
	}
	defer conn.Close() // returns the connection to the pool, which does not release the lock
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", lock); err != nil {
		return fmt.Errorf("wait for other migrations: %w", err)
	}
	defer func() { // unlock at once: the server ends a closed connection a little later
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unlockTimeout)
		defer cancel()
		_, _ = conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", lock)
	}()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files)
	if err != nil {
		return err //nolint:wrapcheck // as above
	}
	if _, err := provider.Up(ctx); err != nil {
		return err //nolint:wrapcheck // as above
	}
	if err := r.replaceFunctions(ctx, conn); err != nil {
		return fmt.Errorf("functions: %w", err)
	}
	return nil
}

// replaceFunctions gives every SQL function the body of its file, in one transaction.
// It does so in every run. A run without changes takes about 30 ms, so comparing
// digests first would save too little. But the migrations of an earlier release leave
// the functions of a later one alone: instances of the later one still call them, and a
// function whose parameters have changed would exist twice.
func (r Run) replaceFunctions(ctx context.Context, conn *sql.Conn) error {
	own, err := revision()
	if err != nil {
		return err
	}
	var known int
	if err := conn.QueryRowContext(ctx, sqlRevision).Scan(&known); err != nil {
		return err //nolint:wrapcheck // Up wraps it
	}
	bodies := ""
	if known > own {
		if r.Report != nil {
			r.Report(fmt.Sprintf("the SQL functions stay at revision %d of a later release; this one has %d", known, own))
		}
	} else if bodies, err = functionBodies(); err != nil {
		return err
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err //nolint:wrapcheck // as above
	}
	defer tx.Rollback() //nolint:errcheck // after the commit there is nothing to roll back
	for _, sql := range append([]string{bodies}, r.Grants...) {
		if _, err := tx.ExecContext(ctx, sql); err != nil {
			return err //nolint:wrapcheck // as above
		}
	}
	if _, err := tx.ExecContext(ctx, sqlSetRevision, max(known, own)); err != nil {
		return err //nolint:wrapcheck // as above
	}
	return tx.Commit() //nolint:wrapcheck // as above
}

// functionBodies are the texts of all files of functions/.
func functionBodies() (string, error) {
	names, err := fs.Glob(files, "functions/*.sql")
	if err != nil {
		return "", err //nolint:wrapcheck // Up wraps it
	}
	var all strings.Builder
	for _, name := range names {
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return "", err //nolint:wrapcheck // as above
		}
		all.Write(body)
	}
	return all.String(), nil
}

// Later tells if the SQL functions of the database are those of a later release.
func Later(ctx context.Context, db *pgx.Conn) (bool, error) {
	own, err := revision()
	if err != nil {
		return false, err
	}
	var known int
	if err := db.QueryRow(ctx, sqlRevision).Scan(&known); err != nil {
		return false, fmt.Errorf("revision of the SQL functions: %w", err)
	}
	return known > own, nil
}

const (
	sqlRevision = `-- function_revision.get
SELECT coalesce(max(revision), 0) FROM function_revision`
	sqlSetRevision = `-- function_revision.set
INSERT INTO function_revision (revision) VALUES ($1)
    ON CONFLICT (single) DO UPDATE SET revision = excluded.revision WHERE function_revision.revision <> excluded.revision`
)

// revision counts the changes of functions/. "make gen" raises it.
func revision() (int, error) {
	number, _, _ := strings.Cut(functionsFile, " ")
	n, err := strconv.Atoi(number)
	if err != nil {
		return 0, fmt.Errorf("functions.txt: %w", err)
	}
	return n, nil
}
