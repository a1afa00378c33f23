package ledger

import (
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/pg"
)

// ErrNotLost refuses to lift a loss report that does not exist.
var ErrNotLost = bankerr.New(bankerr.Refused, "ACCOUNT_NOT_LOST")

// ReportAccountLost adds to the unit the statement that marks the customer's account as lost. The
// commit returns OBJECT_NOT_FOUND for an account of another customer, and ErrAccountClosed for a
// frozen or closed one. No posting debits the account from then on.
//
// Source: ACCT-004.
func ReportAccountLost(u *pg.Unit, account, customer uuid.UUID) {
	u.Add(pg.Statement{Call: "account_report_lost", Args: []any{account, customer}, Refuse: map[string]error{
		ErrAccountClosed.Code(): ErrAccountClosed, bankerr.ErrNotFound.Code(): bankerr.ErrNotFound,
	}})
}

// LiftLoss adds to the unit the statement that opens the customer's account again after a loss
// report. The commit returns ErrNotLost if the account is not reported lost.
func LiftLoss(u *pg.Unit, account, customer uuid.UUID) {
	u.Add(pg.Statement{Call: "account_lift_loss", Args: []any{account, customer}, Refuse: map[string]error{
		ErrNotLost.Code(): ErrNotLost,
	}})
}

// Operate adds to the unit the statement that adds the customer's account to those that mobile
// banking operates, or removes it. The commit returns OBJECT_NOT_FOUND if that changes nothing.
//
// Source: ACCT-003.
func Operate(u *pg.Unit, account, customer uuid.UUID, operable bool) {
	u.Add(pg.Statement{Call: "account_set_operable", Args: []any{account, customer, operable}, Refuse: map[string]error{
		bankerr.ErrNotFound.Code(): bankerr.ErrNotFound,
	}})
}
