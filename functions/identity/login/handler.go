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
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Function is what the registry, mains and manifests are made from.
var Function = fn.HTTP(fn.Spec{
	Name: "identity-login", Summary: "Log in with password and one-time code", Audience: fn.Public, Rate: fn.RateAuth,
	Audit: fn.AuditAuth, Emits: []string{events.TypeIdentityLoggedIn},
	Refusals: []*bankerr.Error{
		identity.ErrLoginFailed, identity.ErrCaptchaRequired, identity.ErrCaptchaRejected,
	},
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
	store    *identity.Store
	captcha  *captcha.Store
	sessions *session.Store
	db       *pg.DB
	ring     *keys.Ring
	clock    clock.Clock
}

func wire(_ context.Context, host *fn.Host, _ Config) (fn.Operation[Request, Response], error) {
	return operation{
		store: identity.NewStore(host.DB, host.Keys), captcha: captcha.New(host.Redis, host.Keys),
		sessions: host.Sessions, db: host.DB, ring: host.Keys, clock: host.Clock,
	}.do, nil
}

func (op operation) do(ctx context.Context, req Request) (Response, error) {
	caller := fn.CallerFrom(ctx)
	index := phone.Index(op.ring, req.Phone)
	attempt := identity.Attempt{
		Phone: index, Now: op.clock.Now(),
		OTP: otp.Attempt{
			Subject: otp.PhoneSubject(otp.Login, index), DeviceID: caller.DeviceID, Code: req.OTP,
			Binding: phone.Binding(otp.Login, index, caller.DeviceID),
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
	found, err := op.store.Charge(ctx, &attempt)
	if err != nil {
		return Response{}, err
	}
	if found.Verdict == "captcha" {
		return Response{}, identity.ErrCaptchaRequired
	}
	if wrong := op.wrong(caller, req, attempt, found); wrong != "" {
		fn.AuditReason(ctx, wrong, found.CustomerID)
		return Response{}, identity.ErrLoginFailed
	}
	return op.start(ctx, caller, req, attempt, found)
}

// wrong checks both factors and the lock, all of them every time, and says, for
// audit's eyes only, what was wrong; "" if nothing was.
func (op operation) wrong(caller fn.Caller, req Request, attempt identity.Attempt, found identity.Found) string {
	password, err := stepup.OpenPassword(op.ring, caller.Channel, req.Password)
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

func (op operation) start(
	ctx context.Context, caller fn.Caller, req Request, attempt identity.Attempt, found identity.Found,
) (Response, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Response{}, bankerr.ErrInternal.Because(err)
	}
	var unit pg.Unit
	op.store.LoggedIn(&unit, attempt, found.CustomerID, caller.DeviceID, req.DevicePublicKey)
	err = unit.Emit(ctx, pg.Event{
		ID: id, Type: events.TypeIdentityLoggedIn, Subject: found.CustomerID.String(),
		CustomerHash: events.CustomerHash(found.CustomerID),
		Data: events.IdentityLoggedIn{
			CustomerID: found.CustomerID.String(), DeviceID: caller.DeviceID, IP: caller.IP,
		},
	})
	if err != nil {
		return Response{}, err
	}
	if err := op.db.Commit(ctx, &unit); err != nil {
		return Response{}, err
	}
	if err := op.sessions.Start(ctx, caller.Channel, found.CustomerID); err != nil {
		return Response{}, err
	}
	return Response{LastLoginAt: shanghai(found.LastLoginAt), LastLoginDevice: found.LastLoginDevice}, nil
}

func shanghai(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	local := t.In(clock.Shanghai)
	return &local
}
