package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/infra/pgserver"
	"github.com/tidebank/tidebank/infra/record"
	"github.com/tidebank/tidebank/infra/retire"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/redisdb"
)

var errLeft = errors.New("the bank is not wholly removed")

// retirementCommand holds the commands that take the bank out of service.
func retirementCommand() *cobra.Command {
	parent := group("retire", "Take the bank out of service")
	parent.AddCommand(retireRun(), retireCheck())
	return parent
}

func retireRun() *cobra.Command {
	var trust, approval string
	var o retire.Order
	c := &cobra.Command{
		Use: "run", Short: "Back everything up, verify the backup, and remove the bank", Args: cobra.NoArgs,
		Long: `Back everything up, verify the backup, and remove the bank. This can't be undone.

It needs an approval: a record of the kind retirement for this database, signed by a
person of the trust file. Stop all functions and workers first. The command restores the
backup into another database, compares every row, and verifies the ledger. Only then it
removes the database, the roles, the keys of Redis, the key file and the files with
secrets. It reads DATABASE_URL (of the tables' owner, with CREATEDB and CREATEROLE),
REDIS_URL and KEYS_FILE. pg_dump and pg_restore must be installed.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if o.Trust, err = record.LoadTrust(trust); err != nil {
				return err
			}
			if o.Approval, err = record.ReadFile(approval); err != nil {
				return err
			}
			if o.Programs, err = pgserver.FindBin(); err != nil {
				return err
			}
			if err := readStores(&o); err != nil {
				return err
			}
			o.VerifyLedger = verifyRestored(o.KeyFile)
			o.Log = cmd.OutOrStdout()
			return retire.Run(cmd.Context(), o)
		},
	}
	requireFlag(c, &trust, "trust", "folder with the trust file")
	requireFlag(c, &approval, "approval", "file with the signed approval")
	requireFlag(c, &o.Backup, "backup", "folder for the backup")
	requireFlag(c, &o.KeyCopy, "archived-keys", "the key file as the archives keep it")
	return c
}

func retireCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "List what is left of a bank that was removed", Args: cobra.NoArgs,
		Long: `List what is left of a bank that was removed: databases, roles, keys of Redis, files with
secrets. It changes nothing, and exits with 1 if something is left. It reads DATABASE_URL,
REDIS_URL and KEYS_FILE as they were.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var o retire.Order
			if err := readStores(&o); err != nil {
				return err
			}
			left, err := retire.Left(cmd.Context(), o)
			if err != nil {
				return err
			}
			for _, what := range left {
				_, _ = fmt.Fprintln(cmd.OutOrStdout(), what) // a lost line does no harm: the exit code tells
			}
			if len(left) > 0 {
				return errLeft
			}
			return nil
		},
	}
}

// readStores reads where the bank's data are, and which files hold its secrets.
func readStores(o *retire.Order) error {
	var stores struct {
		DB    pg.Config
		Redis redisdb.Config
		Keys  keys.Config
	}
	for _, part := range []any{&stores.DB, &stores.Redis, &stores.Keys} {
		if err := host.Environment(part); err != nil {
			return err
		}
	}
	o.Database, o.Redis, o.KeyFile, o.Now = stores.DB.URL, stores.Redis.URL, stores.Keys.File, time.Now()
	for _, key := range []string{
		"DATABASE_URL", "REDIS_URL", "SMS_URL", "SMS_SECRET", "CERT_URL", "CERT_SECRET", "CERT_ROOTS", "FACE_URL", "FACE_SECRET",
		"SINK_URL", "FUNCTIONS_URL",
	} {
		if path, isFile := strings.CutPrefix(os.Getenv(key), "file://"); isFile {
			o.Secrets = append(o.Secrets, path)
		}
	}
	return nil
}

// verifyRestored verifies the ledger of the restored backup with the bank's keys.
func verifyRestored(keyFile string) func(context.Context, *pg.DB) error {
	return func(ctx context.Context, db *pg.DB) error {
		ring, err := keys.Open(ctx, keys.Config{File: keyFile}, keys.Ledger)
		if err != nil {
			return err
		}
		report, err := ledger.Verify(ctx, db, func(id string, sum []byte, parts ...[]byte) error {
			return ring.VerifyMAC(keys.Ledger, id, sum, parts...)
		})
		if err != nil {
			return err
		}
		if !report.Sound() {
			return fmt.Errorf("%w: %+v", errLedger, report)
		}
		return nil
	}
}
