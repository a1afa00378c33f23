package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/limit"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Names of the commands in access records.
const (
	handOutFunction  = "tide-customer-hand-out-key"
	keyLimitFunction = "tide-customer-key-limit"
)

// Refusals of the commands about Bluetooth Keys.
var (
	errSerial      = errors.New("--serial must be 1 to 32 letters and digits")
	errApprover    = errors.New("--approver must be another person than --operator, in one line of 1 to 64 characters")
	errAmount      = errors.New("--transfer and --day must be amounts in yuan, such as 200000.00")
	errFrom        = errors.New("--from must be a time such as 2026-12-01T00:00:00+08:00, not in the past")
	errAboveCap    = errors.New("the limit is above the bank's own cap of the Bluetooth Key")
	errOtherHolder = errors.New("the number's customer has no such account")
)

var serialForm = regexp.MustCompile(fmt.Sprintf(`^[0-9A-Za-z]{1,%d}$`, cert.MaxKeySerial))

func handOutCommand() *cobra.Command {
	var o order
	var serial string
	c := &cobra.Command{
		Use:   "hand-out-key --phone NUMBER --serial NUMBER --reason TEXT --operator NAME",
		Short: "Record the Bluetooth Key that a customer gets at the counter", Args: cobra.NoArgs,
		Long: `Record that a customer, whose identity has been checked at the counter, has got the Bluetooth Key with the serial number on
its back. Only this customer opens it in the app, once: a key that is lost is never used again, and the customer gets another one.

The command leaves an access record in the same transaction. It reads DATABASE_URL and KEYS_FILE.

It exits with 0 if the key was recorded, and with 1 if not.`,
		Example: `  go run ./infra/tide customer hand-out-key --phone 13800010001 --serial BK00012345 --reason "first key" --operator wang`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !serialForm.MatchString(serial) {
				return errSerial
			}
			return o.run(cmd, "Handed out", func(ctx context.Context, h *host.Host, o order) (string, error) {
				return handOutKey(ctx, h, o, serial)
			})
		},
	}
	o.flags(c, "mobile number of the customer")
	requireFlag(c, &serial, "serial", "serial number on the key's back")
	return c
}

// handOutKey records the key, and emits the access record in the same transaction. It returns the
// record's trace.
func handOutKey(ctx context.Context, h *host.Host, o order, serial string) (string, error) {
	return o.about(ctx, h, handOutFunction, "key "+serial+" handed out", func(ctx context.Context, who uuid.UUID, tx pg.Tx) error {
		return cert.HandOutKey(ctx, tx, who, serial, h.Clock.Now())
	})
}

// about does work for the customer who has the number, and emits the access record in the same
// transaction. It returns the record's trace.
func (o order) about(
	ctx context.Context, h *host.Host, function, done string, work func(ctx context.Context, who uuid.UUID, tx pg.Tx) error,
) (string, error) {
	ctx, who, record, err := o.record(ctx, h, function, "auth", done)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: %w", function, err)
	case who == uuid.Nil:
		return "", errNoCustomer
	}
	err = h.DB.InTx(ctx, func(ctx context.Context, tx pg.Tx) error {
		if err := work(ctx, who, tx); err != nil {
			return err
		}
		return events.Emit(ctx, tx, function, who, record)
	})
	if err != nil {
		return "", fmt.Errorf("%s: %w", function, err)
	}
	return record.Trace, nil
}

// keyLimit is what two persons set for the Bluetooth Keys of a customer, or for one account.
type keyLimit struct {
	order
	approver, account, transfer, day, from string
}

func keyLimitCommand() *cobra.Command {
	var o keyLimit
	c := &cobra.Command{
		Use: "key-limit --phone NUMBER [--account NUMBER] --transfer YUAN --day YUAN [--from TIME] --approver NAME " +
			"--reason TEXT --operator NAME",
		Short: "Set what a customer's Bluetooth Key may pay", Args: cobra.NoArgs,
		Long: `Set what the Bluetooth Keys of a customer may pay in one transfer and in a day, of all accounts together, or
with --account from this account. The lower of both limits holds. What is not set is the policy's figure (docs/limits.md).
Another limit of the same customer or account ends it. The operator and the approver are two persons. The command refuses a
limit above the bank's own cap of the method (docs/step-up.md).

The command leaves an access record in the same transaction. It reads DATABASE_URL and KEYS_FILE.

It exits with 0 if the limit was set, and with 1 if not.`,
		Example: `  go run ./infra/tide customer key-limit --phone 13800010001 --transfer 200000.00 --day 500000.00 --approver zhao \
    --reason "asked at the branch" --operator wang`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !plain(o.approver, 64) || o.approver == o.operator {
				return errApprover
			}
			return o.run(cmd, "Set", func(ctx context.Context, h *host.Host, _ order) (string, error) { return limitKey(ctx, h, o) })
		},
	}
	o.flags(c, "mobile number of the customer")
	requireFlag(c, &o.approver, "approver", "name of the second person, for audit")
	requireFlag(c, &o.transfer, "transfer", "the most of one transfer, in yuan")
	requireFlag(c, &o.day, "day", "the most of a day, in yuan")
	c.Flags().StringVar(&o.account, "account", "", "number of the account; without it the limit is the customer's")
	c.Flags().StringVar(&o.from, "from", "", "from when it is in force; without it from now on")
	return c
}

// limitKey stores the limit, and emits the access record in the same transaction. It returns the
// record's trace.
//
// Source: LIMIT-004.
func limitKey(ctx context.Context, h *host.Host, o keyLimit) (string, error) {
	set := limit.BluetoothKeyLimit{From: h.Clock.Now(), ProposedBy: o.operator, ApprovedBy: o.approver}
	var err, errDay error
	set.PerTransfer, err = money.Parse(o.transfer)
	if set.PerDay, errDay = money.Parse(o.day); err != nil || errDay != nil || set.PerTransfer < 0 || set.PerDay < 0 {
		return "", errAmount
	}
	if o.from != "" {
		from, err := time.Parse(time.RFC3339, o.from)
		if err != nil || from.Before(set.From) {
			return "", errFrom
		}
		set.From = from
	}
	matrix, err := stepup.NewTable(h.DB.Reader(), h.Clock).Matrix(ctx)
	if err != nil {
		return "", fmt.Errorf("key limit: %w", err)
	}
	if most := matrix.Cap(stepup.Combination{stepup.BluetoothKey}); set.PerTransfer > most.PerTransfer || set.PerDay > most.PerDay {
		return "", fmt.Errorf("%w: %s of one transfer and %s of a day", errAboveCap, most.PerTransfer.Yuan(), most.PerDay.Yuan())
	}
	done := fmt.Sprintf("limit %s of one transfer and %s of a day set, approved by %s,",
		set.PerTransfer.Yuan(), set.PerDay.Yuan(), o.approver)
	return o.about(ctx, h, keyLimitFunction, done, func(ctx context.Context, who uuid.UUID, tx pg.Tx) error {
		set.Customer = who
		if o.account != "" {
			account, err := customer.AccountByNumber(ctx, tx, h.Keys, who, o.account)
			if errors.Is(err, bankerr.ErrNotFound) {
				return errOtherHolder
			}
			if err != nil {
				return err
			}
			set.Account = &account
		}
		return limit.SetBluetoothKeyLimit(ctx, tx, set)
	})
}
