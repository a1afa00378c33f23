package retire

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidebank/tidebank/shared/pg"
)

const (
	// sqlTables writes, for each table, the query that counts its rows and adds up their
	// hashes, in no order. PostgreSQL itself quotes the names.
	sqlTables = `-- retire.tables
SELECT c.relname::text, format('SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0)::text FROM %I.%I t', n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname = 'public' ORDER BY 1`
	sqlSequences = `-- retire.sequences
SELECT coalesce(string_agg(sequencename || '=' || coalesce(last_value, 0), ' ' ORDER BY sequencename), '') FROM pg_sequences`
	sqlCreateDatabase = `-- retire.create_database
SELECT format('CREATE DATABASE %I', $1::text)`
	sqlDropDatabase = `-- retire.drop_database
SELECT format('DROP DATABASE IF EXISTS %I', $1::text)`
)

// scratch is the database into which the backup is restored.
func scratch(name string) string { return name + "_restored" }

// backup writes the backup and verifies it. It returns the fingerprint of the data.
func (o Order) backup(ctx context.Context, name string) (string, error) {
	if err := os.MkdirAll(o.Backup, 0o700); err != nil {
		return "", fmt.Errorf("backup: %w", err)
	}
	file := filepath.Join(o.Backup, name+".dump")
	original, err := o.fingerprint(ctx, name)
	if err != nil {
		return "", err
	}
	if err := o.program(ctx, "pg_dump", "--format=custom", "--file="+file, name); err != nil {
		return "", fmt.Errorf("%w: %w", ErrBackup, err)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		return "", fmt.Errorf("backup: %w", err)
	}
	o.say("The backup is in %s.", file)
	restored, err := o.restore(ctx, name, file)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrBackup, err)
	}
	if restored != original {
		return "", fmt.Errorf("%w: %s", ErrBackup, firstDifference(original, restored))
	}
	o.say("The restored backup holds the same rows, and its ledger is sound.")
	return original, nil
}

// restore restores the backup into a database of its own, and returns its fingerprint.
func (o Order) restore(ctx context.Context, name, file string) (print string, err error) {
	admin, err := connect(ctx, o.Database, "postgres")
	if err != nil {
		return "", err
	}
	defer admin.Close(ctx) // a failed close loses no data
	if err := run(ctx, admin, sqlDropDatabase, scratch(name)); err != nil {
		return "", err
	}
	if err := run(ctx, admin, sqlCreateDatabase, scratch(name)); err != nil {
		return "", err
	}
	defer func() {
		if dropped := run(context.WithoutCancel(ctx), admin, sqlDropDatabase, scratch(name)); err == nil {
			err = dropped
		}
	}()
	into := "--dbname=" + scratch(name)
	if err := o.program(ctx, "pg_restore", "--exit-on-error", "--no-owner", "--no-privileges", into, file); err != nil {
		return "", err
	}
	if err := o.ledger(ctx, scratch(name)); err != nil {
		return "", err
	}
	return o.fingerprint(ctx, scratch(name))
}

// ledger verifies the ledger of a database.
func (o Order) ledger(ctx context.Context, database string) error {
	address, err := url.Parse(o.Database)
	if err != nil {
		return errors.New("DATABASE_URL can't be read") // the cause would show the password
	}
	address.Path = "/" + database
	db, err := pg.Open(ctx, pg.Config{URL: address.String(), MaxConns: 2})
	if err != nil {
		return err
	}
	defer db.Close()
	return o.VerifyLedger(ctx, db)
}

// table is a table with the query that sums it up.
type table struct{ Name, Query string }

// fingerprint tells what a database holds: for each table the number of rows and a sum of
// their hashes, and the sequences.
func (o Order) fingerprint(ctx context.Context, database string) (string, error) {
	conn, err := connect(ctx, o.Database, database)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx) // a failed close loses no data
	var all strings.Builder
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sqlTables)
		if err != nil {
			return err //nolint:wrapcheck // wrapped below
		}
		tables, err := pgx.CollectRows(rows, pgx.RowToStructByPos[table])
		if err != nil {
			return err //nolint:wrapcheck // wrapped below
		}
		for _, t := range tables {
			var count int64
			var sum string
			if err := tx.QueryRow(ctx, t.Query).Scan(&count, &sum); err != nil {
				return err //nolint:wrapcheck // wrapped below
			}
			fmt.Fprintf(&all, "%s: %d rows, %s\n", t.Name, count, sum)
		}
		var sequences string
		if err := tx.QueryRow(ctx, sqlSequences).Scan(&sequences); err != nil {
			return err //nolint:wrapcheck // wrapped below
		}
		fmt.Fprintf(&all, "sequences: %s\n", sequences)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("fingerprint: %w", err)
	}
	return all.String(), nil
}

// run runs a statement that PostgreSQL writes for a name.
func run(ctx context.Context, conn *pgx.Conn, sql, name string) error {
	var text string
	if err := conn.QueryRow(ctx, sql, name).Scan(&text); err != nil {
		return fmt.Errorf("retire: %w", err)
	}
	if _, err := conn.Exec(ctx, text); err != nil {
		return fmt.Errorf("retire: %w", err)
	}
	return nil
}

// firstDifference names the first table that differs.
func firstDifference(a, b string) string {
	other := strings.Split(b, "\n")
	for i, line := range strings.Split(a, "\n") {
		if i >= len(other) || other[i] != line {
			return fmt.Sprintf("the original has %q, and the backup has another value", line)
		}
	}
	return "the backup has more tables"
}

// program runs a program of PostgreSQL. The password goes by the environment, where
// other users of the machine can't see it.
func (o Order) program(ctx context.Context, name string, args ...string) error {
	config, err := pgx.ParseConfig(o.Database)
	if err != nil {
		return errors.New("DATABASE_URL can't be read") // the cause would show the password
	}
	cmd := exec.CommandContext(ctx, filepath.Join(o.Programs, name), args...) //nolint:gosec // the operator's PostgreSQL
	cmd.Env = append(os.Environ(), environment(o.Database, config.Config)...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(text)))
	}
	return nil
}

// environment is the connection as libpq reads it from the environment.
func environment(address string, c pgconn.Config) []string {
	list := []string{"PGHOST=" + c.Host, "PGPORT=" + strconv.Itoa(int(c.Port)), "PGUSER=" + c.User, "PGPASSWORD=" + c.Password}
	u, err := url.Parse(address)
	if err != nil {
		return list
	}
	for parameter, key := range map[string]string{
		"sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY",
	} {
		if value := u.Query().Get(parameter); value != "" {
			list = append(list, key+"="+value)
		}
	}
	return list
}
