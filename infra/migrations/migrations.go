// Package migrations carries the schema and brings a database up to it.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // goose speaks database/sql
	"github.com/pressly/goose/v3"
)

//go:embed *.sql functions/*.sql
var files embed.FS

// Up applies the migrations that the database at url still lacks, then all files of
// functions/. Of processes that start together one migrates and the others wait.
func Up(ctx context.Context, url string) error {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer db.Close()       // a failed close loses nothing
	const lock = 7_124_001 // any number that only migrations use
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer conn.Close() // it returns to the pool, which keeps the lock
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", lock); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer func() { // at once: the server ends a closed connection only a little later
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

// replaceFunctions gives every SQL function the body of its file, in one
// transaction. It does so at every run: one without anything new takes some 30 ms in
// all, so comparing digests first would save nothing that matters.
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
