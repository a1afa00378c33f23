// Package transfer holds the rules for transfers inside the bank: to another holder,
// and between a customer's own accounts.
//
// Preparing a transfer stores an intent (shared/stepup) with a complete plan. Proofs
// that are bound to the intent confirm it. Confirming reads only the stored plan.
// Amounts are whole fen. Names and account numbers leave this package masked.
//
// Refusals: ACCOUNT_CLOSED, ACCOUNT_SAME, FUNDS_INSUFFICIENT, PAYEE_MISMATCH,
// OBJECT_NOT_FOUND. Source: XFER-001, XFER-003,
// LOGIC-004, LOGIC-006, LOGIC-010.
package transfer

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/limit"
	"github.com/tidebank/tidebank/shared/mask"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/page"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Refusals.
var (
	ErrPayeeMismatch = bankerr.New(bankerr.Refused, "PAYEE_MISMATCH")
)

// ConfirmFunction is the only function that may confirm a transfer's intent.
const ConfirmFunction = "transfer-confirm"

// IntentLife is how long a prepared transfer waits for its proofs.
const IntentLife = 10 * time.Minute

// Plan is the payload of an intent to transfer. Confirming reads nothing more.
type Plan struct {
	DebitID            uuid.UUID `json:"debit_id"`
	CreditID           uuid.UUID `json:"credit_id"`
	Amount             money.Fen `json:"amount_fen"`
	Memo               string    `json:"memo"`
	Own                bool      `json:"own"`
	NewPayee           bool      `json:"new_payee"`
	PayeeCustomerID    uuid.UUID `json:"payee_customer_id"`
	PayerMasked        string    `json:"payer"`
	PayeeMasked        string    `json:"payee"`
	PayerAccountMasked string    `json:"payer_account"`
	PayeeAccountMasked string    `json:"payee_account"`
	PayeeCode          string    `json:"payee_code"`
	// Limits are the day's limits that the plan fits in, for each strongest factor that
	// may confirm it. They hold the policy of the time of preparing.
	Limits map[limit.Kind]DayLimit `json:"limits"`
}

// DayLimit is a day's cap and the version of the policy that set it.
type DayLimit struct {
	Cap     money.Fen `json:"cap_fen"`
	Version string    `json:"version"`
}

// NewPlan makes the plan of a transfer between two open accounts.
func NewPlan(debit, credit Party, amount money.Fen, memo string) (Plan, error) {
	switch {
	case debit.AccountID == credit.AccountID:
		return Plan{}, ledger.ErrSameAccount
	case debit.State != ledger.StateOpen || credit.State != ledger.StateOpen:
		return Plan{}, ledger.ErrAccountClosed
	case debit.Available < amount:
		return Plan{}, ledger.ErrFundsInsufficient
	}
	p := Plan{
		DebitID: debit.AccountID, CreditID: credit.AccountID, Amount: amount, Memo: memo,
		Own: debit.CustomerID == credit.CustomerID, PayeeCustomerID: credit.CustomerID,
		PayerMasked: mask.Name(debit.Name), PayeeMasked: mask.Name(credit.Name),
		PayerAccountMasked: debit.NumberMasked, PayeeAccountMasked: credit.NumberMasked, PayeeCode: credit.PayeeCode,
		Limits: make(map[limit.Kind]DayLimit),
	}
	return p, nil
}

// CheckLimit adds a day's limit to the plan if enough of it is left for the amount.
// The policy may set a lower cap than the factors have, never a higher cap.
func (p *Plan) CheckLimit(kind limit.Kind, ceiling money.Fen, u limit.Usage) {
	u.Cap = min(u.Cap, ceiling)
	if u.Allows(p.Amount) {
		p.Limits[kind] = DayLimit{Cap: u.Cap, Version: u.Version}
	}
}

// FitsDay reports whether a transfer that this combination confirms fits in its
// day's limit.
func (p Plan) FitsDay(c stepup.Combination) bool {
	kind, _ := c.Limit()
	_, fits := p.Limits[kind]
	return fits
}

// UseLimit adds the use of the day's limit at a time to the unit; factors are the proven
// factors. If the plan does not hold their limit, the commit refuses every amount.
func (p Plan) UseLimit(unit *pg.Unit, customer uuid.UUID, factors []stepup.Factor, at time.Time) {
	kind, _ := stepup.Combination(factors).Limit()
	limit.Use(unit, customer, kind, at, p.Amount, p.Limits[kind].Cap)
}

// Scene is the plan's row of the step-up matrix.
func (p Plan) Scene() stepup.Scene {
	if p.Own {
		return stepup.ToOwn
	}
	return stepup.ToOthers
}

