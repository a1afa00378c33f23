// Package migrations contains the schema and migrates a database to it.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // goose uses database/sql
	"github.com/pressly/goose/v3"
)

//go:embed *.sql functions/*.sql
var files embed.FS

// Up applies the migrations that the database at url lacks, then all files of
// functions/. If several processes start at once, one process migrates and the other
// processes wait.
func Up(ctx context.Context, url string) error {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer db.Close()       // a failed close loses no data
	const lock = 7_124_001 // a number that only migrations use
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer conn.Close() // returns the connection to the pool, which does not release the lock
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", lock); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer func() { // unlock at once: the server ends a closed connection a little later
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", lock)
	}()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if err := replaceFunctions(ctx, conn); err != nil {
		return fmt.Errorf("migrate functions: %w", err)
	}
	return nil
}

// replaceFunctions gives every SQL function the body of its file, in one transaction.
// It does so in every run. A run without changes takes about 30 ms, so comparing
// digests first would save too little.
func replaceFunctions(ctx context.Context, conn *sql.Conn) error {
	names, err := fs.Glob(files, "functions/*.sql")
	if err != nil {
		return err //nolint:wrapcheck // Up wraps it
	}
	var all strings.Builder
	for _, name := range names {
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return err //nolint:wrapcheck // as above
		}
		all.Write(body)
	}
	// Without arguments, PostgreSQL runs all statements of one text as one transaction.
	_, err = conn.ExecContext(ctx, all.String())
	return err //nolint:wrapcheck // as above
}
