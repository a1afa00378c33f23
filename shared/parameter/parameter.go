// Package parameter owns the table parameter_change, and writes policy: the figures that the bank's staff
// may change, under two persons.
//
// Somebody proposes a value; it has no effect until another authorised member approves it. Then it is a
// dated row of policy, in force from its day. The code holds the bounds of each figure: a value outside them
// is refused when it is proposed, and again when it is approved. Amounts are fen, days are business days.
// Refusals: PARAMETER_BELOW_FLOOR, PARAMETER_DECIDED, PARAMETER_MOVED, PARAMETER_OWN_APPROVAL.
//
// Source: PWD-009, ADMIN-011.
package parameter

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/staff"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Refusals.
var (
	ErrFloor   = bankerr.New(bankerr.Refused, "PARAMETER_BELOW_FLOOR")
	ErrDecided = bankerr.New(bankerr.Conflict, "PARAMETER_DECIDED")
	ErrMoved   = bankerr.New(bankerr.Conflict, "PARAMETER_MOVED")
	ErrOwn     = bankerr.New(bankerr.Forbidden, "PARAMETER_OWN_APPROVAL")
)

// Parameter is a figure that the staff may change, with its bounds. The standard's floor is one of the bounds.
type Parameter struct {
	Name        string
	Title       string // in Chinese, for the console
	Unit        string
	Least, Most int64
}

// The units.
const (
	unitCharacters = "位"
	unitDays       = "天"
	unitPasswords  = "个"
	unitFen        = "分"
	unitTimes      = "次"
	unitSeconds    = "秒"
)

// All lists the figures that the staff may change. Only migrations change others. A large payment is above what
// password and fingerprint alone confirm (CLIENT-006).
func All() []Parameter {
	return []Parameter{
		{"staff.address_lock_after", "行员登录：同一地址失败锁定次数", unitTimes, 5, 100},
		{"staff.lock_after", "行员登录：同一登录名失败锁定次数", unitTimes, 1, 10},
		{"staff.lock_seconds", "行员登录：锁定时长", unitSeconds, 300, 86400},
		{"staff.password.cycle_days", "行员密码：更改周期", unitDays, 1, staff.MostCycleDays},
		{"staff.password.history", "行员密码：不得与前几次相同", unitPasswords, staff.LeastHistory, staff.MostHistory},
		{"staff.password.min_length", "行员密码：最小长度", unitCharacters, password.StaffMin, 20},
		{"staff.password.min_length_aux", "行员密码：有 USBKey 或仅数字键盘时的最小长度", unitCharacters, password.StaffMinAux, 20},
		{"staff.password.pci_history", "PCI 应用行员密码：不得与前几次相同", unitPasswords, staff.LeastPCIHistory, staff.MostHistory},
		{"transfer.large_above", "大额转账开关的起点金额", unitFen, int64(stepup.CapSMS), 20_000_000},
		{"transfer.phone_shield.day_cap", "手机盾日累计限额", unitFen, 0, 20_000_000},
		{"transfer.sms.day_cap", "短信验证码日累计限额", unitFen, 0, 5_000_000},
		{"transfer.token.day_cap", "动态令牌日累计限额", unitFen, 0, 100_000_000},
	}
}

// Find returns the parameter with the name.
func Find(name string) (Parameter, bool) {
	for _, p := range All() {
		if p.Name == name {
			return p, true
		}
	}
	return Parameter{}, false
}

// Check refuses a value that is outside the bounds with PARAMETER_BELOW_FLOOR.
func (p Parameter) Check(value int64) error {
	if value < p.Least || value > p.Most {
		return ErrFloor.Because(&bankerr.FieldError{
			Field: "value", Why: "outside the bounds", Advice: fmt.Sprintf("%s须在%d至%d%s之间", p.Title, p.Least, p.Most, p.Unit),
		})
	}
	return nil
}

