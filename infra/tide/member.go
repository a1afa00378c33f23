package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/staff"
)

// memberOrder is what an operator orders for a member of the staff: another password, or the end.
type memberOrder struct {
	login, reason, operator string
	gives                   bool
	valid                   time.Duration // of the password, if it gives one
}

const (
	givePasswordFunction = "tide-staff-give-password"
	leaveFunction        = "tide-staff-leave"
)

func givePasswordCommand() *cobra.Command {
	o := memberOrder{gives: true}
	c := &cobra.Command{
		Use: "give-password --login NAME --reason TEXT --operator NAME", Short: "Give a member another password", Args: cobra.NoArgs,
		Long: `Replace the password of a member of the bank's staff by a random one, and print it.

The password is good for one login within --valid. That session is only for a change of the password. The earlier password, also
one that the bank has given, and the member's session end. The command leaves an access record in the same transaction. It reads
DATABASE_URL, REDIS_URL and KEYS_FILE.

It exits with 0 if the password was given, and with 1 if not.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.flags(c)
	c.Flags().DurationVar(&o.valid, "valid", 8*time.Hour, "how long the password is good, at most 24h")
	return c
}

func leaveCommand() *cobra.Command {
	var o memberOrder
	c := &cobra.Command{
		Use: "leave --login NAME --reason TEXT --operator NAME", Short: "Shut a member of the staff out", Args: cobra.NoArgs,
		Long: `Make a member of the bank's staff inactive, without roles, and end the member's session.

The member stays as a record, and the login name is not given again. The command leaves an access record in the same
transaction. It reads DATABASE_URL, REDIS_URL and KEYS_FILE.

It exits with 0 if the member was shut out, and with 1 if not.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.flags(c)
	return c
}

func (o *memberOrder) flags(c *cobra.Command) {
	requireFlag(c, &o.login, "login", "login name")
	requireFlag(c, &o.reason, "reason", "reason for the order, for audit")
	requireFlag(c, &o.operator, "operator", "name of the operator who decides, for audit")
}

// check checks the order before the command opens the database.
func (o *memberOrder) check() error {
	switch {
	case !staff.ValidLoginName(o.login):
		return errLoginName
	case !plain(o.reason, 200):
		return errReason
	case !plain(o.operator, 64):
		return errOperator
	case o.gives && (o.valid <= 0 || o.valid > staff.GivenLife):
		return fmt.Errorf("--valid: %w", staff.ErrGivenLife)
	}
	return nil
}

func (o *memberOrder) run(cmd *cobra.Command) error {
	if err := o.check(); err != nil {
		return err
	}
	needs := host.Needs{DB: true, Redis: true, Purposes: []keys.Purpose{keys.Pepper, keys.Credential, keys.Session}}
	config, err := host.LoadConfig(host.Environment, needs)
	if err != nil {
		return err
	}
	h, err := openConfig(cmd.Context(), config, needs)
	if err != nil {
		return err
	}
	defer h.Close()
	clear, trace, err := changeMember(cmd.Context(), h, *o)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("Done. The access record has the trace %s.\n", trace)
	if o.gives {
		text += fmt.Sprintf("The password is %s for one login within %s.\n", clear, o.valid)
	}
	if _, err := fmt.Fprint(cmd.OutOrStdout(), text); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// changeMember carries an order out, and emits the access record in the same transaction. It returns the password, if it gives
// one, and the record's trace. It ends the member's session before and after: a login may have begun between.
func changeMember(ctx context.Context, h *host.Host, o memberOrder) (clear, trace string, err error) {
	function := leaveFunction
	if o.gives {
		function = givePasswordFunction
	}
	ctx, record, err := newRecord(ctx, function, "auth", fmt.Sprintf("ordered by %s: %s", o.operator, o.reason))
	if err != nil {
		return "", "", fmt.Errorf("member: %w", err)
	}
	if err := h.DB.Reader().QueryRow(ctx, sqlOperatorAddress).Scan(&record.IP); err != nil {
		return "", "", fmt.Errorf("operator's address: %w", err)
	}
	m, err := staff.Active(ctx, h.DB.Reader(), o.login)
	if err != nil {
		return "", "", fmt.Errorf("member: %w", err)
	}
	record.StaffID = m.ID.String()
	var unit pg.Unit
	if o.gives {
		record.Act = &events.StaffAct{What: "password of " + o.login, By: o.operator}
		clear, err = givePassword(ctx, h, &unit, m, o.valid)
	} else {
		record.Act, err = leave(ctx, &unit, m, o.operator)
	}
	if err != nil {
		return "", "", fmt.Errorf("member: %w", err)
	}
	if err := events.Emit(ctx, &unit, function, uuid.Nil, record); err != nil {
		return "", "", fmt.Errorf("member: %w", err)
	}
	if err := h.Sessions.EndStaff(ctx, m.ID); err != nil {
		return "", "", fmt.Errorf("member: %w", err)
	}
	if err := h.DB.Commit(ctx, &unit); err != nil {
		return "", "", fmt.Errorf("member: %w", err)
	}
	if err := h.Sessions.EndStaff(ctx, m.ID); err != nil {
		return "", "", fmt.Errorf("the order is carried out, but a session may last: %w", err)
	}
	return clear, record.Trace, nil
}

func givePassword(
	ctx context.Context, h *host.Host, unit *pg.Unit, m staff.Member, valid time.Duration,
) (clear string, err error) {
	turn, err := password.NewStore(h.Keys, h.Hashing).Begin(ctx)
	if err != nil {
		return "", err
	}
	defer turn.End()
	m.At, clear = h.Clock.Now(), staff.Given(m.LoginName, m.Keypad)
	return clear, staff.GivePassword(ctx, unit, turn, m, clear, valid)
}

func leave(ctx context.Context, unit *pg.Unit, m staff.Member, operator string) (*events.StaffAct, error) {
	roles, err := json.Marshal(m.Roles)
	if err != nil {
		return nil, fmt.Errorf("roles: %w", err)
	}
	return &events.StaffAct{What: "member " + m.LoginName, Old: string(roles), New: "[]", By: operator}, staff.Leave(ctx, unit, m.ID)
}
