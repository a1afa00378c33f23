// Package passwordchange replaces the password of a member of the bank's staff who is logged in.
//
//	POST /function/staff-password-change   session of the staff
//
// The member gives the present password too; a wrong one counts together with the failed log-ins.
// The new one must meet the rules with the figures of the policy at this time, and differ from the
// last ones (shared/staff). The session goes on, and is open to all functions of the member's roles
// if the member had to change the password first. Refusals: STAFF_LOGIN_FAILED, PASSWORD_WEAK,
// PASSWORD_UNSEALED.
package passwordchange

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/events"
	console "github.com/tidebank/tidebank/functions/staff"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/staff"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "staff-password-change", Summary: "Change the password of a member of the staff", Audience: fn.Staff, Rate: fn.RateAuth,
	Idempotent: true, CountsAttempts: true, Session: fn.SessionRelieves, DuringDuty: true, Audit: fn.AuditAuth, Timeout: console.SetTimeout,
	Refusals:     []*bankerr.Error{staff.ErrLoginFailed, password.ErrWeak, password.ErrUnsealed},
	Keys:         []keys.Purpose{keys.Password, keys.Pepper, keys.Credential},
	Requirements: []string{"PWD-007", "PWD-010", "PWD-011"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request holds the present password and the new one.
type Request struct {
	Password    []byte `json:"password" idem:"-" format:"sealed-password" minLength:"1" maxLength:"1024" doc:"The present one"`
	NewPassword []byte `json:"new_password" idem:"-" format:"sealed-password" minLength:"1" maxLength:"1024"`
}

// Response confirms the change.
type Response struct {
	Changed bool `json:"changed"`
}

type operation struct {
	passwords *password.Store
	ring      *keys.Ring
	clock     clock.Clock
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.CommandOperation[Request, Response], error) {
	return operation{passwords: lent.Passwords, ring: lent.Keys, clock: lent.Clock}.do, nil
}

func (op operation) do(ctx context.Context, call *fn.Call, req Request, unit *pg.Unit) (Response, error) {
	guess, err := password.OpenField(op.ring, call.Channel, "password", req.Password)
	if err != nil {
		return Response{}, err
	}
	fresh, err := password.OpenField(op.ring, call.Channel, password.StaffField, req.NewPassword)
	if err != nil {
		return Response{}, err
	}
	turn, err := op.passwords.Begin(ctx)
	if err != nil {
		return Response{}, err
	}
	defer turn.End()
	attempt := staff.Attempt{LoginName: call.Staff.LoginName, Address: call.IP, Now: op.clock.Now()}
	var earlier staff.Earlier
	var batch pgx.Batch
	attempt.CountGuess(&batch)
	earlier.QueueEarlier(&batch, call.StaffID, attempt.Now)
	if err := call.CountAttempts(ctx, &batch); err != nil {
		return Response{}, err
	}
	right, err := attempt.Right(turn, guess)
	if err != nil {
		return Response{}, err
	}
	if !right {
		call.AuditReason(console.Reason(&attempt, "password"), uuid.Nil)
		return Response{}, staff.ErrLoginFailed
	}
	var settled pgx.Batch // a right guess is no failure, also if the new password is refused
	attempt.QueueProved(&settled)
	if err := call.CountAttempts(ctx, &settled); err != nil {
		return Response{}, err
	}
	if err := earlier.Check(turn, fresh); err != nil {
		return Response{}, err
	}
	if err := attempt.Proved(ctx, unit, false, staff.ErrLoginFailed); err != nil {
		return Response{}, err
	}
	call.Did(events.StaffAct{What: "password", By: call.Staff.LoginName})
	return Response{Changed: true}, staff.PutPassword(ctx, unit, turn, call.StaffID, fresh, attempt.Now)
}
