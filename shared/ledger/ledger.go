// Package ledger moves money by immutable double-entry postings between accounts.
//
// A posting debits one account and credits another by the same amount, and writes one
// entry for each account. No posting or entry is ever changed or deleted. The sum of
// all balances is always zero. Post locks accounts in the order of their ids. A
// customer's available amount (balance less holds) never goes below zero; an internal
// account's may. Every posting has an HMAC-SM3 over its figures; Verify checks the
// MACs, the sums and the numbers. Amounts are fen.
//
// The entries of an account have numbers: 1, 2, 3 without gaps. An entry gets its
// number and its running balance under the lock of its account. So each running
// balance is the previous one plus the amount, and the number alone orders entries.
// An internal account's entry waits until Fold writes and numbers it, so that
// concurrent transfers do not wait for one row.
//
// The booking time is PostedAt of the posting: the clock of the instance that carries
// out the posting. The MAC covers it, the business day follows from it, and entries
// and orders copy it. Clocks of instances differ, so no list of entries is ordered by
// time.
//
// Refusals: FUNDS_INSUFFICIENT, ACCOUNT_CLOSED, ACCOUNT_SAME.
// Source: XFER-001, LOGIC-010, LOGIC-015, AUDIT-001, CRYPTO-012.
package ledger

import (
	"encoding/binary"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
)

// Refusals. ErrAccountClosed does not say which of the two accounts is closed.
var (
	ErrFundsInsufficient = bankerr.New(bankerr.Refused, "FUNDS_INSUFFICIENT")
	ErrAccountClosed     = bankerr.New(bankerr.Refused, "ACCOUNT_CLOSED")
	ErrSameAccount       = bankerr.New(bankerr.Refused, "ACCOUNT_SAME")
)

// Side is the text of a posting on one account's statement, masked. What a customer
// wrote does not belong in the summary, but in the sealed memo.
type Side struct {
	Counterparty string
	Summary      string
	MemoSealed   []byte // by SealMemo; an internal account's entry takes no memo
}

// Posting is one movement of money.
type Posting struct {
	ID          uuid.UUID
	Kind        string
	Debit       uuid.UUID // the account that pays
	Credit      uuid.UUID // the account that receives
	Amount      money.Fen
	BusinessDay time.Time
	PostedAt    time.Time // whole microseconds
	DebitSide   Side
	CreditSide  Side
	Internal    bool // one of the accounts is internal
}

// MAC authenticates parts under the ledger's key and names that key.
type MAC func(parts ...[]byte) (sum []byte, keyID string)

const (
	post         = "ledger_post"
	postInternal = "ledger_post_internal"

	sqlPostRows = `-- ledger.post.rows
SELECT ledger_post_rows($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`
)

// Post adds the posting to a unit of work. Money moves only by Post.
func Post(u *pg.Unit, p Posting, mac MAC) {
	sum, keyID := mac(p.figures()...)
	call, rows := post, sqlPostRows
	if p.Internal {
		call, rows = postInternal, ""
	}
	u.Add(pg.Statement{
		Call: call,
		Rows: rows,
		Args: []any{
			p.ID, p.Kind, p.Debit, p.Credit, p.Amount, p.BusinessDay, p.PostedAt, sum, keyID,
			p.DebitSide.Counterparty, p.DebitSide.Summary, p.CreditSide.Counterparty, p.CreditSide.Summary,
			append([]byte{}, p.DebitSide.MemoSealed...), append([]byte{}, p.CreditSide.MemoSealed...), // never NULL
		},
		Refuse: map[string]error{
			ErrFundsInsufficient.Code():      ErrFundsInsufficient,
			ErrAccountClosed.Code():          ErrAccountClosed,
			ErrSameAccount.Code():            ErrSameAccount,
			"account_available_not_negative": ErrFundsInsufficient,
		},
	})
}

// figures returns the parts that the posting's MAC covers.
func (p Posting) figures() [][]byte {
	return [][]byte{
		p.ID[:], []byte(p.Kind), p.Debit[:], p.Credit[:],
		binary.BigEndian.AppendUint64(nil, uint64(p.Amount)),
		[]byte(p.BusinessDay.Format(time.DateOnly)),
		binary.BigEndian.AppendUint64(nil, uint64(p.PostedAt.UnixMicro())),
	}
}