// Text is the canonical Chinese text that the customer reads, signs and confirms
// (AUTH-015). at is the time of preparing.
//
// Name and number of the payee are masked, also for the payer who typed them: every
// answer masks them by one rule (MASK-004, MASK-005), and a text in an answer is no
// exception. Two accounts can read the same then. So the text shows the payee's code,
// which differs between them (ledger.PayeeCode). The SMS with the one-time code shows
// it too, and the payee finds it at the own account.
func (p Plan) Text(id uuid.UUID, at time.Time) string {
	lines := []string{
		"潮汐银行转账确认",
		"付款账户：" + p.PayerAccountMasked,
		"收款户名：" + p.PayeeMasked,
		"收款账户：" + p.PayeeAccountMasked,
		"收款识别码：" + p.PayeeCode,
		fmt.Sprintf("金额：人民币%s元（%s）", p.Amount.Yuan(), p.Amount.Capitals()),
	}
	if p.Memo != "" {
		lines = append(lines, "附言："+mask.Text(p.Memo))
	}
	lines = append(lines, "时间："+at.In(clock.Shanghai).Format("2006-01-02 15:04:05"), "编号："+id.String())
	return strings.Join(lines, "\n")
}

// Order is a confirmed transfer.
type Order struct {
	ID         uuid.UUID       `json:"id"` // the intent and the posting have the same id
	CustomerID uuid.UUID       `json:"customer_id"`
	IntentID   uuid.UUID       `json:"intent_id"`
	DeviceID   string          `json:"device_id"`
	Plan       Plan            `json:"plan"`
	Text       string          `json:"text"`
	Factors    []stepup.Factor `json:"factors"`
	PostedAt   time.Time       `json:"posted_at"`
}

// Posting is the order's movement of money. Each side's entry holds the masked memo,
// sealed with the ring's purpose Storage.
func (o Order) Posting(ring *keys.Ring) (ledger.Posting, error) {
	memo := mask.Text(o.Plan.Memo)
	debit, err := ledger.SealMemo(ring, o.ID, o.Plan.DebitID, memo)
	if err != nil {
		return ledger.Posting{}, err
	}
	credit, err := ledger.SealMemo(ring, o.ID, o.Plan.CreditID, memo)
	if err != nil {
		return ledger.Posting{}, err
	}
	const summary = "转账"
	p := ledger.Posting{
		ID: o.ID, Kind: "transfer", Debit: o.Plan.DebitID, Credit: o.Plan.CreditID, Amount: o.Plan.Amount,
		BusinessDay: clock.BusinessDay(o.PostedAt), PostedAt: o.PostedAt,
		DebitSide: ledger.Side{
			Counterparty: o.Plan.PayeeMasked + " " + o.Plan.PayeeAccountMasked, Summary: summary, MemoSealed: debit,
		},
		CreditSide: ledger.Side{
			Counterparty: o.Plan.PayerMasked + " " + o.Plan.PayerAccountMasked, Summary: summary, MemoSealed: credit,
		},
	}
	return p, nil
}

// Event is the order's event for other functions, without personal data.
func (o Order) Event() events.TransferPosted {
	factors := make([]string, len(o.Factors))
	for i, f := range o.Factors {
		factors[i] = string(f)
	}
	return events.TransferPosted{
		TransferID: o.ID.String(), PostingID: o.ID.String(),
		PayerCustomerID: o.CustomerID.String(), PayeeCustomerID: o.Plan.PayeeCustomerID.String(),
		DebitAccountID: o.Plan.DebitID.String(), CreditAccountID: o.Plan.CreditID.String(),
		AmountFen: o.Plan.Amount, PayerMasked: o.Plan.PayerMasked, PayeeMasked: o.Plan.PayeeMasked,
		PayerAccountMasked: o.Plan.PayerAccountMasked, PayeeAccountMasked: o.Plan.PayeeAccountMasked,
		MemoPresent: o.Plan.Memo != "", Own: o.Plan.Own, NewPayee: o.Plan.NewPayee, PostedAt: o.PostedAt,
		DeviceID: o.DeviceID, Factors: factors,
	}
}

// Place is the order's place in a list, from which the next page begins.
func (o Order) Place() page.Place { return page.Place{At: o.PostedAt, ID: o.ID} }

// View is a transfer as the payer sees it.
type View struct {
	TransferID         uuid.UUID `json:"transfer_id" format:"uuid"`
	Status             string    `json:"status" enum:"posted"`
	Amount             money.Fen `json:"amount_fen"`
	PayeeNameMasked    string    `json:"payee_name_masked"`
	PayerAccountMasked string    `json:"payer_account_masked"`
	PayeeAccountMasked string    `json:"payee_account_masked"`
	PayeeCode          string    `json:"payee_code" doc:"Eight digits that differ between accounts which look alike when masked"`
	Memo               string    `json:"memo"`
	PostedAt           time.Time `json:"posted_at"`
}

// View returns the order as the payer sees it.
func (o Order) View() View {
	return View{
		TransferID: o.ID, Status: "posted", Amount: o.Plan.Amount, PayeeNameMasked: o.Plan.PayeeMasked,
		PayerAccountMasked: o.Plan.PayerAccountMasked, PayeeAccountMasked: o.Plan.PayeeAccountMasked,
		PayeeCode: o.Plan.PayeeCode, Memo: mask.Text(o.Plan.Memo), PostedAt: o.PostedAt.In(clock.Shanghai),
	}
}
