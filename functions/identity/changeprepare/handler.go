// Package changeprepare stores a change of the caller's own passwords, alias or phone number,
// the binding of a dynamic token, the application for a certificate, or a way to log in quickly on
// the device, as an intent, and tells which proofs confirm it.
//
//	POST /function/identity-change-prepare   session
//
// Nothing changes yet. The function that confirms the intent gets the new password or alias; the
// intent holds the new number. Nobody learns here whether another customer has this number. A key
// of the device that is younger than a day confirms no change. Refusals: RESET_BRANCH_ONLY,
// DEVICE_UNBOUND; OBJECT_NOT_FOUND, if the bank has handed out no token that is not in use.
package changeprepare

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/functions/identity"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/shared/token"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "identity-change-prepare", Summary: "Prepare a change of a password, alias or number, a token, a certificate, or quick login",
	Audience: fn.Customer, DuringDuty: true, Audit: fn.AuditAuth,
	Refusals:     []*bankerr.Error{identity.ErrBranchOnly, stepup.ErrUnbound, bankerr.ErrNotFound, session.ErrDuty},
	Personal:     []string{"text"},
	Keys:         []keys.Purpose{keys.BlindIndex, keys.Storage},
	Requirements: []string{"AUTH-016", "AUTH-022", "PWD-005", "PWD-021", "OTP-007"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request names the change.
type Request struct {
	Change stepup.Change `json:"change" enum:"login_password,trade_password,trade_password_reset,alias,phone,token_bind,certificate,phone_shield,device_unlock,gesture,fingerprint,face" doc:"_reset: forgotten"` //nolint:revive // a tag is one line
	Phone  string        `json:"phone,omitempty" maxLength:"32" doc:"For phone: the new number"`
}

// Validate checks that the request names a number exactly if the number changes.
func (r Request) Validate() error {
	changes := r.Change == stepup.ChangePhone
	switch {
	case changes && !customer.ValidPhone(r.Phone):
		return fn.InvalidField("phone", "not a mobile number")
	case !changes && r.Phone != "":
		return fn.InvalidField("phone", "not for this change")
	}
	return nil
}

// open refuses all changes but that of the login password during a duty.
func (r Request) open(duty session.Duty) error {
	switch r.Change {
	case stepup.ChangeLoginPassword:
		return nil
	default:
		if duty != session.NoDuty {
			return session.ErrDuty
		}
		return nil
	}
}

// Response is the intent to confirm.
type Response struct {
	IntentID     uuid.UUID `json:"intent_id" format:"uuid"`
	Function     string    `json:"function" doc:"The function that confirms it"`
	Text         string    `json:"text" doc:"Show it; a device key signs exactly these bytes"`
	Digest       []byte    `json:"digest" doc:"SM3 of text"`
	Combinations []string  `json:"combinations" doc:"Each combination is enough, e.g. login_password+sms_otp"`
	Challenge    string    `json:"token_challenge,omitempty" doc:"With token_bind; a token with a screen makes it from text"`
	Subject      []byte    `json:"certificate_subject,omitempty" doc:"With certificate and phone_shield: the PKCS#10's subject, DER"`
	ExpiresAt    time.Time `json:"expires_at"`
}

type operation struct {
	db    pg.Reader
	ring  *keys.Ring
	clock clock.Clock
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.CommandOperation[Request, Response], error) {
	return operation{db: lent.DB, ring: lent.Keys, clock: lent.Clock}.do, nil
}

func (op operation) do(ctx context.Context, call *fn.Call, req Request, unit *pg.Unit) (Response, error) {
	if err := req.open(call.Duty); err != nil {
		return Response{}, err
	}
	return op.prepareChange(ctx, call, req, unit)
}

func (op operation) prepareChange(ctx context.Context, call *fn.Call, req Request, unit *pg.Unit) (Response, error) {
	change := identity.Change{What: req.Change}
	change.Phone, _ = customer.CanonicalPhone(req.Phone) // Validate has checked it
	if err := op.another(ctx, call.CustomerID, change.Phone); err != nil {
		return Response{}, err
	}
	if err := change.Allowed(ctx, op.db, call.CustomerID); err != nil {
		return Response{}, err
	}
	now := op.clock.Now()
	var key device.State
	var held token.State
	var batch pgx.Batch
	device.QueueState(&batch, call.CustomerID, call.DeviceID, now, &key)
	token.QueueToken(&batch, call.CustomerID, &held)
	if err := op.db.Batch(ctx, &batch); err != nil {
		return Response{}, fmt.Errorf("state of the customer's proofs: %w", err)
	}
	if change.Binds() && held != token.Issued {
		return Response{}, bankerr.ErrNotFound
	}
	if change.OnDevice() && !key.Bound {
		return Response{}, stepup.ErrUnbound
	}
	proves := key.Bound && (!key.Young || change.OnDevice()) // three factors set a way of quick login
	combinations, err := stepup.Usable(stepup.ForChange(change.What), proves)
	if err != nil {
		return Response{}, err
	}
	if change.Applies() {
		change.Session = call.Session
	}
	payload, err := json.Marshal(change)
	if err != nil {
		return Response{}, bankerr.ErrInternal.Because(err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Response{}, bankerr.ErrInternal.Because(err)
	}
	in := stepup.Intent{
		ID: id, CustomerID: call.CustomerID, DeviceID: call.DeviceID, Operation: change.Function(), Payload: payload,
		Text: change.Text(id, now), Combinations: combinations, CreatedAt: now, ExpiresAt: now.Add(identity.ChangeLife),
	}
	if err := stepup.Save(unit, op.ring, in); err != nil {
		return Response{}, err
	}
	reply := Response{
		IntentID: id, Function: in.Operation, Text: in.Text, Digest: sm.Digest([]byte(in.Text)),
		ExpiresAt: in.ExpiresAt.In(clock.Shanghai),
	}
	if change.Binds() {
		reply.Challenge = token.Challenge(in.Text)
	}
	if change.Applies() {
		if reply.Subject, err = cert.Subject(call.CustomerID, id); err != nil {
			return Response{}, bankerr.ErrInternal.Because(err)
		}
	}
	for _, c := range combinations {
		reply.Combinations = append(reply.Combinations, c.String())
	}
	return reply, nil
}

// another refuses a new number that is the customer's own already.
func (op operation) another(ctx context.Context, id uuid.UUID, number string) error {
	if number == "" {
		return nil
	}
	own, err := customer.PhoneIndexOf(ctx, op.db, id)
	if err != nil {
		return err
	}
	if bytes.Equal(own, customer.PhoneIndex(op.ring, number)) {
		return bankerr.ErrInput.Because(&bankerr.FieldError{Field: "phone", Why: "unchanged", Advice: "新手机号码不能与当前号码相同"})
	}
	return nil
}
