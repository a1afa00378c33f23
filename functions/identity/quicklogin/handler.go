// Package quicklogin starts a customer's session on a bound device, by the device's key and a
// gesture, or by the device's key and a finger or face that the phone has recognised.
//
//	POST /function/identity-quick-login   public   emits identity.loggedin.v1
//
// The device's bound key signs the challenge of identity-quick-challenge: possession is the first
// factor. The second is the gesture, or a signature by the key that only finger or face unlocks on
// the phone, over the same text. A challenge is good once, on its channel. Every failure is
// LOGIN_FAILED after the same work, also for unknown numbers and devices that are not bound. A
// gesture counts as wrong, by customer and device, before it is compared: after three in a row the
// bank asks for a graphic code, after five the gesture is locked until a login by password on the
// device, or a new gesture (AUTH-010, AUTH-011). While the number's log-ins are locked or frozen, no quick login
// goes on. Whoever lacks the bound key guesses nothing, and counts against the network address
// only. The lock of the log-in to one device, the minimum version of the app and its report count
// as at identity-login. Refusals: APP_OUTDATED, LOGIN_FAILED, DEVICE_LOCKED (both factors are
// right), CAPTCHA_REQUIRED, CAPTCHA_REJECTED, PASSWORD_UNSEALED.
package quicklogin

import (
	"context"
	"strings"
	"time"

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
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/place"
	"github.com/tidebank/tidebank/shared/session"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "identity-quick-login", Summary: "Log in on a bound device by gesture, fingerprint or face", Audience: fn.Public,
	Rate: fn.RateAuth, CountsAttempts: true, Session: fn.SessionStarts, Audit: fn.AuditAuth,
	Emits: []string{events.TypeIdentityLoggedIn},
	Refusals: []*bankerr.Error{
		channel.ErrOutdated, identity.ErrLoginFailed, device.ErrLocked, captcha.ErrRequired, captcha.ErrRejected, password.ErrUnsealed,
	},
	Keys:         []keys.Purpose{keys.BlindIndex, keys.Password, keys.Session, keys.Pepper, keys.Credential},
	Requirements: []string{"AUTH-003", "AUTH-020", "BIO-012"},
}, wire)

// Config is read from the environment once, when the process starts.
type Config struct {
	Place place.Config
	Apps  environment.Config
}

// Request holds both factors.
type Request struct {
	Phone           string        `json:"phone,omitempty" maxLength:"32" doc:"11 digits, 13 to 19 first, also with +86" example:"13900001111"` //nolint:revive // a tag is one line
	Alias           string        `json:"alias,omitempty" maxLength:"20" doc:"In place of phone"`
	Method          device.Method `json:"method" enum:"gesture,fingerprint,face" doc:"What the customer has set here" example:"gesture"`
	Challenge       []byte        `json:"challenge" minLength:"44" maxLength:"44" doc:"Of identity-quick-challenge" example:"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="` //nolint:revive // a tag is one line
	DevicePublicKey []byte        `json:"device_public_key" format:"sm2-public-key" doc:"PKIX DER: the device's bound key"`
	DeviceSignature []byte        `json:"device_signature" minLength:"1" maxLength:"128" doc:"By the bound key (protocol.md, section 7)"`
	Gesture         []byte        `json:"gesture,omitempty" format:"sealed-password" maxLength:"1024" doc:"For gesture: its points, 1 to 9 by rows" example:"AAAA"` //nolint:revive // a tag is one line
	Assertion       []byte        `json:"assertion,omitempty" maxLength:"128" doc:"For the others: the same text signed by the key that they unlock"`               //nolint:revive // a tag is one line
	CaptchaID       string        `json:"captcha_id,omitempty" maxLength:"64"`
	CaptchaAnswer   string        `json:"captcha_answer,omitempty" maxLength:"16"`
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
	gesture := r.Method == device.ByGesture
	switch {
	case gesture != (len(r.Gesture) > 0):
		return fn.InvalidField("gesture", "it and the method gesture go together")
	case gesture == (len(r.Assertion) > 0):
		return fn.InvalidField("assertion", "it and the methods fingerprint and face go together")
	}
	return from.CheckForm()
}

