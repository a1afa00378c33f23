package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/limit"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/stepup"
)

// LossLift is the only function that may confirm that a loss report is lifted.
const LossLift = "account-loss-lift"

// LimitSet is the only function that may confirm an own limit.
const LimitSet = "account-limit-set"

// Add is the only function that may confirm that an account is added to mobile banking.
const Add = "account-add"

// Remove is the only function that may confirm that an account is removed from mobile banking.
const Remove = "account-remove"

// ChangeLife is how long a prepared change waits for its proofs.
const ChangeLife = 10 * time.Minute

// Change is a prepared change of an account or of a limit: the payload of its intent.
type Change struct {
	What         stepup.Change `json:"what"`
	AccountID    uuid.UUID     `json:"account_id"` // but of limits
	NumberMasked string        `json:"number_masked"`
	Method       Method        `json:"method"` // of limits
	Own          limit.Own     `json:"own"`
	Before       *limit.Own    `json:"before"` // the own limit at the preparation; nil: none
}

// changes lists, for each change, the function that confirms it and its name in the texts.
var changes = map[stepup.Change]struct{ function, chinese string }{
	stepup.LiftLoss:      {LossLift, "解除账户挂失"},
	stepup.LowerLimit:    {LimitSet, "调低转账限额"},
	stepup.RaiseLimit:    {LimitSet, "调高转账限额"},
	stepup.AddAccount:    {Add, "添加手机银行账户"},
	stepup.RemoveAccount: {Remove, "删除手机银行账户"},
}

// Function is the only function that may confirm the change.
func (c Change) Function() string { return changes[c.What].function }

// Raises reports whether the change makes a limit higher.
func (c Change) Raises() bool { return c.What == stepup.RaiseLimit }

// Text is the text that the customer reads, signs and confirms.
func (c Change) Text(id uuid.UUID, at time.Time) string {
	lines := []string{"潮汐银行业务确认", "办理事项：" + changes[c.What].chinese}
	if c.NumberMasked != "" {
		lines = append(lines, "账户："+c.NumberMasked)
	}
	if c.Method != "" {
		lines = append(lines, "认证方式："+c.Method.chinese(), "单笔限额：人民币"+c.Own.PerTransfer.Yuan()+"元",
			"每日限额：人民币"+c.Own.PerDay.Yuan()+"元")
	}
	lines = append(lines, "时间："+at.In(clock.Shanghai).Format("2006-01-02 15:04:05"), "编号："+id.String())
	return strings.Join(lines, "\n")
}

// Method is a verification method with limits of its own: the strongest factor of a transfer.
type Method string

// methods lists the methods, with their kind of limit and their name in the texts.
var methods = []struct {
	method  Method
	kind    limit.Kind
	chinese string
}{
	{"sms", limit.TransferSMS, "短信验证码等"},
	{"token", limit.TransferToken, "动态令牌"},
	{"soft_ukey", limit.TransferSoftUKey, "柜台开通的软U盾"},
	{"phone_shield", limit.TransferPhoneShield, "手机盾"},
}

// Methods lists the methods.
func Methods() []Method {
	var list []Method
	for _, m := range methods {
		list = append(list, m.method)
	}
	return list
}

// Kind is the kind of limit of the method.
func (m Method) Kind() limit.Kind {
	for _, one := range methods {
		if one.method == m {
			return one.kind
		}
	}
	return ""
}

func (m Method) chinese() string {
	i := slices.Index(Methods(), m)
	if i < 0 {
		return ""
	}
	return methods[i].chinese
}

// Limits are a customer's limits of one method.
type Limits struct {
	Bank  limit.Own // what the bank allows
	Force limit.Own // what holds: the lower of the bank's and the customer's own
	Own   bool      // the customer has set a limit
	Used  money.Fen // of this day
}

// NewLimits combines the matrix of the method with the customer's usage.
func NewLimits(matrix stepup.Matrix, method Method, u limit.Usage) Limits {
	most := matrix.KindCap(method.Kind())
	bank := limit.Own{PerTransfer: min(most.PerTransfer, u.Policy), PerDay: min(most.PerDay, u.Policy)}
	return Limits{
		Bank: bank, Own: u.Set(), Used: u.Used,
		Force: limit.Own{PerTransfer: min(bank.PerTransfer, u.Own.PerTransfer), PerDay: min(bank.PerDay, u.Own.PerDay)},
	}
}

const sqlHeld = `-- account.held
SELECT id, state, operable, no_masked FROM account WHERE customer_id = $1 AND (id = $2 OR no_bidx = $3) AND state <> 'closed'`

// Held is an account of the customer, operated by mobile banking or not.
type Held struct {
	ID           uuid.UUID
	State        ledger.State
	Operable     bool
	NumberMasked string
}

// Held finds an account of the customer by its id, or by the blind index of its number; ErrNotFound for
// any other. A holder is a person: no two customers have one identity number
// (customer_idno_unique), so another customer's account has a holder with another identity.
func (s *Store) Held(ctx context.Context, customer, id uuid.UUID, index []byte) (Held, error) {
	var h Held
	err := s.db.QueryRow(ctx, sqlHeld, customer, id, index).Scan(&h.ID, &h.State, &h.Operable, &h.NumberMasked)
	if errors.Is(err, pgx.ErrNoRows) {
		return h, bankerr.ErrNotFound
	}
	if err != nil {
		return h, fmt.Errorf("held account: %w", err)
	}
	return h, nil
}
