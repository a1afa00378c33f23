// Package login starts a customer's session with two factors: the login password
// and a one-time code sent to the reserved number.
//
//	POST /function/identity-login   public   emits identity.loggedin.v1
//
// Every failure is LOGIN_FAILED after the same work, also for unknown and locked
// numbers. A failure counts against the number on this device and against the network
// address; with the right code it also counts against the number (functions/identity).
// A login ends the customer's earlier session at once. Refusals: LOGIN_FAILED,
// CAPTCHA_REQUIRED, CAPTCHA_REJECTED, PASSWORD_UNSEALED.
package login

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions/identity"
	"github.com/tidebank/tidebank/shared/address"
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
	"github.com/tidebank/tidebank/shared/sm"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "identity-login", Summary: "Log in with password and one-time code", Audience: fn.Public, Rate: fn.RateAuth,
	CountsAttempts: true, Session: fn.SessionStarts, Audit: fn.AuditAuth, Emits: []string{events.TypeIdentityLoggedIn},
	Refusals: []*bankerr.Error{
		identity.ErrLoginFailed, captcha.ErrRequired, captcha.ErrRejected, password.ErrUnsealed,
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
	Password        []byte `json:"password" doc:"Sealed to the password key (docs/protocol.md)"`
	OTP             string `json:"otp" maxLength:"8" example:"123456"`
	CaptchaID       string `json:"captcha_id,omitempty"`
	CaptchaAnswer   string `json:"captcha_answer,omitempty"`
	DevicePublicKey []byte `json:"device_public_key,omitempty" format:"sm2-public-key" doc:"PKIX DER: binds the device's key"`
}

// Validate checks the form only. It refuses only values that no customer can have.
func (r Request) Validate() error {
	if !customer.ValidPhone(r.Phone) {
		return fn.InvalidField("phone", "not a mobile number")
	}
	if len(r.DevicePublicKey) > 0 {
		if _, err := sm.ParsePublicKey(r.DevicePublicKey); err != nil {
			return fn.InvalidField("device_public_key", "not an SM2 key")
		}
	}
	return nil
}

// Response tells the customer about the previous login (SESSION-005).
type Response struct {
	LastLoginAt     *time.Time `json:"last_login_at" doc:"The login before this one"`
	LastLoginDevice *string    `json:"last_login_device" clear:"device_id" doc:"The device of the login before this one"`
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
	guess, err := password.OpenField(op.ring, call.Channel, "password", req.Password)
	if err != nil {
		return Response{}, err
	}
	solved, err := op.captcha.Solved(ctx, req.CaptchaID, req.CaptchaAnswer)
	if err != nil {
		return Response{}, err
	}
	from := address.Group(call.IP)
	failed, err := op.captcha.Failures(ctx, from)
	if err != nil {
		return Response{}, err
	}
	index, now := customer.PhoneIndex(op.ring, req.Phone), op.clock.Now()
	code := otp.Attempt{
		Subject: otp.PhoneSubject(otp.Login, index, call.DeviceID), DeviceID: call.DeviceID, Code: req.OTP,
		Binding: customer.PhoneBinding(otp.Login, index, call.DeviceID),
	}
	attempt := password.LoginAttempt{Phone: index, DeviceID: call.DeviceID, Captcha: solved, Failed: failed, Now: now}
	if err := count(ctx, call, op.ring, &code, &attempt); err != nil {
		return Response{}, err
	}
	if attempt.Verdict == password.Captcha {
		return Response{}, captcha.ErrRequired
	}
	both := login{&attempt, &code}
	wrong := both.wrong(guess)
	call.AuditReason(reason(wrong, &attempt), attempt.CustomerID)
	if wrong != "" {
		if err := op.captcha.CountFailure(ctx, from); err != nil {
			return Response{}, err
		}
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

// count counts the attempt at the code, and then the attempt at the password: whether
// the code was right decides against whom the second counts.
func count(
	ctx context.Context, call *fn.Call, ring *keys.Ring, code *otp.Attempt, attempt *password.LoginAttempt,
) error {
	var first, second pgx.Batch
	code.CountAttempt(&first, attempt.Now)
	if err := call.CountAttempts(ctx, &first); err != nil {
		return err
	}
	attempt.RightCode = code.Right(ring)
	attempt.Count(&second)
	return call.CountAttempts(ctx, &second)
}

// wrong always checks both factors and the lock. It returns the name of a failed
// check, for the access record only, or "" if all checks pass.
func (l login) wrong(guess []byte) string {
	known := l.attempt.Matches(guess)
	switch {
	case l.attempt.CustomerID == uuid.Nil:
		return "unknown"
	case l.attempt.Verdict == password.Locked:
		return "locked"
	}
	switch {
	case !known:
		return "password"
	case !l.attempt.RightCode:
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