const (
	sqlPropose = `-- parameter_change.propose
INSERT INTO parameter_change (id, name, value, valid_from, proposed_by, proposed_at) VALUES ($1, $2, $3, $4, $5, $6)`

	sqlInForce = `-- policy.in_force
SELECT policy_value($1, $2)`

	sqlAllInForce = `-- policy.all_in_force
SELECT name, policy_value(name, $2) FROM unnest($1::text[]) AS name`

	sqlWaiting = `-- parameter_change.waiting
SELECT c.id, c.name, c.value, c.valid_from, p.login_name, c.proposed_at, policy_value(c.name, greatest(c.valid_from, $2))
  FROM parameter_change c JOIN staff p ON p.id = c.proposed_by
 WHERE c.approved_by IS NULL ORDER BY c.proposed_at DESC, c.id DESC LIMIT $1`

	sqlProposal = `-- parameter_change.get
SELECT c.name, c.value, greatest(c.valid_from, $2), p.login_name, policy_value(c.name, greatest(c.valid_from, $2))
  FROM parameter_change c JOIN staff p ON p.id = c.proposed_by WHERE c.id = $1`
)

// Proposal is a proposed change.
type Proposal struct {
	ID         uuid.UUID
	Name       string
	Value      int64
	ValidFrom  time.Time // a business day
	ProposedBy string    // login name
	ProposedAt time.Time
	Old        int64 // in force on that day, or today if that day is past; Propose does not read it
}

// Propose adds the proposal by a member to the unit.
func Propose(ctx context.Context, to pg.Writer, p Proposal, by uuid.UUID) error {
	return to.Write(ctx, pg.Statement{SQL: sqlPropose, Args: []any{p.ID, p.Name, p.Value, p.ValidFrom, by, p.ProposedAt}})
}

// InForce returns the figure that is in force on a business day.
func InForce(ctx context.Context, db pg.Reader, name string, day time.Time) (value int64, err error) {
	if err := db.QueryRow(ctx, sqlInForce, name, day).Scan(&value); err != nil {
		return 0, pg.Classify(fmt.Errorf("figure in force: %w", err))
	}
	return value, nil
}

// AllInForce returns the figures of All on a business day, by name.
func AllInForce(ctx context.Context, db pg.Reader, day time.Time) (map[string]int64, error) {
	var names []string
	for _, p := range All() {
		names = append(names, p.Name)
	}
	rows, err := db.Query(ctx, sqlAllInForce, names, day)
	if err != nil {
		return nil, fmt.Errorf("figures in force: %w", err)
	}
	values := map[string]int64{}
	var name string
	var value int64
	if _, err := pgx.ForEachRow(rows, []any{&name, &value}, func() error { values[name] = value; return nil }); err != nil {
		return nil, fmt.Errorf("figures in force: %w", err)
	}
	return values, nil
}

// Waiting returns the newest proposals that wait for approval on a business day.
func Waiting(ctx context.Context, db pg.Reader, today time.Time, most int) ([]Proposal, error) {
	rows, err := db.Query(ctx, sqlWaiting, most, today)
	if err != nil {
		return nil, fmt.Errorf("proposals: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (p Proposal, err error) { //nolint:wrapcheck // the Reader's rows wrap it
		err = row.Scan(&p.ID, &p.Name, &p.Value, &p.ValidFrom, &p.ProposedBy, &p.ProposedAt, &p.Old)
		return p, err //nolint:wrapcheck // the caller wraps it
	})
}

// Get returns a proposal as an approval today would put it in force; ErrNotFound if there is none.
func Get(ctx context.Context, db pg.Reader, id uuid.UUID, now time.Time) (Proposal, error) {
	p := Proposal{ID: id}
	err := db.QueryRow(ctx, sqlProposal, id, clock.BusinessDay(now)).Scan(&p.Name, &p.Value, &p.ValidFrom, &p.ProposedBy, &p.Old)
	if err = pg.Optional(err); err != nil {
		return p, pg.Classify(fmt.Errorf("proposal: %w", err))
	}
	if p.Name == "" {
		return p, bankerr.ErrNotFound
	}
	return p, nil
}

// Approve adds to the unit the approval of a proposal by a member. The commit refuses the proposer's own approval, a
// proposal that no longer waits, and one whose old value, which the approver has seen, is no longer in force.
func Approve(ctx context.Context, to pg.Writer, p Proposal, by uuid.UUID, now time.Time) error {
	return to.Write(ctx, pg.Statement{
		Call: "parameter_approve", Args: []any{p.ID, by, p.Old, now, clock.BusinessDay(now)},
		Refuse: map[string]error{ErrDecided.Code(): ErrDecided, ErrOwn.Code(): ErrOwn, ErrMoved.Code(): ErrMoved},
	})
}

// Text is a figure for the audit trail.
func Text(value int64) string { return strconv.FormatInt(value, 10) }