// Response tells the customer about the previous login (SESSION-005).
type Response struct {
	LastLoginAt     *time.Time `json:"last_login_at" doc:"The login before this one"`
	LastLoginDevice *string    `json:"last_login_device" clear:"device_id" doc:"The device of the login before this one"`
	LastLoginPlace  *string    `json:"last_login_place" doc:"The place of its address; unknown if the bank does not know it"`
	LastVerified    bool       `json:"last_login_verified" doc:"That device proved its bound key; otherwise it only claimed its id"`
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

// quickLogin holds both factors.
type quickLogin struct {
	req     Request
	guess   []byte // at the gesture
	attempt device.QuickAttempt
	turn    *password.Turn // to compare a gesture; nil for another method
	checked password.Checked
	last    password.LastLogin
	duty    session.Duty
	found   []environment.Finding // about the app's environment
}

func (op operation) do(ctx context.Context, call *fn.Call, req Request, unit *pg.Unit) (Response, error) {
	if err := op.versions.Check(req.App); err != nil {
		return Response{}, err
	}
	l, err := op.openRequest(call, req)
	if err != nil {
		return Response{}, err
	}
	if l.attempt.Captcha, err = op.captcha.Admit(ctx, op.db, captcha.Caller{
		IP: call.IP, ID: req.CaptchaID, Answer: req.CaptchaAnswer, Now: l.attempt.Now,
	}); err != nil {
		return Response{}, err
	}
	if req.Method == device.ByGesture {
		if l.turn, err = op.passwords.Begin(ctx); err != nil {
			return Response{}, err
		}
		defer l.turn.End()
	}
	wrong, err := l.wrong(ctx, call)
	if err != nil {
		return Response{}, err
	}
	if l.attempt.Verdict == device.QuickCaptcha {
		return Response{}, captcha.ErrRequired
	}
	call.AuditReason(l.reason(wrong), l.attempt.CustomerID)
	if wrong != "" {
		if err := op.captcha.CountFailure(ctx, call.IP); err != nil {
			return Response{}, err
		}
		return Response{}, identity.ErrLoginFailed
	}
	return Response{
		LastLoginAt: clock.Local(l.last.At), LastLoginDevice: l.last.Device, LastLoginPlace: l.last.PlaceName(),
		LastVerified: l.last.Verified, MustChange: l.duty != session.NoDuty, Environment: environment.Judge(l.found),
	}, op.succeed(ctx, call, l, unit)
}

// openRequest opens the gesture, and checks that the device has the private key that it brings.
func (op operation) openRequest(call *fn.Call, req Request) (l *quickLogin, err error) {
	l = &quickLogin{req: req, found: op.tables.Apps.Examine(req.Environment, call.Channel, req.DevicePublicKey)}
	if req.Method == device.ByGesture {
		if l.guess, err = password.OpenField(op.ring, call.Channel, password.GestureField, req.Gesture); err != nil {
			return nil, err
		}
	}
	from := device.Origin{DeviceID: call.DeviceID, Public: req.DevicePublicKey}
	if !device.Signed(from.Public, device.QuickText(call.Channel, from, req.Challenge, req.Method), req.DeviceSignature) {
		return nil, fn.InvalidField("device_signature", "not by device_public_key for this channel, device, challenge and method")
	}
	l.attempt = device.QuickAttempt{
		Name: customer.LoginIndex(op.ring, req.Phone, req.Alias), From: from, Channel: call.Channel, Challenge: req.Challenge,
		By: req.Method, Now: op.clock.Now(),
	}
	return l, nil
}

// wrong counts the attempt, and then always checks the second factor. It returns the name of a
// failed check, for the access record only, or "" if all checks pass.
func (l *quickLogin) wrong(ctx context.Context, call *fn.Call) (string, error) {
	var batch pgx.Batch
	l.attempt.CountQuick(&batch)
	l.last.QueueLastOf(&batch, l.attempt.Name, &l.duty)
	if err := call.CountAttempts(ctx, &batch); err != nil {
		return "", err
	}
	right := false
	if l.turn != nil {
		var err error
		if l.checked, err = l.turn.Check(l.place(), l.attempt.Stored, l.guess); err != nil {
			return "", err
		}
		right = l.checked.Right
	} else {
		right = l.attempt.Unlocked(l.req.Assertion)
	}
	switch {
	case !l.attempt.Goes():
		return string(l.attempt.Verdict), nil
	case !right:
		return string(l.req.Method), nil
	}
	return "", nil
}

// place is where the gesture is stored with which the guess is compared.
func (l *quickLogin) place() password.Place {
	return password.OfGesture(l.attempt.CustomerID, l.attempt.From.DeviceID)
}

// reason tells audit about a failed check, a lock that begins (AUDIT-006), a stored gesture that
// the bank can't read, and the app's environment.
func (l *quickLogin) reason(wrong string) string {
	var parts []string
	add := func(found bool, reason string) {
		if found {
			parts = append(parts, reason)
		}
	}
	add(wrong == "" && l.last.Device != nil && *l.last.Device != l.attempt.From.DeviceID, "another device than the last login")
	add(wrong != "", wrong)
	add(l.checked.Damaged, "gesture damaged")
	add(wrong == "" && l.req.Environment != nil && len(l.found) > 0, environment.Reason(l.found))
	add(wrong != "" && l.attempt.Verdict == device.QuickLast, "now locked")
	return strings.Join(parts, ", ")
}

// succeed adds the login's changes to the unit, and asks the runtime to start the session.
func (op operation) succeed(ctx context.Context, call *fn.Call, l *quickLogin, unit *pg.Unit) error {
	id, now, from := l.attempt.CustomerID, l.attempt.Now, op.tables.Places.Of(call.IP)
	recorded := password.Login{CustomerID: id, DeviceID: call.DeviceID, Verified: true, At: now, Place: from}
	if err := password.RecordLogin(ctx, unit, recorded); err != nil {
		return err
	}
	if err := l.attempt.SucceedQuick(ctx, unit, identity.ErrLoginFailed); err != nil {
		return err
	}
	if l.checked.Stale {
		fresh, err := l.turn.Hash(l.place(), l.guess)
		if err != nil {
			return err
		}
		if err := device.RehashGesture(ctx, unit, l.attempt.Gesture(), fresh); err != nil {
			return err
		}
	}
	call.StartSession(id, from, l.duty)
	return identity.Entry{
		Session: environment.Session{CustomerID: id, DeviceID: call.DeviceID, Channel: call.Channel, Now: now}, IP: call.IP,
		Verified: true, Report: l.req.Environment, Found: l.found,
	}.RecordEntry(ctx, unit)
}
