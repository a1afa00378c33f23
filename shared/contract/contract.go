// Package contract owns the contracts for fund transactions: the tables fund_contract, risk_notice and
// counter_payee.
//
// A customer opens fund transactions at the counter, with identity check, risk notice and written
// confirmation, or online by an application that a certificate of the customer signs. Without the
// contract, the customer pays between own accounts and to payees who were bound at the counter with a
// named transaction phone; PermitSQL refuses every other transfer in the transaction that posts it. A
// named phone exempts only while it is the customer's number. The notice has versions; a row of each
// table is never changed, but for the phone of a payee that is bound again. Refusals:
// FUND_CONTRACT_MISSING, FUND_CONTRACT_OPEN.
//
// Source: AUTH-021, XFER-013, RISK-005.
package contract

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
)

// Refusals.
var (
	ErrMissing = bankerr.New(bankerr.Refused, "FUND_CONTRACT_MISSING")
	ErrOpen    = bankerr.New(bankerr.Refused, "FUND_CONTRACT_OPEN")
)

// ApplicationLife is how long a prepared application waits for its proofs.
const ApplicationLife = 30 * time.Minute

// Notice is the notice of the risks of fund transactions.
type Notice struct {
	Version string
	Text    string
}

// Digest is the SM3 of the text in UTF-8, by which the customer confirms this text.
func (n Notice) Digest() []byte { return sm.Digest([]byte(n.Text)) }

// Confirmed reports whether the digest is of this notice's text.
func (n Notice) Confirmed(digest []byte) bool { return bytes.Equal(digest, n.Digest()) }

// Application is a prepared application for the contract: the payload of its intent.
type Application struct {
	NoticeVersion string `json:"notice_version"` // of the notice that the customer was shown
}

// ApplicationText is the text that the customer signs. It names the notice by version and digest, so that the
// signature covers its words.
func ApplicationText(n Notice, id uuid.UUID, at time.Time) string {
	return strings.Join([]string{
		"潮汐银行业务确认", "办理事项：开通资金类交易", "本人已阅读并知悉风险提示，版本：" + n.Version,
		"风险提示摘要（SM3）：" + hex.EncodeToString(n.Digest()),
		"时间：" + at.In(clock.Shanghai).Format("2006-01-02 15:04:05"), "编号：" + id.String(),
	}, "\n")
}

const (
	sqlNotice = `-- risk_notice.in_force
SELECT version, text FROM risk_notice WHERE valid_from <= $1 ORDER BY valid_from DESC, version DESC LIMIT 1`

	sqlContract = `-- fund_contract.exists
SELECT EXISTS (SELECT FROM fund_contract WHERE customer_id = $1)`

	sqlMayPay = `-- fund_contract.may_pay
SELECT transfer_open($1, $2)`

	sqlSigned = `-- fund_contract.signed
INSERT INTO fund_contract (customer_id, way, opened_at, notice_version, evidence_id, identity_check, paper, operator)
VALUES ($1, 'signature', $2, $3, $4, '', '', '')`

	sqlAtCounter = `-- fund_contract.at_counter
INSERT INTO fund_contract (customer_id, way, opened_at, notice_version, identity_check, paper, operator)
VALUES ($1, 'counter', $2, $3, $4, $5, $6)`

	sqlBindPayee = `-- counter_payee.bind
INSERT INTO counter_payee (customer_id, account_id, phone_bidx, bound_at, identity_check, operator) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (customer_id, account_id) DO UPDATE SET phone_bidx = $3, bound_at = $4, identity_check = $5, operator = $6`

	sqlForgetPayees = `-- counter_payee.forget
DELETE FROM counter_payee WHERE customer_id = $1`
)

// PermitSQL is the SQL function that refuses a transfer, and its form for many transfers at once. It takes
// the customer, the account that pays, and the account that receives.
const (
	PermitSQL     = "transfer_permit"
	PermitRowsSQL = `-- transfer.permit.rows
SELECT transfer_permit(customer, debit, credit) FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS made (customer, debit, credit)`
)

// QueueMayPay adds to the batch the query whether the customer may pay to the account.
func QueueMayPay(batch *pgx.Batch, customer, credit uuid.UUID, may *bool) {
	batch.Queue(sqlMayPay, customer, credit).QueryRow(func(row pgx.Row) error { return row.Scan(may) })
}

// NoticeInForce reads the notice in force.
func NoticeInForce(ctx context.Context, db pg.Reader, now time.Time) (n Notice, err error) {
	if err := db.QueryRow(ctx, sqlNotice, now).Scan(&n.Version, &n.Text); err != nil {
		return n, fmt.Errorf("risk notice: %w", err)
	}
	return n, nil
}

// Exists reports whether the customer has the contract.
func Exists(ctx context.Context, db pg.Reader, customer uuid.UUID) (exists bool, err error) {
	if err := db.QueryRow(ctx, sqlContract, customer).Scan(&exists); err != nil {
		return false, fmt.Errorf("fund contract: %w", err)
	}
	return exists, nil
}

// OpenSigned adds to the unit the contract that the customer has signed. The evidence (shared/evidence)
// has the id of the intent and stands in the unit before. The commit returns ErrOpen if there is a
// contract.
func OpenSigned(u *pg.Unit, customer uuid.UUID, notice string, evidence uuid.UUID, at time.Time) {
	u.Add(pg.Statement{SQL: sqlSigned, Args: []any{customer, at, notice, evidence}, Refuse: once()})
}

// Counter is what the staff has done at the counter, in words without personal data.
type Counter struct {
	IdentityCheck string
	Paper         string // the number of the written confirmation
	Operator      string
}

// OpenAtCounter adds to the unit the contract that the customer has applied for at the counter. The
// commit returns ErrOpen if there is a contract.
func OpenAtCounter(u *pg.Unit, customer uuid.UUID, notice string, c Counter, at time.Time) {
	u.Add(pg.Statement{
		SQL: sqlAtCounter, Args: []any{customer, at, notice, c.IdentityCheck, c.Paper, c.Operator}, Refuse: once(),
	})
}

func once() map[string]error { return map[string]error{"fund_contract_once": ErrOpen} }

// BindPayee adds to the unit the payee's account that the customer has bound at the counter. phone is the
// blind index of the named transaction phone; nil: none is named, and the payee needs the contract.
func BindPayee(u *pg.Unit, customer, account uuid.UUID, phone []byte, c Counter, at time.Time) {
	u.Add(pg.Statement{SQL: sqlBindPayee, Args: []any{customer, account, phone, at, c.IdentityCheck, c.Operator}})
}

// Forget deletes the bound payees of a customer whose record is erased. The contract stays, as evidence; it
// holds no personal data.
func Forget(ctx context.Context, to pg.Writer, customer uuid.UUID) error {
	return to.Write(ctx, pg.Statement{SQL: sqlForgetPayees, Args: []any{customer}})
}
