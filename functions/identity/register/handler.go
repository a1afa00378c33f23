// Package register signs a customer of the bank up for mobile banking.
//
//	POST /function/identity-register   public, idempotent   emits identity.registered.v1
//
// Name, identity number, card, card password and reserved phone must all be the
// bank's own record of one person, and the phone must show a code; which of them
// is wrong is never told, and an identity that has signed up already is refused
// the same way. The device's key is bound. Refusals: REGISTRATION_REFUSED,
// PASSWORD_WEAK.
package register

import (
	"context"
	"unicode/utf8"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions/identity"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/phone"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Function is what the registry, mains and manifests are made from.
var Function = fn.Command(fn.Spec{
	Name: "identity-register", Summary: "Sign up for mobile banking", Audience: fn.Public, Idempotent: true,
	CountsAttempts: true, Rate: fn.RateAuth, Audit: fn.AuditAuth, Emits: []string{events.TypeIdentityRegistered},
	Refusals: []*bankerr.Error{identity.ErrRegistrationRefused, identity.ErrPasswordWeak},
	Keys:     []keys.Purpose{keys.BlindIndex, keys.OTP, keys.Password, keys.Storage},
	Requirements: []string{
		"ACCT-013", "ACCT-015", "ACCT-016", "PWD-001", "PWD-002", "PWD-003", "PWD-012", "PWD-017", "PWD-018", "AUTH-005",
	},
}, wire)

// Config is empty: the host lends all that is needed.
type Config struct{}

// Request is the application. Passwords are sealed to the password key, for the
// channel: an app that lost its channel with the answer seals them anew.
type Request struct {
	Name            string `json:"name" maxLength:"60"`
	IDNo            string `json:"id_no" maxLength:"18"`
	CardNo          string `json:"card_no" maxLength:"32"`
	CardPassword    []byte `json:"card_password" idem:"-"`
	Phone           string `json:"phone"`
	OTP             string `json:"otp" maxLength:"8"`
	LoginPassword   []byte `json:"login_password" idem:"-"`
	TradePassword   []byte `json:"trade_password" idem:"-"`
	DevicePublicKey []byte `json:"device_public_key" doc:"SM2, PKIX DER"`
}

// Validate checks the form only.
func (r Request) Validate() error {
	switch {
	case r.Name == "" || utf8.RuneCountInString(r.Name) > 60:
		return fn.InvalidField("name", "missing or too long")
	case len(r.IDNo) != 18:
		return fn.InvalidField("id_no", "18 characters")
	case r.CardNo == "" || len(r.CardNo) > 32:
		return fn.InvalidField("card_no", "missing or too long")
	case !phone.Valid(r.Phone):
		return fn.InvalidField("phone", "not a mobile number")
	}
	if _, err := sm.ParsePublicKey(r.DevicePublicKey); err != nil {
		return fn.InvalidField("device_public_key", "not an SM2 key")
	}
	return nil
}

// Response tells that mobile banking is open; logging in comes next.
type Response struct {
	Registered bool `json:"registered"`
}

type operation struct {
	store *identity.Store
	ring  *keys.Ring
	clock clock.Clock
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.CommandOperation[Request, Response], error) {
	return operation{identity.NewStore(lent.DB, lent.Keys), lent.Keys, lent.Clock}.do, nil
}

func (op operation) do(ctx context.Context, call *fn.Call, req Request, unit *pg.Unit) (Response, error) {
	open := func(sealed []byte) string {
		clear, err := stepup.OpenPassword(op.ring, call.Channel, sealed)
		if err != nil {
			return "" // too short for any rule, and no card's password
		}
		return string(clear)
	}
	passwords := identity.Passwords{
		Login: open(req.LoginPassword), Trade: open(req.TradePassword), Phone: req.Phone, IDNo: req.IDNo,
	}
	if err := passwords.Check(); err != nil {
		return Response{}, err
	}
	index := phone.Index(op.ring, req.Phone)
	application := identity.Application{
		Name: req.Name, IDNo: req.IDNo, CardNo: req.CardNo, CardPassword: []byte(open(req.CardPassword)), Phone: index,
		Now: op.clock.Now(),
		OTP: otp.Attempt{
			Subject: otp.PhoneSubject(otp.Register, index), DeviceID: call.DeviceID, Code: req.OTP,
			Binding: phone.Binding(otp.Register, index, call.DeviceID),
		},
	}
	customer, ok, err := op.store.Verify(ctx, call.CountAttempts, &application)
	if err != nil {
		return Response{}, err
	}
	if !ok {
		return Response{}, identity.ErrRegistrationRefused
	}
	if err := op.store.Register(unit, application, customer, passwords, call.DeviceID, req.DevicePublicKey); err != nil {
		return Response{}, err
	}
	return Response{Registered: true}, events.Emit(ctx, unit, customer.String(), customer,
		events.IdentityRegistered{CustomerID: customer.String(), DeviceID: call.DeviceID})
}
