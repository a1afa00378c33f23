package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/infra/sealed"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/reseal"
)

// defaultLead is the time from a rotation to the new key's first use.
const defaultLead = 10 * time.Minute

// rootKey is the word for the root among the purposes.
const rootKey = "root"

var (
	errOverdue = errors.New("keys are past their renewal")
	errInUse   = errors.New("the key is still needed, so it is not retired; run tide keys reencrypt, and verify")
)

func listKeysCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "list --file PATH", Short: "List the keys with their states and dates, without any key", Args: cobra.NoArgs,
		Long: `List every key of a key file: purpose and id, state, when it was made, from when on it writes, and until when its
purpose needs a new key. The last line is the check value of the root. No key is shown. Channel keys: tide keys channel
list. docs/keys.md has the calendar.` + exitHelp + ` A key that is past its renewal is such a fault.`,
		Example: "  go run ./infra/tide keys list --file /var/lib/tidebank/keys.json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := keys.List(keys.Config{File: file})
			if err != nil {
				return err
			}
			var overdue []string
			for _, k := range list {
				if k.Overdue(clock.System{}.Now()) {
					overdue = append(overdue, k.Name())
				}
				if err := printf(cmd, "%-14s %-8s made %-10s writes from %-20s renew by %s\n",
					k.Name(), k.State, day(k.Made), moment(k.From), day(k.Due)); err != nil {
					return err
				}
			}
			if check, err := keys.CheckValue(file); err == nil {
				if err := printf(cmd, "check value of the root: %s\n", check); err != nil {
					return err
				}
			}
			if len(overdue) > 0 {
				return fault(fmt.Errorf("%w: %s", errOverdue, strings.Join(overdue, ", ")))
			}
			return nil
		},
	}
	requireFlag(c, &file, "file", "path of the key file")
	return c
}

func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(clock.Shanghai).Format(time.DateOnly)
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "the start"
	}
	return t.In(clock.Shanghai).Format(time.DateTime)
}

func rotateCommand() *cobra.Command {
	var file, purpose string
	var after time.Duration
	c := &cobra.Command{
		Use: "rotate --file PATH --purpose PURPOSE [--after DURATION]", Args: cobra.NoArgs,
		Short: "Add a new key to a purpose, which writes soon",
		Long: `Add a new key to a purpose of the key file. The keys before it still read.

The new key writes after some time, so that every process reads it before any process writes with it. A process looks for
a changed key file every minute; give it the new file within that time, and seal the files of single processes again (tide
keys seal). Nothing needs a restart. Until the new key writes, its purpose takes no other one, so the time is at most 90
days. The purpose "root" gives the file a new root at once, and wraps all keys anew.

Afterwards run tide keys reencrypt (storage, credential), then tide keys verify and tide keys retire. Back the file up
before and after.

It exits with 0 if the key was made, and with 1 if not.`,
		Example: "  go run ./infra/tide keys rotate --file /var/lib/tidebank/keys.json --purpose storage --after 1h",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if purpose == rootKey {
				if err := keys.RotateRoot(file); err != nil {
					return err
				}
				return printf(cmd, "%s has a new root. Back it up, and hold a new ceremony if custodians have components.\n", file)
			}
			if after < keys.MinLead {
				return keys.ErrTooSoon
			}
			from := clock.System{}.Now().Add(after)
			id, err := keys.Rotate(file, keys.Purpose(purpose), from)
			if err != nil {
				return err
			}
			return printf(cmd, "Made %s/%d. It writes from %s on. Give every process the file before then, and back it up.\n",
				purpose, id, moment(from))
		},
	}
	requireFlag(c, &file, "file", "path of the key file")
	requireFlag(c, &purpose, "purpose", "purpose of the key (tide keys list), or root")
	c.Flags().DurationVar(&after, "after", defaultLead, "time until the new key writes; from 5m to 2160h (90 days)")
	return c
}

func retireKeyCommand() *cobra.Command {
	var file, purpose string
	var id uint16
	c := &cobra.Command{
		Use: "retire --file PATH --purpose PURPOSE --id ID", Short: "Destroy an old key that nothing needs", Args: cobra.NoArgs,
		Long: `Destroy an old key. Nothing opens any more that only this key opens, also in backups of the database.

The command reads every stored text and record first, and refuses while one of them needs the key. It also refuses while
texts of the key may be under way in channels, in Redis or in events. It reads DATABASE_URL. Give every process the
changed file, and destroy the backups of the file that hold the key (docs/keys.md).

It exits with 0 if the key was destroyed, and with 1 if not.`,
		Example: "  go run ./infra/tide keys retire --file /var/lib/tidebank/keys.json --purpose storage --id 1",
		RunE: func(cmd *cobra.Command, _ []string) error {
			name := fmt.Sprintf("%s/%d", purpose, id)
			rows, err := usesOf(cmd, file, name)
			if err != nil {
				return err
			}
			if rows > 0 {
				return fmt.Errorf("%w: %d rows need %s", errInUse, rows, name)
			}
			if err := keys.Retire(file, keys.Purpose(purpose), id); err != nil {
				return err
			}
			return printf(cmd, "Destroyed %s. Give every process the file, and destroy the backups that hold the key.\n", name)
		},
	}
	requireFlag(c, &file, "file", "path of the key file")
	requireFlag(c, &purpose, "purpose", "purpose of the key")
	c.Flags().Uint16Var(&id, "id", 0, "id of the key, as the list shows it")
	_ = c.MarkFlagRequired("id") // fails only for an unknown flag
	return c
}

// usesOf counts the rows of the database that need a key.
func usesOf(cmd *cobra.Command, file, name string) (rows int64, err error) {
	h, err := openWith(cmd.Context(), file)
	if err != nil {
		return 0, err
	}
	defer h.Close()
	all, err := allUses(cmd, h)
	if err != nil {
		return 0, err
	}
	for _, u := range all {
		if u.Key == name {
			rows += u.Rows
		}
	}
	return rows, nil
}

// allUses counts what every key is needed for, and prints the progress.
func allUses(cmd *cobra.Command, h *host.Host) ([]reseal.Use, error) {
	m := newMeter(cmd)
	return sealed.Uses(cmd.Context(), h.DB, h.Keys, func(p reseal.Progress) { m.say("%s: read %d rows", p.Column, p.Read) })
}

// openWith opens the database of the environment with the keys of a file.
func openWith(ctx context.Context, file string) (*host.Host, error) {
	config, needs := host.Config{}, host.Needs{DB: true, Purposes: sealed.Purposes()}
	if err := host.Environment(&config.DB); err != nil { //nolint:contextcheck // a wait for a secret has its own bound
		return nil, err
	}
	config.Keys.File = file
	return openConfig(ctx, config, needs)
}
