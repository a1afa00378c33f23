package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions/identity"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
)

// resetFunction is the name of the command in access records.
const resetFunction = "tide-customer-reset-password"

// Refusals of a command line.
var (
	errIdentity = errors.New("--identity-check must say, in one line of 1 to 100 characters without phone, card or identity numbers, " +
		"how the customer's identity was checked")
	errNotSignedUp = errors.New("the number's customer has not signed up")
	errTradeFile   = errors.New("--trade and --password-file go together")
)

// reset is what a teller orders for a customer at the counter who has forgotten a password.
type reset struct {
	order
	identity string        // how the customer's identity was checked
	valid    time.Duration // of a temporary login password
	trade    bool
	file     string // with the customer's new trade password
}

func resetCommand() *cobra.Command {
	var o reset
	c := &cobra.Command{
		Use:   "reset-password --phone NUMBER --identity-check TEXT --reason TEXT --operator NAME [--trade --password-file FILE]",
		Short: "Give a customer at the counter a temporary login password, or set a new trade password", Args: cobra.NoArgs,
		Long: `Reset the password of a customer who is at the counter, whose identity has been checked.

Without --trade, the command prints a temporary login password. It is random, meets the rules, and is good for one login within
--valid. That session is only for a change of the password. With --trade, it sets the trade password that the customer has
entered on a keypad, which stands in --password-file ("-": standard input). The password must meet the rules.

A number that is locked stays locked: see "login unlock". The reset ends the customer's sessions, open intents and quick
log-ins, and the customer is told. It leaves an access record in the same transaction: operator, reason, identity check, time,
customer, this computer's name, and the address that the database sees. It reads DATABASE_URL, REDIS_URL and KEYS_FILE.

It exits with 0 if the password was reset, and with 1 if not.`,
		Example: `  go run ./infra/tide customer reset-password --phone 13800010001 --identity-check "identity card" \
    --reason "forgotten" --operator wang`,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.flags(c, "mobile number of the customer")
	requireFlag(c, &o.identity, "identity-check", "how the customer's identity was checked, for audit")
	c.Flags().DurationVar(&o.valid, "valid", password.TemporaryLife/2, "how long the temporary password is good, at most 1h")
	c.Flags().BoolVar(&o.trade, "trade", false, "reset the trade password")
	c.Flags().StringVar(&o.file, "password-file", "", "file with the new trade password")
	return c
}

// check checks the order before the command opens the database.
func (o *reset) check() error {
	switch err := o.order.check(); {
	case err != nil:
		return err
	case !plain(o.identity, 100):
		return errIdentity
	case o.trade != (o.file != ""):
		return errTradeFile
	case o.valid <= 0 || o.valid > password.TemporaryLife:
		return fmt.Errorf("--valid: %w", password.ErrTemporaryLife)
	}
	return nil
}

func (o *reset) run(cmd *cobra.Command) error {
	if err := o.check(); err != nil {
		return err
	}
	var trade []byte
	if o.trade {
		var err error
		if trade, err = readPassword(cmd.InOrStdin(), o.file); err != nil {
			return err
		}
	}
	needs := host.Needs{DB: true, Redis: true, Purposes: []keys.Purpose{
		keys.BlindIndex, keys.Storage, keys.Pepper, keys.Credential, keys.Session,
	}}
	config, err := host.LoadConfig(host.Environment, needs)
	if err != nil {
		return err
	}
	h, err := openConfig(cmd.Context(), config, needs)
	if err != nil {
		return err
	}
	defer h.Close()
	temporary, id, err := resetPassword(cmd.Context(), h, *o, trade)
	if err != nil {
		return err
	}
	if temporary != "" {
		temporary = fmt.Sprintf("The temporary password is %s for one login within %s.\n", temporary, o.valid)
	}
	if _, err = fmt.Fprintf(cmd.OutOrStdout(), "Reset. The access record has the trace %s.\n%s", id, temporary); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// readPassword reads the one line of a file; "-" is standard input.
func readPassword(in io.Reader, file string) ([]byte, error) {
	const most = 1024
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("--password-file: %w", err)
		}
		defer opened.Close() // read only
		in = opened
	}
	text, err := io.ReadAll(io.LimitReader(in, most))
	if err != nil {
		return nil, fmt.Errorf("--password-file: %w", err)
	}
	return bytes.TrimRight(text, "\r\n"), nil
}

// resetPassword resets the login password to a temporary one, which it returns, or sets the trade
// password, and emits the access record in the same transaction. It returns the record's trace. It ends
// the customer's sessions before and after: a login may have begun between, by the earlier password.
//
// Source: PWD-015, PWD-021.
func resetPassword(ctx context.Context, h *host.Host, o reset, trade []byte) (temporary, trace string, err error) {
	ctx, who, record, err := o.record(ctx, h, resetFunction, "auth", "reset after an identity check ("+o.identity+")")
	switch {
	case err != nil:
		return "", "", fmt.Errorf("reset: %w", err)
	case who == uuid.Nil:
		return "", "", errNoCustomer
	}
	var present password.Present
	var batch pgx.Batch
	present.QueuePresent(&batch, who)
	if err := h.DB.Reader().Batch(ctx, &batch); err != nil {
		return "", "", fmt.Errorf("reset: %w", err)
	}
	if !present.SignedUp() {
		return "", "", errNotSignedUp
	}
	set := identity.Passwords{DB: h.DB.Reader(), Ring: h.Keys, Store: password.NewStore(h.Keys, h.Hashing)}
	setting := identity.Setting{CustomerID: who, DeviceID: record.DeviceID, Clear: trade, At: h.Clock.Now(), Reset: true}
	var unit pg.Unit
	if o.trade {
		password.ResetTradeAttempts(&unit, who)
		err = set.SetTrade(ctx, &unit, setting)
	} else {
		temporary, err = set.GiveLogin(ctx, &unit, setting, o.valid)
	}
	if err != nil {
		return "", "", fmt.Errorf("reset: %w", err)
	}
	if err := events.Emit(ctx, &unit, resetFunction, who, record); err != nil {
		return "", "", fmt.Errorf("reset: %w", err)
	}
	if err := h.Sessions.EndCustomer(ctx, who); err != nil {
		return "", "", fmt.Errorf("reset: %w", err)
	}
	if err := h.DB.Commit(ctx, &unit); err != nil {
		return "", "", fmt.Errorf("reset: %w", err)
	}
	if err := h.Sessions.EndCustomer(ctx, who); err != nil {
		return "", "", fmt.Errorf("the password is reset, but a session may last: %w", err)
	}
	return temporary, record.Trace, nil
}
