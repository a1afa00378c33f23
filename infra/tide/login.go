package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/mask"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
)

const (
	unlockFunction = "tide-login-unlock" // the function's name in the access record

	sqlOperatorAddress = `-- operator.address
SELECT coalesce(host(inet_client_addr()), 'local')`
)

// Refusals of a command line.
var (
	errPhone    = errors.New("--phone is not a mobile number")
	errReason   = errors.New("--reason must be one line of 1 to 200 characters without phone, card or identity numbers")
	errOperator = errors.New("--operator must be one line of 1 to 64 characters without phone, card or identity numbers")
)

// loginCommand holds the commands about log-ins.
func loginCommand() *cobra.Command {
	var o unlockOrder
	unlock := &cobra.Command{
		Use:   "unlock --phone NUMBER --reason TEXT --operator NAME",
		Short: "Lift the lock and the freeze of a number's log-ins, and reset its quotas of codes", Args: cobra.NoArgs,
		Long: `Lift the lock and the freeze of a number's log-ins, and reset its quotas of codes.

Strangers can use up the codes that a number has for unknown devices in 24 hours. Then
the customer can't sign up or log in on a new phone. The reset lets the customer ask again.

The command leaves an access record in the same transaction: operator, reason, time,
customer, this computer's name, and the address that the database sees.
It changes nothing when nothing is locked and no code of the last 24 hours counts. It reads DATABASE_URL and KEYS_FILE.`,
		Example: `  go run ./infra/tide login unlock --phone 13800010001 --reason "came to the branch" --operator wang`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			h, err := openHost(cmd.Context(), keys.BlindIndex)
			if err != nil {
				return err
			}
			defer h.Close()
			id, err := unlockLogin(cmd.Context(), h, o)
			if err != nil {
				return err
			}
			if _, err = fmt.Fprintf(cmd.OutOrStdout(), "Unlocked. The access record has the trace %s.\n", id); err != nil {
				return fmt.Errorf("print: %w", err)
			}
			return nil
		},
	}
	unlock.Flags().StringVar(&o.phone, "phone", "", "mobile number that is locked or has no codes left")
	unlock.Flags().StringVar(&o.reason, "reason", "", "reason for unlocking, for audit")
	unlock.Flags().StringVar(&o.operator, "operator", "", "name of the operator who decides, for audit")
	for _, name := range []string{"phone", "reason", "operator"} {
		_ = unlock.MarkFlagRequired(name) // fails only for an unknown flag
	}
	parent := group("login", "Help customers to log in")
	parent.AddCommand(unlock)
	return parent
}

// unlockOrder holds the operator's arguments.
type unlockOrder struct{ phone, reason, operator string }

// check checks the order before the command opens the database. The record must not
// hold personal data in clear, so it refuses such data in both texts.
func (o unlockOrder) check() error {
	switch {
	case !customer.ValidPhone(o.phone):
		return errPhone
	case !plain(o.reason, 200):
		return errReason
	case !plain(o.operator, 64):
		return errOperator
	}
	return nil
}

// plain reports whether the text is one line of 1 to `most` characters without
// personal data.
func plain(text string, most int) bool {
	quoted, err := json.Marshal(text)
	return err == nil && !mask.Leaks(quoted) && strings.TrimSpace(text) != "" && len([]rune(text)) <= most &&
		!strings.ContainsFunc(text, unicode.IsControl)
}

func openHost(ctx context.Context, purposes ...keys.Purpose) (*host.Host, error) {
	needs := host.Needs{DB: true, Purposes: purposes}
	config, err := host.LoadConfig(host.Environment, needs)
	if err != nil {
		return nil, err
	}
	h, err := host.Open(ctx, config, needs)
	if err != nil {
		return nil, err
	}
	if err := h.Refused(); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

// unlockLogin lifts the lock and the freeze, resets the quotas of codes, and emits the
// access record in the same transaction. It returns the record's trace. It returns
// password.ErrNotLocked for a number, known or unknown, that is not locked and has no
// code that counts.
//
// Source: AUTH-010, AUDIT-006.
func unlockLogin(ctx context.Context, h *host.Host, o unlockOrder) (string, error) {
	ctx, record, err := newRecord(ctx, unlockFunction, "auth", fmt.Sprintf("unlocked by %s: %s", o.operator, o.reason))
	if err != nil {
		return "", fmt.Errorf("unlock: %w", err)
	}
	index := customer.PhoneIndex(h.Keys, o.phone)
	who, err := customer.ByPhone(ctx, h.DB.Reader(), index)
	if err != nil && !errors.Is(err, bankerr.ErrNotFound) {
		return "", fmt.Errorf("unlock: %w", err)
	}
	if who.ID != uuid.Nil {
		record.CustomerID = who.ID.String()
	}
	if err := h.DB.Reader().QueryRow(ctx, sqlOperatorAddress).Scan(&record.IP); err != nil {
		return "", fmt.Errorf("unlock: %w", err)
	}
	now := h.Clock.Now()
	counted, err := otp.QuotasInUse(ctx, h.DB.Reader(), index, now)
	if err != nil {
		return "", fmt.Errorf("unlock: %w", err)
	}
	lift := func(locked bool) error {
		var unit pg.Unit
		if locked {
			password.Unlock(&unit, index, now)
		}
		otp.Reset(&unit, index)
		if err := events.Emit(ctx, &unit, unlockFunction, who.ID, record); err != nil {
			return err
		}
		return h.DB.Commit(ctx, &unit)
	}
	err = lift(true)
	if errors.Is(err, password.ErrNotLocked) && counted {
		err = lift(false)
	}
	if err != nil {
		return "", fmt.Errorf("unlock: %w", err)
	}
	return record.Trace, nil
}
