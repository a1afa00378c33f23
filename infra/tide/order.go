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
)

const sqlOperatorAddress = `-- operator.address
SELECT coalesce(host(inet_client_addr()), 'local')`

// Refusals of a command line.
var (
	errPhone    = errors.New("--phone is not a mobile number")
	errReason   = errors.New("--reason must be one line of 1 to 200 characters without phone, card or identity numbers")
	errOperator = errors.New("--operator must be one line of 1 to 64 characters without phone, card or identity numbers")
)

// order is what an operator orders for the holder of a phone number.
type order struct{ phone, reason, operator string }

// flags adds the order's flags to its command.
func (o *order) flags(c *cobra.Command, phone string) {
	requireFlag(c, &o.phone, "phone", phone)
	requireFlag(c, &o.reason, "reason", "reason for the order, for audit")
	requireFlag(c, &o.operator, "operator", "name of the operator who decides, for audit")
}

// check checks the order before the command opens the database. The record must not
// hold personal data in clear, so it refuses such data in both texts.
func (o *order) check() error {
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

// run checks the order, opens the database, does the work, and prints done with the trace
// of the order's access record.
func (o *order) run(cmd *cobra.Command, done string, work func(context.Context, *host.Host, order) (trace string, err error)) error {
	if err := o.check(); err != nil {
		return err
	}
	h, err := openHost(cmd.Context(), keys.BlindIndex)
	if err != nil {
		return err
	}
	defer h.Close()
	id, err := work(cmd.Context(), h, *o)
	if err != nil {
		return err
	}
	if _, err = fmt.Fprintf(cmd.OutOrStdout(), "%s. The access record has the trace %s.\n", done, id); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// record begins the order's access record, and finds the customer who has the number:
// uuid.Nil if nobody has it. done is what happened, such as "unlocked".
func (o *order) record(
	ctx context.Context, h *host.Host, function, category, done string,
) (context.Context, uuid.UUID, events.AccessRecorded, error) {
	ctx, record, err := newRecord(ctx, function, category, fmt.Sprintf("%s by %s: %s", done, o.operator, o.reason))
	if err != nil {
		return ctx, uuid.Nil, record, err
	}
	who, err := customer.ByPhone(ctx, h.DB.Reader(), customer.PhoneIndex(h.Keys, o.phone))
	if err != nil && !errors.Is(err, bankerr.ErrNotFound) {
		return ctx, uuid.Nil, record, err
	}
	if who.ID != uuid.Nil {
		record.CustomerID = who.ID.String()
	}
	if err := h.DB.Reader().QueryRow(ctx, sqlOperatorAddress).Scan(&record.IP); err != nil {
		return ctx, uuid.Nil, record, fmt.Errorf("operator's address: %w", err)
	}
	return ctx, who.ID, record, nil
}

// plain reports whether the text is one line of 1 to `most` characters without
// personal data, control characters and format characters, which turn a line around.
func plain(text string, most int) bool {
	quoted, err := json.Marshal(text)
	return err == nil && !mask.Leaks(quoted) && strings.TrimSpace(text) != "" && len([]rune(text)) <= most &&
		!strings.ContainsFunc(text, func(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf) })
}

func openHost(ctx context.Context, purposes ...keys.Purpose) (*host.Host, error) {
	needs := host.Needs{DB: true, Purposes: purposes}
	config, err := host.LoadConfig(host.Environment, needs)
	if err != nil {
		return nil, err
	}
	return openConfig(ctx, config, needs)
}

func openConfig(ctx context.Context, config host.Config, needs host.Needs) (*host.Host, error) {
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
