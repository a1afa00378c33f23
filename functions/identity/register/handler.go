// Package register signs a customer of the bank up for mobile banking.
//
//	POST /function/identity-register   public, idempotent   emits identity.registered.v1
//
// Name, identity number, card, card password and reserved phone must all match the
// bank's record of one person. A one-time code proves the phone. One refusal covers
// every mismatch, too many failures of a card or identity number within days, and also
// an identity that has already signed up. The bank binds the
// device's key. A caller whose address has failed too often solves a graphic code first.
// Refusals: REGISTRATION_REFUSED, PASSWORD_WEAK, PASSWORD_UNSEALED, CAPTCHA_REQUIRED,
// CAPTCHA_REJECTED.
package register

import (
	"bytes"
	"context"
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
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/idno"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "identity-register", Summary: "Sign up for mobile banking", Audience: fn.Public, Idempotent: true,
	CountsAttempts: true, Rate: fn.RateAuth, Audit: fn.AuditAuth,
	Timeout: 8 * time.Second, // it compares one password and stores two, of which each costs much work by design
	Emits:   []string{events.TypeIdentityRegistered, events.TypeIdentityDeviceBound},
	Refusals: []*bankerr.Error{
		identity.ErrRegistrationRefused, password.ErrWeak, password.ErrUnsealed, captcha.ErrRequired, captcha.ErrRejected,
	},
	Keys: []keys.Purpose{
		keys.BlindIndex, keys.OTP, keys.Password, keys.Session, keys.Storage, keys.Pepper, keys.Credential,
	},
	Requirements: []string{
		"ACCT-013", "ACCT-015", "ACCT-016", "PWD-001", "PWD-002", "PWD-003", "PWD-012", "PWD-017", "PWD-018", "AUTH-005",
	},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request is the application. Passwords are sealed to the password key and for the
// channel. An app that lost its channel before the answer seals them again.
type Request struct {
	Name            string `json:"name" minLength:"1" maxLength:"60" example:"王小明"`
	IDNo            string `json:"id_no" minLength:"18" maxLength:"32" doc:"The last character may be an x" example:"110101199003070011"`
	CardNo          string `json:"card_no" minLength:"12" maxLength:"32" doc:"12 to 19 digits, also in groups" example:"622848000000010001"`
	CardPassword    []byte `json:"card_password" idem:"-" format:"sealed-password" minLength:"1" maxLength:"1024"`
	Phone           string `json:"phone" maxLength:"32" doc:"11 digits, 13 to 19 first, also with +86 or 0086" example:"13900001111"`
	OTP             string `json:"otp" minLength:"6" maxLength:"6" pattern:"^[0-9]{6}$" example:"123456"`
	LoginPassword   []byte `json:"login_password" idem:"-" format:"sealed-password" minLength:"1" maxLength:"1024"`
	TradePassword   []byte `json:"trade_password" idem:"-" format:"sealed-password" minLength:"1" maxLength:"1024"`
	DevicePublicKey []byte `json:"device_public_key" format:"sm2-public-key" doc:"PKIX DER"`
	DeviceSignature []byte `json:"device_signature" idem:"-" maxLength:"128" doc:"By the device's key (docs/protocol.md, section 7)"`
	CaptchaID       string `json:"captcha_id,omitempty" idem:"-" maxLength:"64" doc:"After CAPTCHA_REQUIRED"`
	CaptchaAnswer   string `json:"captcha_answer,omitempty" idem:"-" maxLength:"16"`
}

// Validate checks the form only.
func (r Request) Validate() error {
	if err := captcha.CheckForm(r.CaptchaID, r.CaptchaAnswer); err != nil {
		return err
	}
	return identity.Registered{Name: r.Name, IDNo: r.IDNo, CardNo: r.CardNo, Phone: r.Phone}.Validate()
}

// Response confirms that the customer has signed up. The next step is to log in.
type Response struct {
	Registered bool `json:"registered"`
}

type operation struct {
	db      pg.Reader
	captcha *captcha.Store
	store   *password.Store
	ring    *keys.Ring
	clock   clock.Clock
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.CommandOperation[Request, Response], error) {
	return operation{
		db: lent.DB, captcha: lent.Captchas, store: lent.Passwords, ring: lent.Keys, clock: lent.Clock,
	}.do, nil
}

func (op operation) do(ctx context.Context, call *fn.Call, req Request, unit *pg.Unit) (Response, error) {
	from, proved := device.Prove(call.Channel, call.DeviceID, req.DevicePublicKey, req.DeviceSignature)
	if !proved || from.Public == nil {
		return Response{}, fn.InvalidField("device_signature", "not by device_public_key for this channel and device")
	}
	chosen, cardPassword, err := op.passwords(call, req)
	if err != nil {
		return Response{}, err
	}
	if err := chosen.Check(); err != nil {
		return Response{}, err
	}
	now := op.clock.Now()
	turn, err := op.admit(ctx, call, req, now)
	if err != nil {
		return Response{}, err
	}
	defer turn.End()
	index := customer.PhoneIndex(op.ring, req.Phone)
	code := identity.CodeAttempt(otp.Register, index, from, req.OTP)
	var applicant customer.Applicant
	var batch pgx.Batch
	code.CountAttempt(&batch, now)
	applicant.Queue(&batch, op.ring, req.IDNo, req.CardNo)
	if err := call.CountAttempts(ctx, &batch); err != nil {
		return Response{}, err
	}
	// Every check always runs, so that the time does not show which check failed (ACCT-016).
	right := code.Right(op.ring)
	name := applicant.Named(op.ring, req.Name)
	phone := bytes.Equal(applicant.PhoneIndex, index)
	tried := password.CardAttempt{
		Phone: index, IDNo: applicant.IDNoIndex, Card: applicant.CardIndex, From: from,
		Entitled: right && phone, HoldsCard: applicant.HoldsCard, Now: now,
	}
	var second pgx.Batch
	tried.CountCard(&second)
	if err := call.CountAttempts(ctx, &second); err != nil {
		return Response{}, err
	}
	card, err := turn.Check(password.OfCard(applicant.CardAccount), applicant.CardPassword, cardPassword)
	if err != nil {
		return Response{}, err
	}
	if card.Damaged {
		call.AuditReason("card_password damaged", applicant.ID)
	}
	if !tried.Allowed || !card.Right || !right || !name || !phone || !applicant.HoldsCard {
		if err := op.captcha.CountFailure(ctx, call.IP); err != nil {
			return Response{}, err
		}
		return Response{}, identity.ErrRegistrationRefused
	}
	if err := tried.Succeeded(ctx, unit); err != nil {
		return Response{}, err
	}
	code.Use(unit, now, identity.ErrRegistrationRefused)
	return Response{Registered: true}, op.register(ctx, turn, unit, chosen, device.Key{
		CustomerID: applicant.ID, DeviceID: call.DeviceID, Public: req.DevicePublicKey, BoundAt: now,
	})
}

// admit asks callers of a suspicious address for a graphic code, and waits for the turn
// to hash.
func (op operation) admit(ctx context.Context, call *fn.Call, req Request, now time.Time) (*password.Turn, error) {
	_, err := op.captcha.Admit(ctx, op.db, captcha.Caller{
		IP: call.IP, ID: req.CaptchaID, Answer: req.CaptchaAnswer, Now: now,
	})
	if err != nil {
		return nil, err
	}
	return op.store.Begin(ctx)
}

// passwords opens the three sealed passwords.
func (op operation) passwords(call *fn.Call, req Request) (chosen password.New, card []byte, err error) {
	clear := make([][]byte, 3)
	for i, p := range []struct {
		field  string
		sealed []byte
		open   func(*keys.Ring, channel.ID, string, []byte) ([]byte, error)
	}{
		{"login_password", req.LoginPassword, password.OpenField},
		{"trade_password", req.TradePassword, password.OpenField},
		{"card_password", req.CardPassword, password.OpenDigits},
	} {
		if clear[i], err = p.open(op.ring, call.Channel, p.field, p.sealed); err != nil {
			return password.New{}, nil, err
		}
	}
	application := password.New{Login: string(clear[0]), Trade: password.FoldedTrade(clear[1])}
	application.Phone, _ = customer.CanonicalPhone(req.Phone) // Validate has checked both
	application.IDNo, _ = idno.Canonical(req.IDNo)
	return application, clear[2], nil
}

// register adds the credential and the device's key. It refuses a customer who has
// signed up already, like any mismatch. So each customer has one credential.
func (op operation) register(
	ctx context.Context, turn *password.Turn, unit *pg.Unit, chosen password.New, key device.Key,
) error {
	id := key.CustomerID
	err := password.Insert(ctx, unit, password.Credential{
		Turn: turn, CustomerID: id, Login: chosen.Login, Trade: chosen.Trade, At: key.BoundAt,
	}, identity.ErrRegistrationRefused)
	if err != nil {
		return err
	}
	if err := identity.BindDevice(ctx, unit, key, false); err != nil {
		return err
	}
	return events.Emit(ctx, unit, id.String(), id,
		events.IdentityRegistered{CustomerID: id.String(), DeviceID: key.DeviceID})
}
