// Package aliasset sets the alias of one of the caller's accounts.
//
//	POST /function/account-alias-set   session
//
// An alias has 1 to 20 printable characters, at least one of them visible; a phone or card
// number in the alias is shown masked. The database holds the alias sealed. Setting the
// same alias again changes nothing. Refusals: OBJECT_NOT_FOUND, also for another
// customer's account.
package aliasset

import (
	"context"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/functions/account"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/mask"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/plaintext"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "account-alias-set", Summary: "Name an account", Audience: fn.Customer, Audit: fn.AuditRead,
	Personal: []string{"number_masked"}, Refusals: []*bankerr.Error{bankerr.ErrNotFound},
	Keys:         []keys.Purpose{keys.Ledger, keys.Storage},
	Requirements: []string{"ACCT-005", "LOGIC-004", "LOGIC-005", "MASK-004"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request names the account and its alias.
type Request struct {
	AccountID uuid.UUID `json:"account_id" format:"uuid"`
	Alias     string    `json:"alias" minLength:"1" maxLength:"20" example:"工资卡"`
}

// Validate checks that the alias is printable text that looks the same everywhere.
func (r Request) Validate() error {
	if alias := plaintext.Line(r.Alias); !plaintext.Visible(alias) || !plaintext.Printable(alias) {
		return fn.InvalidField("alias", "not printable")
	}
	return nil
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.CommandOperation[Request, account.View], error) {
	store := account.NewStore(lent.DB, lent.Keys)
	return func(ctx context.Context, call *fn.Call, req Request, unit *pg.Unit) (account.View, error) {
		view, err := store.One(ctx, req.AccountID, call.CustomerID)
		if err != nil {
			return account.View{}, err
		}
		alias := plaintext.Line(req.Alias)
		view.Alias = mask.Text(alias)
		return view, ledger.NameAccount(unit, lent.Keys, req.AccountID, call.CustomerID, alias)
	}, nil
}
