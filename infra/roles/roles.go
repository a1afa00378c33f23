// Package roles gives each function and worker a database role of its own, with the
// privileges that its statements need and no others. roles.sql is generated from the
// source (infra/gen).
//
// A function that is connected by its role can't read or write another table, and it
// changes only the columns that its statements change. Money moves only by the SQL
// functions of the ledger, which run with the rights of their owner: no function and no
// worker may write balances, postings or entries itself.
package roles

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidebank/tidebank/infra/migrations"
	"github.com/tidebank/tidebank/shared/pg"
)

//go:embed roles.sql
var generated string

// sqlLock keeps two runs from changing the same privileges at once.
const sqlLock = `-- roles.lock
SELECT pg_advisory_xact_lock(7124003)`

// timeout ends a run that waits for a lock, or whose connection is lost.
const timeout = time.Minute

// Apply creates the roles that the server lacks, and gives all roles their privileges
// on the database at url, and no others. It needs the rights of the tables' owner, and
// CREATEROLE. Run it when all instances are of this release. It takes nothing away while
// the SQL functions are a later release's: most of them run with the rights of their
// caller. A role can't log in until the operator gives it a password or a certificate.
func Apply(ctx context.Context, url string) error {
	return run(ctx, url, func(conn *pgx.Conn) ([]string, error) {
		_, grant := statements()
		later, err := migrations.Later(ctx, conn)
		if later {
			grant = additions()
		}
		return grant, err
	})
}

// Add is Apply, but it takes no privilege away: instances of another release that still
// run keep theirs. Run it after each migration, before the first instance of this
// release, and Apply after the last one.
func Add(ctx context.Context, url string) error {
	return run(ctx, url, func(*pgx.Conn) ([]string, error) { return additions(), nil })
}

// Additions prepares that the migrations give the privileges themselves, in the transaction
// that replaces the SQL functions: it creates the roles that the server lacks, and returns
// the statements.
func Additions(ctx context.Context, url string) ([]string, error) {
	err := run(ctx, url, func(*pgx.Conn) ([]string, error) { return nil, nil })
	return append([]string{sqlLock}, additions()...), err
}

// additions are the statements that give privileges and take none from a role. That nobody
// has rights without a role (PUBLIC) holds for each release.
func additions() []string {
	_, grant := statements()
	return slices.DeleteFunc(grant, func(sql string) bool {
		return strings.HasPrefix(sql, "REVOKE ") && !strings.HasSuffix(sql, " FROM PUBLIC;")
	})
}

// run creates the roles that the server lacks, and then runs the statements in one
// transaction.
func run(ctx context.Context, url string, grants func(*pgx.Conn) ([]string, error)) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	config, check, err := pg.Config{URL: url}.Single("tidebank-roles")
	if err != nil {
		return fmt.Errorf("roles: %w", err)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("roles: %w", err)
	}
	defer conn.Close(ctx) // a failed close loses no data
	if err := check(ctx, conn); err != nil {
		return fmt.Errorf("roles: %w", err)
	}
	create, _ := statements()
	for _, sql := range create {
		// Roles belong to the server, not to one database: another run may have created them.
		var known *pgconn.PgError
		if _, err := conn.Exec(ctx, sql); errors.As(err, &known) && (known.Code == "42710" || known.Code == "23505") {
			continue
		} else if err != nil {
			return fmt.Errorf("roles: %w", err)
		}
	}
	grant, err := grants(conn)
	if err != nil || len(grant) == 0 {
		return err
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return fmt.Errorf("roles: %w", err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // after the commit there is nothing to roll back
	for _, sql := range append([]string{sqlLock}, grant...) {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return fmt.Errorf("roles: %w", err)
		}
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("roles: %w", err)
	}
	return nil
}

// statements splits the generated file: roles to create, and privileges to give.
func statements() (create, grant []string) {
	for line := range strings.SplitSeq(generated, "\n") {
		switch {
		case strings.HasPrefix(line, "CREATE ROLE "):
			create = append(create, line)
		case line != "" && !strings.HasPrefix(line, "--"):
			grant = append(grant, line)
		}
	}
	return create, grant
}

// Names lists the roles that Apply creates.
func Names() []string {
	create, _ := statements()
	names := make([]string, 0, len(create))
	for _, sql := range create {
		names = append(names, strings.Fields(sql)[2])
	}
	return names
}

// Name is the database role of a function or worker.
func Name(function string) string { return "tidebank_" + strings.ReplaceAll(function, "-", "_") }
