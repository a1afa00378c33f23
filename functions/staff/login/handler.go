// Package login starts the session of a member of the bank's staff.
//
//	POST /function/staff-login   console
//
// Every failure is STAFF_LOGIN_FAILED after the same work, also for unknown and locked names. A
// failure counts against the name and against the network address (shared/staff). A member with a
// USB key also signs the channel with it. A login ends the member's earlier session at once. A
// password that the bank has given logs in once, and then must be changed. From a week before the
// end of its cycle, the reply tells until when the password must be changed; after the cycle, the
// session is open only to that change. Refusals: STAFF_LOGIN_FAILED, PASSWORD_UNSEALED.
package login

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	console "github.com/tidebank/tidebank/functions/staff"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/shared/staff"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "staff-login", Summary: "Log a member of the staff in", Audience: fn.Console, Rate: fn.RateAuth,
	CountsAttempts: true, Session: fn.SessionStarts, Audit: fn.AuditAuth,
	Refusals:     []*bankerr.Error{staff.ErrLoginFailed, password.ErrUnsealed},
	Keys:         []keys.Purpose{keys.Password, keys.Pepper, keys.Credential},
	Requirements: []string{"PWD-010", "PWD-014", "SESSION-002"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request holds the name and the password, and the signature of a USB key.
type Request struct {
	LoginName string `json:"login_name" minLength:"3" maxLength:"32" pattern:"^[a-z][a-z0-9.-]{2,31}$" example:"wang.xm"`
	Password  []byte `json:"password" format:"sealed-password" minLength:"1" maxLength:"1024"`
	Signature []byte `json:"signature,omitempty" maxLength:"128" doc:"By the member's USB key (docs/staff.md)"`
}

// Response tells what the member must do about the password.
type Response struct {
	MustChange bool    `json:"must_change" doc:"The session is open only to the change of the password"`
	ChangeBy   *string `json:"change_by" format:"date" doc:"The last day on which the password logs in unchanged; null until a week before"`
	// IdleSeconds lets the console log out before the bank does.
	IdleSeconds int64 `json:"idle_seconds" doc:"The session ends after so many seconds without a call"`
}

type operation struct {
	passwords *password.Store
	ring      *keys.Ring
	clock     clock.Clock
	idle      time.Duration
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.CommandOperation[Request, Response], error) {
	return operation{passwords: lent.Passwords, ring: lent.Keys, clock: lent.Clock, idle: lent.Channels.StaffIdle()}.do, nil
}

func (op operation) do(ctx context.Context, call *fn.Call, req Request, unit *pg.Unit) (Response, error) {
	guess, err := password.OpenField(op.ring, call.Channel, "password", req.Password)
	if err != nil {
		return Response{}, err
	}
	turn, err := op.passwords.Begin(ctx)
	if err != nil {
		return Response{}, err
	}
	defer turn.End()
	attempt := staff.Attempt{LoginName: req.LoginName, Address: call.IP, Now: op.clock.Now()}
	var batch pgx.Batch
	attempt.CountGuess(&batch)
	if err := call.CountAttempts(ctx, &batch); err != nil {
		return Response{}, err
	}
	wrong, err := whatIsWrong(&attempt, call, turn, guess, req.Signature)
	if err != nil {
		return Response{}, err
	}
	call.AuditStaff(console.Reason(&attempt, wrong), attempt.ID)
	if wrong != "" {
		return Response{}, staff.ErrLoginFailed
	}
	if err := attempt.Proved(ctx, unit, true, staff.ErrLoginFailed); err != nil {
		return Response{}, err
	}
	call.StartStaffSession(attempt.ID, attempt.Duty())
	reply := Response{MustChange: attempt.Duty() != session.NoDuty, IdleSeconds: int64(op.idle / time.Second)}
	if by := attempt.ChangeBy(); by != nil {
		day := by.Format(time.DateOnly)
		reply.ChangeBy = &day
	}
	return reply, nil
}

// whatIsWrong always compares both factors. It returns the name of a failed check, for the access record
// only, or "" if all checks pass.
func whatIsWrong(a *staff.Attempt, call *fn.Call, turn *password.Turn, guess, signature []byte) (string, error) {
	right, err := a.Right(turn, guess)
	if err != nil {
		return "", err
	}
	signed := a.KeyHolds(call.Channel, signature)
	switch {
	case a.ID == uuid.Nil:
		return "unknown", nil
	case a.Verdict == staff.Locked:
		return "locked", nil
	case !right:
		return "password", nil
	case !signed:
		return "usb key", nil
	case !a.Usable():
		return "given password has ended", nil
	}
	return "", nil
}
