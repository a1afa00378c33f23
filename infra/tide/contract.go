package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/contract"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/pg"
)

// The names of the commands in access records.
const (
	contractFunction = "tide-customer-open-contract"
	payeeFunction    = "tide-customer-bind-payee"
)

// Refusals of a command line.
var (
	errPaper = errors.New("--confirmation must be the number of the signed paper, in one line of 1 to 64 characters without phone, " +
		"card or identity numbers")
	errNotice  = errors.New("--notice is not the version of the risk notice in force")
	errPayee   = errors.New("no account has this number and holder")
	errAccount = errors.New("--account is not an account number")
	errTradeBy = errors.New("--transaction-phone is not a mobile number")
)

// counterOrder is what a teller orders for a customer who is at the counter.
type counterOrder struct {
	order
	identity string // how the customer's identity was checked
	notice   string // the version of the risk notice that the customer was given
	paper    string // the number of the written confirmation
	account  string // the payee's
	name     string // the payee's
	byPhone  string // the named transaction phone
}

func openContractCommand() *cobra.Command {
	var o counterOrder
	c := &cobra.Command{
		Use: "open-contract --phone NUMBER --identity-check TEXT --notice VERSION --confirmation NUMBER " +
			"--reason TEXT --operator NAME",
		Short: "Open fund transactions for a customer at the counter", Args: cobra.NoArgs,
		Long: `Open fund transactions for a customer who applies at the counter.

The customer's identity has been checked, and the customer has been given the risk notice in force and has confirmed it in
writing. The command stores how, the version of the notice, and the number of the signed paper. It refuses another version than
that in force, and a second contract. It leaves an access record in the same transaction. It reads DATABASE_URL and KEYS_FILE.

It exits with 0 if the contract is open, and with 1 if not.`,
		Example: `  go run ./infra/tide customer open-contract --phone 13800010001 --identity-check "identity card" --notice 2026-01 \
    --confirmation HT-2026-0001 --reason "applied at the counter" --operator wang`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.checkCounter(); err != nil {
				return err
			}
			if !plain(o.paper, 64) {
				return errPaper
			}
			return o.run(cmd, "Opened", o.open)
		},
	}
	o.flags(c, "mobile number of the customer")
	requireFlag(c, &o.identity, "identity-check", "how the customer's identity was checked, for audit")
	requireFlag(c, &o.notice, "notice", "version of the risk notice that the customer was given")
	requireFlag(c, &o.paper, "confirmation", "number of the paper by which the customer has confirmed in writing")
	return c
}

func bindPayeeCommand() *cobra.Command {
	var o counterOrder
	c := &cobra.Command{
		Use: "bind-payee --phone NUMBER --account NUMBER --name NAME [--transaction-phone NUMBER] --identity-check TEXT " +
			"--reason TEXT --operator NAME",
		Short: "Bind a payee for a customer at the counter", Args: cobra.NoArgs,
		Long: `Bind a payee's account for a customer who is at the counter, whose identity has been checked.

With --transaction-phone, the customer pays this payee without the contract for fund transactions, as long as the customer's
number is this one. Without it, or with another number, the payee exempts from nothing. A payee who is bound again gets the new
number. The command leaves an access record in the same transaction. It reads DATABASE_URL and KEYS_FILE.

It exits with 0 if the payee was bound, and with 1 if not.`,
		Example: `  go run ./infra/tide customer bind-payee --phone 13800010001 --account 6228480010000000021 --name 李芳 \
    --transaction-phone 13800010001 --identity-check "identity card" --reason "signed at the counter" --operator wang`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.checkPayee(); err != nil {
				return err
			}
			return o.runWith(cmd, "Bound", o.bind, keys.BlindIndex, keys.Storage)
		},
	}
	o.flags(c, "mobile number of the customer")
	requireFlag(c, &o.identity, "identity-check", "how the customer's identity was checked, for audit")
	requireFlag(c, &o.account, "account", "number of the payee's account")
	requireFlag(c, &o.name, "name", "holder of the payee's account")
	c.Flags().StringVar(&o.byPhone, "transaction-phone", "", "the phone number for transfers to the payee")
	return c
}

func (o *counterOrder) checkCounter() error {
	if err := o.check(); err != nil {
		return err
	}
	if !plain(o.identity, 100) {
		return errIdentity
	}
	return nil
}

func (o *counterOrder) checkPayee() error {
	switch err := o.checkCounter(); {
	case err != nil:
		return err
	case !ledger.CardNumber(o.account):
		return errAccount
	case o.byPhone != "" && !customer.ValidPhone(o.byPhone):
		return errTradeBy
	}
	return nil
}

// open opens the contract, and emits the access record in the same transaction. It returns the
// record's trace.
func (o *counterOrder) open(ctx context.Context, h *host.Host, _ order) (string, error) {
	ctx, who, record, err := o.record(ctx, h, contractFunction, "auth",
		fmt.Sprintf("fund transactions opened after an identity check (%s), notice %s, paper %s", o.identity, o.notice, o.paper))
	switch {
	case err != nil:
		return "", fmt.Errorf("contract: %w", err)
	case who == uuid.Nil:
		return "", errNoCustomer
	}
	now := h.Clock.Now()
	notice, err := contract.NoticeInForce(ctx, h.DB.Reader(), now)
	if err != nil {
		return "", fmt.Errorf("contract: %w", err)
	}
	if notice.Version != o.notice {
		return "", fmt.Errorf("%w, which is %s", errNotice, notice.Version)
	}
	var unit pg.Unit
	contract.OpenAtCounter(&unit, who, notice.Version, o.counter(), now)
	return o.commit(ctx, h, &unit, contractFunction, who, record)
}

// bind binds the payee, and emits the access record in the same transaction. It returns the record's
// trace.
func (o *counterOrder) bind(ctx context.Context, h *host.Host, _ order) (string, error) {
	ctx, who, record, err := o.record(ctx, h, payeeFunction, "auth",
		fmt.Sprintf("payee bound after an identity check (%s), transaction phone named: %t", o.identity, o.byPhone != ""))
	switch {
	case err != nil:
		return "", fmt.Errorf("payee: %w", err)
	case who == uuid.Nil:
		return "", errNoCustomer
	}
	payee, err := customer.ByAccountNumber(ctx, h.DB.Reader(), h.Keys, o.account)
	switch {
	case errors.Is(err, bankerr.ErrNotFound) || err == nil && !customer.SameName(payee.Name, o.name):
		return "", errPayee
	case err != nil:
		return "", fmt.Errorf("payee: %w", err)
	}
	var phone []byte
	if o.byPhone != "" {
		phone = customer.PhoneIndex(h.Keys, o.byPhone)
	}
	var unit pg.Unit
	contract.BindPayee(&unit, who, payee.AccountID, phone, o.counter(), h.Clock.Now())
	return o.commit(ctx, h, &unit, payeeFunction, who, record)
}

func (o *counterOrder) counter() contract.Counter {
	return contract.Counter{IdentityCheck: o.identity, Paper: o.paper, Operator: o.operator}
}

func (o *counterOrder) commit(
	ctx context.Context, h *host.Host, unit *pg.Unit, function string, who uuid.UUID, record events.AccessRecorded,
) (string, error) {
	if err := events.Emit(ctx, unit, function, who, record); err != nil {
		return "", fmt.Errorf("access record: %w", err)
	}
	if err := h.DB.Commit(ctx, unit); err != nil {
		return "", fmt.Errorf("%s: %w", function, err)
	}
	return record.Trace, nil
}
