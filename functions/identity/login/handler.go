// Package login starts a customer's session with two factors: the login password
// and a one-time code sent to the reserved number. The customer names that number, or an alias.
//
//	POST /function/identity-login   public   emits identity.loggedin.v1
//
// Every failure is LOGIN_FAILED after the same work, also for unknown and locked numbers and
// aliases. A failure counts against the name (number or alias) with the origin (device id and
// proved key, shared/device) and against the network address; with the right code it also counts
// against the number (functions/identity). A login ends the customer's earlier session at
// once. A device proves itself by its bound key; a new key is bound only after a step-up
// (device.go). A customer who has locked the log-in to one device logs in only there; a
// login with trade password and card number may release the lock (DEVICE-010). A customer whose password
// the bank has given, or which has digits only, must change it before anything else. An app below
// the minimum version is told to update before anything else (CLIENT-018). The app's report
// about its environment is stored with the session: without one, or with a bad one, transfers
// are restricted (shared/environment). Refusals: APP_OUTDATED, LOGIN_FAILED, DEVICE_LOCKED
// (both factors are right), CAPTCHA_REQUIRED, CAPTCHA_REJECTED, PASSWORD_UNSEALED.
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
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/environment"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/place"
	"github.com/tidebank/tidebank/shared/session"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "identity-login", Summary: "Log in with password and one-time code", Audience: fn.Public, Rate: fn.RateAuth,
	CountsAttempts: true, Session: fn.SessionStarts, Audit: fn.AuditAuth,
	Emits: []string{events.TypeIdentityLoggedIn, events.TypeIdentityDeviceBound},
	Refusals: []*bankerr.Error{
		channel.ErrOutdated, identity.ErrLoginFailed, device.ErrLocked, captcha.ErrRequired, captcha.ErrRejected, password.ErrUnsealed,
	},
	Keys: []keys.Purpose{keys.BlindIndex, keys.OTP, keys.Password, keys.Session, keys.Pepper, keys.Credential},
	Requirements: []string{
		"AUTH-003", "AUTH-009", "AUTH-010", "AUTH-011", "AUTH-012", "AUTH-027", "SESSION-003", "SESSION-005", "CAPTCHA-003",
		"PWD-004", "PWD-015", "PWD-016", "PWD-017", "CLIENT-018", "DEVICE-003", "DEVICE-010",
	},
}, wire)

// Config is read from the environment once, when the process starts.
type Config struct {
	Place place.Config
	Apps  environment.Config
}

// Request holds both factors.
type Request struct {
	Phone           string `json:"phone,omitempty" maxLength:"32" doc:"11 digits, 13 to 19 first, also with +86" example:"13900001111"`
	Alias           string `json:"alias,omitempty" maxLength:"20" doc:"In place of phone"`
	Password        []byte `json:"password" format:"sealed-password" minLength:"1" maxLength:"1024"`
	OTP             string `json:"otp" minLength:"6" maxLength:"6" pattern:"^[0-9]{6}$" example:"123456"`
	CaptchaID       string `json:"captcha_id,omitempty" maxLength:"64"`
	CaptchaAnswer   string `json:"captcha_answer,omitempty" maxLength:"16"`
	DevicePublicKey []byte `json:"device_public_key,omitempty" format:"sm2-public-key" doc:"PKIX DER: the device's key"`
	DeviceSignature []byte `json:"device_signature,omitempty" maxLength:"128" doc:"By the device's key (docs/protocol.md, section 7)"`
	OldKeySignature []byte `json:"old_key_signature,omitempty" maxLength:"128" doc:"To replace a key: the same text signed by the old key"`
	TradePassword   []byte `json:"trade_password,omitempty" format:"sealed-password" maxLength:"1024" doc:"To bind a first or lost key"`
	CardNo          string `json:"card_no,omitempty" maxLength:"32" doc:"With trade_password: of an open card of the customer"`
	UnlockDevice    bool   `json:"unlock_device,omitempty" doc:"With trade_password: release the lock of the log-in to another device"`
	// App names the app as the hello does: an open channel may be older than the minimum.
	App *channel.App `json:"app,omitempty" doc:"The app and its version"`
	// Environment is the app's report; without one, the session is risky.
	Environment *environment.Report `json:"environment,omitempty" doc:"The app's report about its environment (docs/protocol.md, section 7)"` //nolint:revive // a tag is one line
}

