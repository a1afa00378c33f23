package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/environment"
	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/inbox"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/option"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/token"
)

// eraseFunction is the name of the command in access records.
const eraseFunction = "tide-customer-erase"

var errNoCustomer = errors.New("no customer has the number")

// customerCommand holds the commands about customers' records.
func customerCommand() *cobra.Command {
	var o order
	erase := &cobra.Command{
		Use:   "erase --phone NUMBER --reason TEXT --operator NAME",
		Short: "Destroy a former customer's data key and personal data", Args: cobra.NoArgs,
		Long: `Destroy the data key of a former customer, which seals name, phone and identity number, and delete passwords, devices,
inbox, options and account names. It can't be undone. Records of money stay.

The command refuses while an account is not closed, and until the policy figure customer.keep_days has passed since the last
entry: the law obliges the bank to keep the record for that time. A backup opens until the storage key of its time is destroyed
(docs/keys.md). The command leaves an access record in the same transaction. It reads DATABASE_URL and KEYS_FILE.

It exits with 0 if the record was erased, and with 1 if not.`,
		Example: `  go run ./infra/tide customer erase --phone 13800010001 --reason "kept for ten years" --operator wang`,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd, "Erased", eraseCustomer) },
	}
	o.flags(erase, "mobile number of the customer")
	parent := group("customer", "Decide about customers' records")
	parent.AddCommand(erase, resetCommand())
	return parent
}

// eraseCustomer erases the record, and emits the access record in the same transaction. It
// returns the record's trace.
func eraseCustomer(ctx context.Context, h *host.Host, o order) (string, error) {
	ctx, who, record, err := o.record(ctx, h, eraseFunction, "auth", "erased")
	if err != nil {
		return "", fmt.Errorf("erase: %w", err)
	}
	if who == uuid.Nil {
		return "", errNoCustomer
	}
	err = h.DB.InTx(ctx, func(ctx context.Context, tx pg.Tx) error {
		if err := customer.Erase(ctx, tx, who, h.Clock.Now()); err != nil {
			return err
		}
		for _, forget := range []func(context.Context, pg.Writer, uuid.UUID) error{
			password.Forget, device.Forget, inbox.Forget, ledger.ForgetAliases, token.Forget,
			environment.Forget, face.Forget, option.Forget,
		} {
			if err := forget(ctx, tx, who); err != nil {
				return err
			}
		}
		return events.Emit(ctx, tx, eraseFunction, who, record)
	})
	if err != nil {
		return "", fmt.Errorf("erase: %w", err)
	}
	return record.Trace, nil
}
