// Package retire takes the bank out of service: it backs the data up, verifies the
// backup, and then removes every resource that the bank has.
//
// It refuses to start without a signed approval of this database's retirement
// (infra/record), without a copy of the key file, while other connections are open, or
// if Redis holds keys of another system. The backup is restored into a database of its
// own and compared with the original, row by row, and its ledger is verified. A backup
// that fails, or data that change meanwhile, stop everything before the first removal.
// A removal that was interrupted can be repeated: what is gone already is no error.
package retire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/infra/record"
	"github.com/tidebank/tidebank/shared/pg"
)

// Reasons why nothing is removed.
var (
	ErrApproval = errors.New("the retirement has no valid approval")
	ErrKeyCopy  = errors.New("the copy of the key file is not the key file's copy; without the keys, nobody can read the backup")
	ErrBackup   = errors.New("the backup is not what the database holds")
	ErrBusy     = errors.New("other processes are connected; stop all functions and workers first")
	ErrForeign  = errors.New("there are keys in Redis that the bank does not write; give the bank a Redis of its own, or move them")
)

// Order is the order to retire a bank.
type Order struct {
	Trust    record.Trust
	Approval record.Record

	Database string   // DATABASE_URL of the tables' owner, who may also create databases and remove roles
	Redis    string   // REDIS_URL
	KeyFile  string   // KEYS_FILE
	KeyCopy  string   // a copy of the key file that is kept with the bank's archives
	Secrets  []string // other files with secrets
	Backup   string   // the folder of the backup

	Programs string // the folder of pg_dump and pg_restore
	// VerifyLedger checks the ledger of the restored database with the bank's keys.
	VerifyLedger func(ctx context.Context, db *pg.DB) error

	Now time.Time
	Log io.Writer
}

// Run retires the bank. After an error of this package's list, nothing was removed.
func Run(ctx context.Context, o Order) error {
	name, err := o.approved()
	if err != nil {
		return err
	}
	if err := o.sameKeys(); err != nil {
		return err
	}
	if err := o.foreignKeys(ctx); err != nil {
		return err
	}
	if err := o.idle(ctx); err != nil {
		return err
	}
	before, err := o.backup(ctx, name)
	if err != nil {
		return err
	}
	// The last look before the removal: nobody has written since the backup.
	after, err := o.fingerprint(ctx, name)
	if err != nil {
		return err
	}
	if before != after {
		return fmt.Errorf("%w: data have changed since; stop all functions and workers", ErrBackup)
	}
	if err := o.idle(ctx); err != nil {
		return err
	}
	if err := o.remove(ctx, name); err != nil {
		return err
	}
	left, err := Left(ctx, o)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("the bank is not wholly removed; it still has: %v", left)
	}
	o.say("Nothing of the bank is left.")
	return nil
}

// approved checks the approval before anything is opened, and returns the database's name.
func (o Order) approved() (string, error) {
	config, err := pgx.ParseConfig(o.Database)
	if err != nil {
		return "", errors.New("DATABASE_URL can't be read") // the cause would show the password
	}
	if err := o.Trust.Check(o.Approval); err != nil {
		return "", fmt.Errorf("%w: %w", ErrApproval, err)
	}
	day, err := time.Parse(record.Day, o.Approval.At)
	switch {
	case o.Approval.Kind != record.Retirement || o.Approval.Subject != config.Database:
		return "", fmt.Errorf("%w: it is a record of kind %q for %q, and the database is %q", ErrApproval,
			o.Approval.Kind, o.Approval.Subject, config.Database)
	case o.Approval.Says["reason"] == "":
		return "", fmt.Errorf("%w: it gives no reason", ErrApproval)
	case err != nil || day.After(o.Now) || o.Now.Sub(day) > 90*24*time.Hour:
		return "", fmt.Errorf("%w: it is of %q; an approval holds for 90 days", ErrApproval, o.Approval.At)
	}
	return config.Database, nil
}

func (o Order) sameKeys() error {
	here, err := os.Stat(o.KeyFile)
	if err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	copied, err := os.Stat(o.KeyCopy)
	if err != nil || os.SameFile(here, copied) {
		return ErrKeyCopy
	}
	original, err := os.ReadFile(o.KeyFile)
	if err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	text, err := os.ReadFile(o.KeyCopy)
	if err != nil || !bytes.Equal(original, text) {
		return ErrKeyCopy
	}
	return nil
}

const sqlOthers = `-- retire.connections
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`

// leaving is how long a connection that its client has closed may still be listed.
const leaving = 2 * time.Second

// idle refuses while other processes are connected to the database.
func (o Order) idle(ctx context.Context) error {
	conn, err := connect(ctx, o.Database, "")
	if err != nil {
		return err
	}
	defer conn.Close(ctx) // a failed close loses no data
	for end := time.Now().Add(leaving); ; {
		var others int
		if err := conn.QueryRow(ctx, sqlOthers).Scan(&others); err != nil {
			return fmt.Errorf("retire: %w", err)
		}
		if others == 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%w (%d connections)", ErrBusy, others)
		}
		select {
		case <-ctx.Done():
			return ctx.Err() //nolint:wrapcheck // the caller's own
		case <-time.After(leaving / 20):
		}
	}
}

// connect opens one connection, to another database of the same server if it is named.
func connect(ctx context.Context, url, database string) (*pgx.Conn, error) {
	config, check, err := pg.Config{URL: url}.Single("tidebank-retire")
	if err != nil {
		return nil, err
	}
	if database != "" {
		config.Database = database
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("retire: %w", err)
	}
	if err := check(ctx, conn); err != nil {
		_ = conn.Close(ctx)
		return nil, err
	}
	return conn, nil
}

func (o Order) say(form string, args ...any) { _, _ = fmt.Fprintf(o.Log, form+"\n", args...) }
