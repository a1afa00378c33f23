// Package ledger moves money by immutable double-entry postings between accounts.
//
// A posting debits one account and credits another by the same amount, and writes one
// entry for each account. No posting or entry is ever changed or deleted. The sum of
// all balances is always zero. Post locks accounts in the order of their ids. A
// customer's available amount (balance less holds) never goes below zero; an internal
// account's may. Entries of internal accounts are folded into the balance later
// (Fold), so that concurrent transfers do not wait for one row. Every posting has an
// HMAC-SM3 over its figures; Verify checks the MACs and the sums. Amounts are fen.
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

// Side is the text of a posting on one account's statement, masked.
type Side struct {
	Counterparty string
	Summary      string
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
SELECT ledger_post_rows($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`
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
