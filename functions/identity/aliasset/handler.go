// Package aliasset gives a customer an alias for log-ins, in place of the earlier one.
//
//	POST /function/identity-alias-set   session, step-up   emits identity.aliasset.v1
//
// The proofs are the login password, and a code or a signature over the text of the prepared
// change. So the answer about an alias that equals the login password tells nobody anything
// new. An alias has 4 to 20 characters; letter case makes no other alias. The database holds
// it sealed, and refuses an alias that another customer has, also when both set it at once.
// Refusals: ALIAS_TAKEN, PASSWORD_UNSEALED and those of the step-up.
package aliasset

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions/identity"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Confirm(fn.Spec{
	Name: identity.AliasSet, Summary: "Set the alias for log-ins", Rate: fn.RateAuth, Audit: fn.AuditAuth,
	Timeout: identity.SetTimeout, Emits: []string{events.TypeAliasSet}, Refusals: []*bankerr.Error{customer.ErrAliasTaken},
	Keys:         []keys.Purpose{keys.BlindIndex, keys.Password, keys.Storage, keys.Pepper, keys.Credential},
	Requirements: []string{"AUTH-027", "PWD-013"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request names the intent, and holds the proofs and the alias.
type Request struct {
	stepup.Confirmation
	Alias string `json:"alias" minLength:"4" maxLength:"20" doc:"A letter first, then letters, digits, . _ -" example:"tide.fan"`
}

// Validate checks the form of the alias.
func (r Request) Validate() error {
	if !customer.ValidAlias(r.Alias) {
		return refused("no alias, or like a number", "别名由4至20位字母、数字或._-组成，以字母开头，数字最多6位")
	}
	return nil
}

func refused(why, advice string) error {
	return bankerr.ErrInput.Because(&bankerr.FieldError{Field: "alias", Why: why, Advice: advice})
}

// Response confirms the alias.
type Response struct {
	AliasSet bool `json:"alias_set"`
}

type operation struct {
	db    pg.Reader
	ring  *keys.Ring
	clock clock.Clock
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.ConfirmOperation[identity.Change, Request, Response], error) {
	return operation{db: lent.DB, ring: lent.Keys, clock: lent.Clock}.do, nil
}

func (op operation) do(
	ctx context.Context, call *fn.Call, req Request, _ fn.Confirmed[identity.Change], unit *pg.Unit,
) (Response, error) {
	present, err := op.present(call, req.Proofs)
	if err != nil {
		return Response{}, err
	}
	if strings.EqualFold(present, req.Alias) {
		return Response{}, refused("the login password", "别名不能与登录密码相同")
	}
	var batch pgx.Batch
	var sealed customer.Sealed
	sealed.QueueSealed(&batch, call.CustomerID)
	if err := op.db.Batch(ctx, &batch); err != nil {
		return Response{}, fmt.Errorf("customer of an alias: %w", err)
	}
	if err := sealed.SetAlias(ctx, unit, op.ring, req.Alias); err != nil {
		return Response{}, err
	}
	id := call.CustomerID.String()
	return Response{AliasSet: true}, events.Emit(ctx, unit, id, call.CustomerID, events.AliasSet{
		CustomerID: id, DeviceID: call.DeviceID, SetAt: op.clock.Now(),
	})
}

// present is the login password, which the proofs have shown to be right. Each combination
// for an alias contains it.
func (op operation) present(call *fn.Call, proofs []stepup.Proof) (string, error) {
	for _, p := range proofs {
		switch p.Factor {
		case stepup.LoginPassword:
			clear, err := password.OpenField(op.ring, call.Channel, "proofs", p.Password)
			return string(clear), err
		default:
		}
	}
	return "", stepup.ErrStronger
}