// Validate checks the form only. It refuses only values that no customer can have.
func (r Request) Validate() error {
	from := identity.Entrant{
		Phone: r.Phone, Alias: r.Alias, CaptchaID: r.CaptchaID, CaptchaAnswer: r.CaptchaAnswer, App: r.App, Report: r.Environment,
	}
	if err := from.CheckForm(); err != nil {
		return err
	}
	stepUp := len(r.TradePassword) > 0
	switch {
	case r.UnlockDevice && !stepUp:
		return fn.InvalidField("trade_password", "missing: unlock_device is given")
	case stepUp && r.CardNo == "":
		return fn.InvalidField("card_no", "missing: trade_password is given")
	case !stepUp && r.CardNo != "":
		return fn.InvalidField("trade_password", "missing: card_no is given")
	case stepUp && !ledger.CardNumber(r.CardNo):
		return fn.InvalidField("card_no", "not 12 to 19 digits")
	case stepUp && len(r.OldKeySignature) > 0:
		return fn.InvalidField("old_key_signature", "not together with trade_password")
	case len(r.DevicePublicKey) == 0 && (stepUp || len(r.OldKeySignature) > 0 || len(r.DeviceSignature) > 0):
		return fn.InvalidField("device_public_key", "missing")
	}
	return nil
}

// Response tells the customer about the previous login (SESSION-005).
type Response struct {
	LastLoginAt     *time.Time `json:"last_login_at" doc:"The login before this one"`
	LastLoginDevice *string    `json:"last_login_device" clear:"device_id" doc:"The device of the login before this one"`
	LastLoginPlace  *string    `json:"last_login_place" doc:"The place of its address; unknown if the bank does not know it"`
	LastVerified    bool       `json:"last_login_verified" doc:"That device proved its bound key; otherwise it only claimed its id"`
	DeviceBound     bool       `json:"device_bound" doc:"The device's key that this login brought is bound"`
	MustChange      bool       `json:"must_change" doc:"The customer must change the login password before anything else"`
	// Environment tells what the bank does about the report, or about its absence.
	Environment environment.Judgement `json:"environment"`
}

type operation struct {
	db        pg.Reader
	captcha   *captcha.Store
	passwords *password.Store
	ring      *keys.Ring
	clock     clock.Clock
	versions  channel.Versions
	tables    identity.LoginTables
}

func wire(_ context.Context, lent *fn.Lent, config Config) (fn.CommandOperation[Request, Response], error) {
	tables, err := identity.OpenLoginTables(config.Place, config.Apps)
	if err != nil {
		return nil, err
	}
	return operation{
		db: lent.DB, captcha: lent.Captchas, passwords: lent.Passwords, ring: lent.Keys, clock: lent.Clock,
		versions: lent.Channels.Versions(), tables: tables,
	}.do, nil
}

func (op operation) do(ctx context.Context, call *fn.Call, req Request, unit *pg.Unit) (Response, error) {
	if err := op.versions.Check(req.App); err != nil {
		return Response{}, err
	}
	guess, err := password.OpenField(op.ring, call.Channel, "password", req.Password)
	if err != nil {
		return Response{}, err
	}
	key, err := newDeviceKey(op.ring, call, req)
	if err != nil {
		return Response{}, err
	}
	attempt, err := op.admit(ctx, call, req, key)
	if err != nil {
		return Response{}, err
	}
	turn, err := op.passwords.Begin(ctx)
	if err != nil {
		return Response{}, err
	}
	defer turn.End()
	code := identity.CodeAttempt(otp.Login, attempt.Phone, key.from, req.OTP)
	found := op.tables.Apps.Examine(req.Environment, call.Channel, req.DevicePublicKey)
	both := login{attempt: attempt, code: &code, key: key, turn: turn, found: found}
	if err := both.count(ctx, call, op.ring); err != nil {
		return Response{}, err
	}
	if both.attempt.Verdict == password.Captcha {
		return Response{}, captcha.ErrRequired
	}
	wrong, err := both.wrong(ctx, call, guess)
	if err != nil {
		return Response{}, err
	}
	call.AuditReason(both.reason(wrong), both.attempt.CustomerID)
	if wrong != "" {
		if err := op.captcha.CountFailure(ctx, call.IP); err != nil {
			return Response{}, err
		}
		return Response{}, identity.ErrLoginFailed
	}
	last := both.attempt.LastLogin
	return Response{
		LastLoginAt: clock.Local(last.At), LastLoginDevice: last.Device, LastLoginPlace: last.PlaceName(),
		LastVerified: last.Verified,
		DeviceBound:  both.binds || key.verified(),
		MustChange:   both.attempt.Duty() != session.NoDuty,
		Environment:  environment.Judge(found),
	}, op.succeed(ctx, call, both, unit)
}

