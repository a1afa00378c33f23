package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions/identity"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
)

// Names of the commands in access records.
const (
	setKindFunction = "tide-customer-set-kind"
	givePINFunction = "tide-customer-give-pin"
)

var errKind = errors.New("--kind must be personal or corporate")

func setKindCommand() *cobra.Command {
	var o order
	var kind, approver string
	c := &cobra.Command{
		Use:   "set-kind --phone NUMBER --kind KIND --approver NAME --reason TEXT --operator NAME",
		Short: "Make a customer a personal or a corporate one", Args: cobra.NoArgs,
		Long: `Make a customer a personal or a corporate one. Corporate customers confirm transfers by Bluetooth Key and PIN code
(docs/step-up.md).
The kind at the confirmation decides, so a prepared transfer may have to be prepared again. The operator and the approver are two
persons.

Run it only when no process of a release without customer kinds serves any more: it would take the customer for a personal one.

The command leaves an access record in the same transaction. It reads DATABASE_URL and KEYS_FILE.

It exits with 0 if the kind was set, and with 1 if not.`,
		Example: `  go run ./infra/tide customer set-kind --phone 13800010001 --kind corporate \
    --approver zhao --reason "signed" --operator wang`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case kind != string(customer.Personal) && kind != string(customer.Corporate):
				return errKind
			case !plain(approver, 64) || approver == o.operator:
				return errApprover
			}
			return o.run(cmd, "Set", func(ctx context.Context, h *host.Host, o order) (string, error) {
				return setKind(ctx, h, o, customer.Kind(kind), approver)
			})
		},
	}
	o.flags(c, "mobile number of the customer")
	requireFlag(c, &kind, "kind", "personal or corporate")
	requireFlag(c, &approver, "approver", "name of the second person, for audit")
	return c
}

// setKind sets the kind, and emits the access record in the same transaction. It returns the
// record's trace.
func setKind(ctx context.Context, h *host.Host, o order, kind customer.Kind, approver string) (string, error) {
	done := fmt.Sprintf("made %s, approved by %s,", kind, approver)
	return o.about(ctx, h, setKindFunction, done, func(ctx context.Context, who uuid.UUID, tx pg.Tx) error {
		return customer.SetKind(ctx, tx, who, kind)
	})
}

func givePINCommand() *cobra.Command {
	var o order
	c := &cobra.Command{
		Use:   "give-pin --phone NUMBER --reason TEXT --operator NAME",
		Short: "Give a customer at the counter a PIN code", Args: cobra.NoArgs,
		Long: `Give a customer at the counter, whose identity has been checked, a PIN code: the first one, or another one for one that is
forgotten or locked. The command prints it. It is random, meets the rules, and confirms nothing but its change in the app.

It cancels the customer's open intents, and the customer is told. It leaves an access record in the same transaction. It reads
DATABASE_URL and KEYS_FILE.

It exits with 0 if the PIN code was given, and with 1 if not.`,
		Example: `  go run ./infra/tide customer give-pin --phone 13800010001 --reason "signed at the branch" --operator wang`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			h, err := openHost(cmd.Context(), keys.BlindIndex, keys.Storage, keys.Pepper, keys.Credential)
			if err != nil {
				return err
			}
			defer h.Close()
			clear, id, err := givePIN(cmd.Context(), h, o)
			if err != nil {
				return err
			}
			const given = "Given. The access record has the trace %s.\nThe PIN code is %s until it is changed.\n"
			if _, err = fmt.Fprintf(cmd.OutOrStdout(), given, id, clear); err != nil {
				return fmt.Errorf("print: %w", err)
			}
			return nil
		},
	}
	o.flags(c, "mobile number of the customer")
	return c
}

// givePIN stores a random PIN code, and emits the access record in the same transaction. It returns the code and
// the record's trace.
func givePIN(ctx context.Context, h *host.Host, o order) (clear, trace string, err error) {
	ctx, who, record, err := o.record(ctx, h, givePINFunction, "auth", "PIN code given")
	switch {
	case err != nil:
		return "", "", fmt.Errorf("give a PIN code: %w", err)
	case who == uuid.Nil:
		return "", "", errNoCustomer
	}
	set := identity.Passwords{DB: h.DB.Reader(), Ring: h.Keys, Store: password.NewStore(h.Keys, h.Hashing)}
	var unit pg.Unit
	clear, err = set.GivePIN(ctx, &unit, identity.Setting{
		CustomerID: who, DeviceID: record.DeviceID, At: h.Clock.Now(), Reset: true,
	})
	if err != nil {
		return "", "", fmt.Errorf("give a PIN code: %w", err)
	}
	if err := events.Emit(ctx, &unit, givePINFunction, who, record); err != nil {
		return "", "", fmt.Errorf("give a PIN code: %w", err)
	}
	if err := h.DB.Commit(ctx, &unit); err != nil {
		return "", "", fmt.Errorf("give a PIN code: %w", err)
	}
	return clear, record.Trace, nil
}
