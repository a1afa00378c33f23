// Package login starts a customer's session with two factors: the login password
// and a one-time code sent to the reserved number.
//
//	POST /function/identity-login   public   emits identity.loggedin.v1
//
// Every failure is LOGIN_FAILED, for unknown and locked numbers too, after the
// same work. A login ends the customer's earlier one at once. Refusals:
// LOGIN_FAILED, CAPTCHA_REQUIRED, CAPTCHA_REJECTED.
package login

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions/identity"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/captcha"
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
	Name: "identity-login", Summary: "Log in with password and one-time code", Audience: fn.Public, Rate: fn.RateAuth,
	CountsAttempts: true, Session: fn.SessionStarts, Audit: fn.AuditAuth, Emits: []string{events.TypeIdentityLoggedIn},
	Refusals: []*bankerr.Error{
		identity.ErrLoginFailed, identity.ErrCaptchaRequired, identity.ErrCaptchaRejected,
	},
	Keys: []keys.Purpose{keys.BlindIndex, keys.OTP, keys.Password, keys.Session},
	Requirements: []string{
		"AUTH-003", "AUTH-009", "AUTH-010", "AUTH-011", "AUTH-012", "SESSION-003", "SESSION-005", "CAPTCHA-003", "PWD-017",
	},
}, wire)

// Config is empty: the host lends all that is needed.
type Config struct{}

// Request brings both factors.
type Request struct {
	Phone           string `json:"phone"`
	Password        []byte `json:"password" doc:"Sealed to the password key (docs/protocol.md)"`
	OTP             string `json:"otp" maxLength:"8"`
	CaptchaID       string `json:"captcha_id,omitempty"`
	CaptchaAnswer   string `json:"captcha_answer,omitempty"`
	DevicePublicKey []byte `json:"device_public_key,omitempty" doc:"SM2, PKIX DER: binds the device's key"`
}

// Validate checks the form only; what it refuses could be no one's.
func (r Request) Validate() error {
	if !phone.Valid(r.Phone) {
		return fn.InvalidField("phone", "not a mobile number")
	}
	if len(r.DevicePublicKey) > 0 {
		if _, err := sm.ParsePublicKey(r.DevicePublicKey); err != nil {
			return fn.InvalidField("device_public_key", "not an SM2 key")
		}
	}
	return nil
}

// Response tells the customer about the login before this one (SESSION-005).
type Response struct {
	LastLoginAt     *time.Time `json:"last_login_at"`
	LastLoginDevice *string    `json:"last_login_device"`
}

type operation struct {
	store   *identity.Store
	captcha *captcha.Store
	ring    *keys.Ring
	clock   clock.Clock
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.CommandOperation[Request, Response], error) {
	return operation{
		store: identity.NewStore(lent.DB, lent.Keys), captcha: captcha.New(lent.Redis, lent.Keys),
		ring: lent.Keys, clock: lent.Clock,
	}.do, nil
}

func (op operation) do(ctx context.Context, call *fn.Call, req Request, unit *pg.Unit) (Response, error) {
	index := phone.Index(op.ring, req.Phone)
	attempt := identity.Attempt{
		Phone: index, Now: op.clock.Now(),
		OTP: otp.Attempt{
			Subject: otp.PhoneSubject(otp.Login, index), DeviceID: call.DeviceID, Code: req.OTP,
			Binding: phone.Binding(otp.Login, index, call.DeviceID),
		},
	}
	if req.CaptchaID != "" {
		solved, err := op.captcha.Check(ctx, req.CaptchaID, req.CaptchaAnswer)
		if err != nil {
			return Response{}, err
		}
		if !solved {
			return Response{}, identity.ErrCaptchaRejected
		}
		attempt.CaptchaOK = true
	}
	found, err := op.store.CountAttempt(ctx, call.CountAttempts, &attempt)
	if err != nil {
		return Response{}, err
	}
	if found.Verdict == "captcha" {
		return Response{}, identity.ErrCaptchaRequired
	}
	if wrong := op.wrong(call, req, attempt, found); wrong != "" {
		call.AuditReason(wrong, found.CustomerID)
		return Response{}, identity.ErrLoginFailed
	}
	op.store.LoggedIn(unit, attempt, found.CustomerID, call.DeviceID, req.DevicePublicKey)
	call.StartSession(found.CustomerID)
	reply := Response{LastLoginAt: shanghai(found.LastLoginAt), LastLoginDevice: found.LastLoginDevice}
	return reply, events.Emit(ctx, unit, found.CustomerID.String(), found.CustomerID, events.IdentityLoggedIn{
		CustomerID: found.CustomerID.String(), DeviceID: call.DeviceID, IP: call.IP,
	})
}

// wrong checks both factors and the lock, all of them every time, and says, for
// audit's eyes only, what was wrong; "" if nothing was.
func (op operation) wrong(call *fn.Call, req Request, attempt identity.Attempt, found identity.Found) string {
	password, err := stepup.OpenPassword(op.ring, call.Channel, req.Password)
	known := sm.CheckPassword(found.Password, password) == nil && err == nil
	code := attempt.OTP.Right(op.ring)
	switch {
	case found.CustomerID == uuid.Nil:
		return "unknown"
	case found.Verdict == "locked":
		return "locked"
	}
	var reason string
	switch {
	case !known:
		reason = "password"
	case !code:
		reason = "otp"
	}
	if reason != "" && found.Verdict == "last" {
		reason += ", now locked"
	}
	return reason
}

func shanghai(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	local := t.In(clock.Shanghai)
	return &local
}
