// Package passwordreset replaces a forgotten login password, before login.
//
//	POST /function/identity-password-reset   public, idempotent   emits identity.passwordchanged.v1
//
// The two factors are the registered data (name, identity number, card, reserved phone) and
// a one-time code sent to that phone. Every failure is RESET_REFUSED after the same work,
// also for unknown and locked numbers, and counts like a failed login. A code works once.
// The reset ends all sessions of the customer, also of log-ins that have not ended yet, and
// quick log-ins on all devices; the trade password stays.
// The rules for the new password that need stored data are applied only after both factors
// are right. Refusals: RESET_REFUSED, PASSWORD_WEAK, PASSWORD_UNSEALED, CAPTCHA_REQUIRED,
// CAPTCHA_REJECTED.
package passwordreset

import (
	"bytes"
	"context"

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
	"github.com/tidebank/tidebank/shared/idno"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "identity-password-reset", Summary: "Reset a forgotten login password", Audience: fn.Public, Idempotent: true,
	CountsAttempts: true, Session: fn.SessionEndsAll, Rate: fn.RateAuth, Audit: fn.AuditAuth, Timeout: identity.SetTimeout,
	Emits: []string{events.TypePasswordChanged},
	Refusals: []*bankerr.Error{
		identity.ErrResetRefused, password.ErrWeak, password.ErrUnsealed, captcha.ErrRequired, captcha.ErrRejected,
	},
	Keys: []keys.Purpose{
		keys.BlindIndex, keys.OTP, keys.Password, keys.Session, keys.Storage, keys.Pepper, keys.Credential,
	},
	Requirements: []string{"PWD-008", "PWD-019", "AUTH-005"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request holds both factors and the new password.
type Request struct {
	Name            string `json:"name" minLength:"1" maxLength:"60" example:"王小明"`
	IDNo            string `json:"id_no" minLength:"18" maxLength:"32" doc:"The last character may be an x" example:"110101199003070011"`
	CardNo          string `json:"card_no" minLength:"12" maxLength:"32" doc:"12 to 19 digits, also in groups" example:"622848000000010001"`
	Phone           string `json:"phone" maxLength:"32" doc:"11 digits, 13 to 19 first, also with +86 or 0086" example:"13900001111"`
	OTP             string `json:"otp" minLength:"6" maxLength:"6" pattern:"^[0-9]{6}$" doc:"For the purpose reset" example:"123456"`
	LoginPassword   []byte `json:"login_password" idem:"-" format:"sealed-password" minLength:"1" maxLength:"1024" doc:"The new one"`
	CaptchaID       string `json:"captcha_id,omitempty" idem:"-" maxLength:"64" doc:"After CAPTCHA_REQUIRED"`
	CaptchaAnswer   string `json:"captcha_answer,omitempty" idem:"-" maxLength:"16"`
	DevicePublicKey []byte `json:"device_public_key,omitempty" format:"sm2-public-key" doc:"As in otp-send"`
	DeviceSignature []byte `json:"device_signature,omitempty" idem:"-" maxLength:"128" doc:"By the device's key (protocol.md, section 7)"`
}

// Validate checks the form only. It refuses only values that no customer can have.
func (r Request) Validate() error {
	if err := captcha.CheckForm(r.CaptchaID, r.CaptchaAnswer); err != nil {
		return err
	}
	if len(r.DevicePublicKey) == 0 && len(r.DeviceSignature) > 0 {
		return fn.InvalidField("device_public_key", "missing")
	}
	return identity.Registered{Name: r.Name, IDNo: r.IDNo, CardNo: r.CardNo, Phone: r.Phone}.Validate()
}

// Response confirms the reset. The next step is to log in.
type Response struct {
	Reset bool `json:"reset"`
}

type operation struct {
	db        pg.Reader
	captcha   *captcha.Store
	passwords identity.Passwords
	ring      *keys.Ring
	clock     clock.Clock
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.CommandOperation[Request, Response], error) {
	return operation{
		db: lent.DB, captcha: lent.Captchas, ring: lent.Keys, clock: lent.Clock,
		passwords: identity.Passwords{DB: lent.DB, Ring: lent.Keys, Store: lent.Passwords},
	}.do, nil
}

func (op operation) do(ctx context.Context, call *fn.Call, req Request, unit *pg.Unit) (Response, error) {
	from, proved := device.Prove(call.Channel, call.DeviceID, req.DevicePublicKey, req.DeviceSignature)
	if !proved {
		return Response{}, fn.InvalidField("device_signature", "not by device_public_key for this channel and device")
	}
	chosen, err := op.chosen(call, req)
	if err != nil {
		return Response{}, err
	}
	now := op.clock.Now()
	solved, err := op.captcha.Admit(ctx, op.db, captcha.Caller{
		IP: call.IP, ID: req.CaptchaID, Answer: req.CaptchaAnswer, Now: now,
	})
	if err != nil {
		return Response{}, err
	}
	index := customer.PhoneIndex(op.ring, req.Phone)
	tried := attempt{
		code:  identity.CodeAttempt(otp.Forgotten, index, from, req.OTP),
		login: password.LoginAttempt{Phone: index, From: from, Captcha: solved, Now: now},
	}
	suspect, err := tried.login.Suspect(ctx, op.db)
	if err != nil {
		return Response{}, err
	}
	if suspect {
		return Response{}, captcha.ErrRequired
	}
	if err := tried.count(ctx, call, op.ring, req); err != nil {
		return Response{}, err
	}
	if tried.login.Verdict == password.Captcha {
		return Response{}, captcha.ErrRequired
	}
	wrong := tried.wrong(op.ring, req)
	call.AuditReason(wrong, tried.login.CustomerID)
	if wrong != "" {
		if err := op.captcha.CountFailure(ctx, call.IP); err != nil {
			return Response{}, err
		}
		return Response{}, identity.ErrResetRefused
	}
	return op.succeed(ctx, call, tried, chosen, unit)
}

// chosen opens the new password, and applies the rules that need no stored data. The numbers
// come from the same request, so a refusal tells a stranger nothing.
func (op operation) chosen(call *fn.Call, req Request) ([]byte, error) {
	clear, err := password.OpenField(op.ring, call.Channel, password.LoginField, req.LoginPassword)
	if err != nil {
		return nil, err
	}
	phone, _ := customer.CanonicalPhone(req.Phone) // Validate has checked both
	number, _ := idno.Canonical(req.IDNo)
	return clear, password.New{Login: string(clear), Phone: phone, IDNo: number, Names: []string{req.Name}}.CheckLogin()
}

// attempt holds both factors.
type attempt struct {
	code      otp.Attempt
	login     password.LoginAttempt
	applicant customer.Applicant
}

// count counts the attempt at the code, and then the attempt at the registered data like one
// at the password: whether the code was right decides against whom the second counts.
func (a *attempt) count(ctx context.Context, call *fn.Call, ring *keys.Ring, req Request) error {
	var first, second pgx.Batch
	a.code.CountAttempt(&first, a.login.Now)
	a.applicant.Queue(&first, ring, req.IDNo, req.CardNo)
	if err := call.CountAttempts(ctx, &first); err != nil {
		return err
	}
	a.login.RightCode = a.code.Right(ring)
	a.login.CountLogin(&second)
	return call.CountAttempts(ctx, &second)
}

// wrong always checks all that the request brings, and the lock. It returns the name of a
// failed check, for the access record only, or "" if all checks pass.
func (a *attempt) wrong(ring *keys.Ring, req Request) string {
	named := a.applicant.Named(ring, req.Name)
	phone := bytes.Equal(a.applicant.PhoneIndex, a.login.Phone)
	same := a.applicant.ID == a.login.CustomerID
	switch {
	case a.login.CustomerID == uuid.Nil:
		return "unknown"
	case a.login.Verdict == password.Locked:
		return "locked"
	case !a.login.RightCode:
		return "otp"
	case !named || !phone || !same || !a.applicant.HoldsCard:
		return "registered data"
	}
	return ""
}

// succeed adds the reset to the unit, and asks the runtime to end the customer's sessions.
func (op operation) succeed(
	ctx context.Context, call *fn.Call, tried attempt, chosen []byte, unit *pg.Unit,
) (Response, error) {
	id, now := tried.login.CustomerID, tried.login.Now
	tried.code.Use(unit, now, identity.ErrResetRefused)
	if err := tried.login.ResetFailures(ctx, unit); err != nil {
		return Response{}, err
	}
	call.EndSessions(id)
	return Response{Reset: true}, op.passwords.SetLogin(ctx, unit, identity.Setting{
		CustomerID: id, DeviceID: call.DeviceID, Clear: chosen, Reset: true, At: now,
	})
}