// admit makes the attempt, unless a graphic code must be solved first.
func (op operation) admit(ctx context.Context, call *fn.Call, req Request, key *deviceKey) (*password.LoginAttempt, error) {
	now := op.clock.Now()
	solved, err := op.captcha.Admit(ctx, op.db, captcha.Caller{
		IP: call.IP, ID: req.CaptchaID, Answer: req.CaptchaAnswer, Now: now,
	})
	if err != nil {
		return nil, err
	}
	attempt := &password.LoginAttempt{
		Phone: customer.LoginIndex(op.ring, req.Phone, req.Alias), From: key.from, Captcha: solved, Now: now,
		Place: op.tables.Places.Of(call.IP),
	}
	suspect, err := attempt.Suspect(ctx, op.db)
	if err == nil && suspect {
		err = captcha.ErrRequired
	}
	return attempt, err
}

// login holds both factors and the device's key.
type login struct {
	attempt *password.LoginAttempt
	code    *otp.Attempt
	key     *deviceKey
	turn    *password.Turn
	stepUp  stepUp
	binds   bool                  // a step-up lets the device's key be bound
	found   []environment.Finding // about the app's environment
}

// count counts the attempt at the code, and then the attempt at the password: whether
// the code was right decides against whom the second counts.
func (l *login) count(ctx context.Context, call *fn.Call, ring *keys.Ring) error {
	var first, second pgx.Batch
	l.code.CountAttempt(&first, l.attempt.Now)
	if err := call.CountAttempts(ctx, &first); err != nil {
		return err
	}
	l.attempt.RightCode = l.code.Right(ring)
	l.attempt.CountLogin(&second)
	l.key.queue(&second, ring, l.attempt.Phone, call.DeviceID)
	return call.CountAttempts(ctx, &second)
}

// wrong always checks all that the request brings, and the lock. It returns the name of
// a failed check, for the access record only, or "" if all checks pass.
func (l *login) wrong(ctx context.Context, call *fn.Call, guess []byte) (string, error) {
	known, err := l.attempt.Check(l.turn, guess)
	if err != nil {
		return "", err
	}
	wrong := ""
	switch {
	case l.attempt.CustomerID == uuid.Nil:
		wrong = "unknown"
	case l.attempt.Verdict == password.Locked:
		wrong = "locked"
	case !known:
		wrong = "password"
	case !l.attempt.RightCode:
		wrong = "otp"
	}
	if l.stepUp, err = l.steppedUp(ctx, call, wrong == ""); err != nil {
		return "", err
	}
	l.binds = l.stepUp.right && !l.key.verified()
	if wrong == "" && l.stepUp.given && !l.stepUp.right {
		wrong = "step-up for the device key"
	}
	return wrong, nil
}

// reason adds to wrong, for the access record, whether a lock ended or began with
// this attempt (AUDIT-006), whether the device has changed (DEVICE-001), and what the bank
// found about the stored passwords.
func (l *login) reason(wrong string) string {
	var parts []string
	add := func(found bool, reason ...string) {
		if found {
			parts = append(parts, reason...)
		}
	}
	add(l.attempt.LockEnded, "lock ended")
	add(wrong == "" && l.attempt.Elsewhere(), "another device than the last login")
	add(wrong != "", wrong)
	add(l.attempt.Damaged, "login_password damaged")
	add(true, l.stepUp.reasons...)
	add(wrong == "" && l.key.req.Environment != nil && len(l.found) > 0, environment.Reason(l.found))
	add(wrong != "" && l.attempt.Verdict == password.Last, "now locked")
	return strings.Join(parts, ", ")
}

// succeed adds the login's changes to the unit, and asks the runtime to start the
// session.
func (op operation) succeed(ctx context.Context, call *fn.Call, l login, unit *pg.Unit) error {
	id, now := l.attempt.CustomerID, l.attempt.Now
	l.code.Use(unit, now, identity.ErrLoginFailed)
	verified := l.binds || l.key.verified()
	if l.key.req.UnlockDevice {
		if err := device.UnlockLogin(ctx, unit, id); err != nil { // the step-up was right: wrong says so
			return err
		}
	}
	if err := l.attempt.Succeeded(ctx, l.turn, unit, verified, identity.ErrLoginFailed); err != nil {
		return err
	}
	if err := l.stepUp.tried.Rehash(ctx, l.turn, unit); err != nil {
		return err
	}
	if l.binds {
		key := device.Key{CustomerID: id, DeviceID: call.DeviceID, Public: l.key.req.DevicePublicKey, BoundAt: now}
		if err := identity.BindDevice(ctx, unit, key, l.key.bound != nil); err != nil {
			return err
		}
	}
	if err := device.NoteLogin(ctx, unit, id, call.DeviceID, verified); err != nil {
		return err
	}
	call.StartSession(id, l.attempt.Place, l.attempt.Duty())
	return identity.Entry{
		Session: environment.Session{CustomerID: id, DeviceID: call.DeviceID, Channel: call.Channel, Now: now}, IP: call.IP,
		Verified: verified, Report: l.key.req.Environment, Found: l.found,
	}.RecordEntry(ctx, unit)
}
