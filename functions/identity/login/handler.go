// Package login starts a customer's session with two factors: the login password
// and a one-time code sent to the reserved number.
//
//	POST /function/identity-login   public   emits identity.loggedin.v1
//
// Every failure is LOGIN_FAILED after the same work, also for unknown and locked
// numbers. A login ends the customer's earlier session at once. Refusals:
// LOGIN_FAILED, CAPTCHA_REQUIRED, CAPTCHA_REJECTED.
package login

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions/identity"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/captcha"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "identity-login", Summary: "Log in with password and one-time code", Audience: fn.Public, Rate: fn.RateAuth,
	CountsAttempts: true, Session: fn.SessionStarts, Audit: fn.AuditAuth, Emits: []string{events.TypeIdentityLoggedIn},
	Refusals: []*bankerr.Error{
		identity.ErrLoginFailed, identity.ErrCaptchaRequired, identity.ErrCaptchaRejected,
	},
	Keys: []keys.Purpose{keys.BlindIndex, keys.OTP, keys.Password, keys.Session},
	Requirements: []string{
		"AUTH-003", "AUTH-009", "AUTH-010", "AUTH-011", "AUTH-012", "SESSION-003", "CAPTCHA-003", "PWD-017",
	},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request holds both factors.
type Request struct {
	Phone           string `json:"phone" example:"13900001111"`
	Password        []byte `json:"password" minLength:"1" maxLength:"1024" doc:"Sealed to the password key (docs/protocol.md)"`
	OTP             string `json:"otp" minLength:"6" maxLength:"6" example:"123456"`
	CaptchaID       string `json:"captcha_id,omitempty" maxLength:"64"`
	CaptchaAnswer   string `json:"captcha_answer,omitempty" maxLength:"16"`
	DevicePublicKey []byte `json:"device_public_key,omitempty" format:"sm2-public-key" doc:"PKIX DER: binds the device's key"`
}

// Validate checks the form only. It refuses only values that no customer can have.
func (r Request) Validate() error {
	if !customer.ValidPhone(r.Phone) {
		return fn.InvalidField("phone", "not a mobile number")
	}
	return nil
}

// Response tells the customer about the previous login (SESSION-005).
type Response struct {
	LastLoginAt     *time.Time `json:"last_login_at"`
	LastLoginDevice *string    `json:"last_login_device"`
}

type operation struct {
	captcha *captcha.Store
	ring    *keys.Ring
	clock   clock.Clock
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.CommandOperation[Request, Response], error) {
	return operation{captcha: lent.Captchas, ring: lent.Keys, clock: lent.Clock}.do, nil
}

func (op operation) do(ctx context.Context, call *fn.Call, req Request, unit *pg.Unit) (Response, error) {
	solved, err := op.solved(ctx, req)
	if err != nil {
		return Response{}, err
	}
	index, now := customer.PhoneIndex(op.ring, req.Phone), op.clock.Now()
	attempt := password.LoginAttempt{Phone: index, Captcha: solved, DeviceID: call.DeviceID, Now: now}
	code := otp.Attempt{
		Subject: otp.PhoneSubject(otp.Login, index), DeviceID: call.DeviceID, Code: req.OTP,
		Binding: customer.PhoneBinding(otp.Login, index, call.DeviceID),
	}
	var batch pgx.Batch
	attempt.Count(&batch)
	code.CountAttempt(&batch, now)
	if err := call.CountAttempts(ctx, &batch); err != nil {
		return Response{}, err
	}
	if attempt.Verdict == password.Captcha {
		return Response{}, identity.ErrCaptchaRequired
	}
	both := login{&attempt, &code}
	wrong := op.wrong(call, req, both)
	call.AuditReason(reason(wrong, &attempt), attempt.CustomerID)
	if wrong != "" {
		return Response{}, identity.ErrLoginFailed
	}
	last := Response{LastLoginAt: clock.Local(attempt.LastLogin.At), LastLoginDevice: attempt.LastLogin.Device}
	return last, op.succeed(ctx, call, req, both, unit)
}

// login holds both factors after their attempts have been counted.
type login struct {
	attempt *password.LoginAttempt
	code    *otp.Attempt
}

// solved reports whether the request holds the right answer to a graphic code. It
// refuses a wrong answer; a request without an answer is not refused.
func (op operation) solved(ctx context.Context, req Request) (bool, error) {
	if req.CaptchaID == "" {
		return false, nil
	}
	solved, err := op.captcha.Check(ctx, req.CaptchaID, req.CaptchaAnswer)
	if err == nil && !solved {
		err = identity.ErrCaptchaRejected
	}
	return solved, err
}

// wrong always checks both factors and the lock. It returns the name of a failed
// check, for the access record only, or "" if all checks pass.
func (op operation) wrong(call *fn.Call, req Request, l login) string {
	guess, err := password.Open(op.ring, call.Channel, req.Password)
	known := l.attempt.Matches(guess) && err == nil
	right := l.code.Right(op.ring)
	switch {
	case l.attempt.CustomerID == uuid.Nil:
		return "unknown"
	case l.attempt.Verdict == password.Locked:
		return "locked"
	}
	switch {
	case !known:
		return "password"
	case !right:
		return "otp"
	}
	return ""
}

// reason adds to wrong, for the access record, whether a lock ended or began with
// this attempt (AUDIT-006).
func reason(wrong string, attempt *password.LoginAttempt) string {
	var parts []string
	if attempt.LockEnded {
		parts = append(parts, "lock ended")
	}
	if wrong != "" {
		parts = append(parts, wrong)
	}
	if wrong != "" && attempt.Verdict == password.Last {
		parts = append(parts, "now locked")
	}
	return strings.Join(parts, ", ")
}

// succeed adds the login's changes to the unit, and asks the runtime to start the
// session.
func (op operation) succeed(ctx context.Context, call *fn.Call, req Request, l login, unit *pg.Unit) error {
	id := l.attempt.CustomerID
	l.code.Use(unit, l.attempt.Now, identity.ErrLoginFailed)
	if err := l.attempt.Succeeded(ctx, unit); err != nil {
		return err
	}
	if len(req.DevicePublicKey) > 0 {
		key := device.Key{CustomerID: id, DeviceID: call.DeviceID, Public: req.DevicePublicKey, BoundAt: l.attempt.Now}
		if err := device.Bind(ctx, unit, key); err != nil {
			return err
		}
	}
	call.StartSession(id)
	return events.Emit(ctx, unit, id.String(), id, events.IdentityLoggedIn{
		CustomerID: id.String(), DeviceID: call.DeviceID, IP: call.IP,
	})
}
