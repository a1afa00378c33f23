package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/staff"
)

// staffFunction is the name of the command in access records.
const staffFunction = "tide-staff-create"

// Refusals of a command line.
var (
	errLoginName = errors.New("--login must have 3 to 32 characters of a-z, 0-9, dot and hyphen, and begin with a letter")
	errRole      = errors.New("--roles must name administrator alone, or some of parameters, risk and content")
	errUSBKey    = errors.New("--usb-key is no SM2 public key in PKIX DER")
)

// hire is what an operator orders for a new member of the staff.
type hire struct {
	login, reason, operator, keyFile string
	roles                            []string
	pci, keypad                      bool
	valid                            time.Duration
}

func staffCommand() *cobra.Command {
	var o hire
	create := &cobra.Command{
		Use: "create --login NAME --roles ROLES --reason TEXT --operator NAME", Short: "Create a member of the staff", Args: cobra.NoArgs,
		Long: `Create a member of the bank's staff, and print a first password.

The password is good for one login within --valid. That session is only for a change of the password. The roles are
administrator alone, or some of parameters, risk and content. The command leaves an access record in the same transaction:
operator, reason, time, this computer's name, and the address that the database sees. It reads DATABASE_URL and KEYS_FILE.

It exits with 0 if the member was created, and with 1 if not.`,
		Example: `  go run ./infra/tide staff create --login wang.xm --roles parameters --reason "new in the department" --operator zhao`,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	requireFlag(create, &o.login, "login", "login name")
	requireFlag(create, &o.reason, "reason", "reason for the order, for audit")
	requireFlag(create, &o.operator, "operator", "name of the operator who decides, for audit")
	create.Flags().StringSliceVar(&o.roles, "roles", nil, "roles, separated by commas")
	create.Flags().BoolVar(&o.pci, "pci", false, "the member works in an application under PCI")
	create.Flags().BoolVar(&o.keypad, "keypad", false, "the member's terminal has digits only")
	create.Flags().StringVar(&o.keyFile, "usb-key", "", "file with the SM2 public key of the member's USB key, PKIX DER")
	create.Flags().DurationVar(&o.valid, "valid", 8*time.Hour, "how long the first password is good, at most 24h")
	parent := group("staff", "Members of the bank's staff")
	parent.AddCommand(create, givePasswordCommand(), leaveCommand())
	return parent
}

// member checks the order before the command opens the database.
func (o *hire) member() (staff.Member, error) {
	m := staff.Member{LoginName: o.login, PCI: o.pci, Keypad: o.keypad}
	for _, name := range o.roles {
		m.Roles = append(m.Roles, staff.Role(name))
	}
	unknown := func(r staff.Role) bool { return !slices.Contains(staff.Roles(), r) }
	switch {
	case !staff.ValidLoginName(o.login):
		return m, errLoginName
	case len(m.Roles) == 0 || slices.ContainsFunc(m.Roles, unknown) || staff.CheckRoles(m.Roles) != nil:
		return m, errRole
	case !plain(o.reason, 200):
		return m, errReason
	case !plain(o.operator, 64):
		return m, errOperator
	case o.valid <= 0 || o.valid > staff.GivenLife:
		return m, fmt.Errorf("--valid: %w", staff.ErrGivenLife)
	case o.keyFile == "":
		return m, nil
	}
	var err error
	if m.USBKey, err = os.ReadFile(o.keyFile); err != nil {
		return m, fmt.Errorf("--usb-key: %w", err)
	}
	if _, err := sm.ParsePublicKey(m.USBKey); err != nil {
		return m, errUSBKey
	}
	return m, nil
}

func (o *hire) run(cmd *cobra.Command) error {
	m, err := o.member()
	if err != nil {
		return err
	}
	h, err := openHost(cmd.Context(), keys.Pepper, keys.Credential)
	if err != nil {
		return err
	}
	defer h.Close()
	clear, trace, err := createMember(cmd.Context(), h, *o, m)
	if err != nil {
		return err
	}
	const created = "Created. The access record has the trace %s.\nThe first password is %s for one login within %s.\n"
	if _, err = fmt.Fprintf(cmd.OutOrStdout(), created, trace, clear, o.valid); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// createMember stores the member and emits the access record in the same transaction. It returns the first
// password and the record's trace.
func createMember(ctx context.Context, h *host.Host, o hire, m staff.Member) (clear, trace string, err error) {
	m.ID, m.At = uuid.New(), h.Clock.Now()
	ctx, record, err := newRecord(ctx, staffFunction, "auth", fmt.Sprintf("created by %s: %s", o.operator, o.reason))
	if err != nil {
		return "", "", fmt.Errorf("create: %w", err)
	}
	if err := h.DB.Reader().QueryRow(ctx, sqlOperatorAddress).Scan(&record.IP); err != nil {
		return "", "", fmt.Errorf("operator's address: %w", err)
	}
	roles, err := json.Marshal(m.Roles)
	if err != nil {
		return "", "", fmt.Errorf("create: %w", err)
	}
	record.StaffID = m.ID.String()
	record.Act = &events.StaffAct{What: "member " + m.LoginName, New: string(roles), By: o.operator}
	turn, err := password.NewStore(h.Keys, h.Hashing).Begin(ctx)
	if err != nil {
		return "", "", fmt.Errorf("create: %w", err)
	}
	defer turn.End()
	clear = staff.Given(m.LoginName, m.Keypad)
	var unit pg.Unit
	if err := staff.Create(ctx, &unit, turn, m, clear, o.valid); err != nil {
		return "", "", fmt.Errorf("create: %w", err)
	}
	if err := events.Emit(ctx, &unit, staffFunction, uuid.Nil, record); err != nil {
		return "", "", fmt.Errorf("create: %w", err)
	}
	if err := h.DB.Commit(ctx, &unit); err != nil {
		return "", "", fmt.Errorf("create: %w", err)
	}
	return clear, record.Trace, nil
}
