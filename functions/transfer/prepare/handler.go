// Package prepare checks a transfer, stores it as an intent, and tells the customer
// which proofs confirm it.
//
//	POST /function/transfer-prepare   session
//
// The function checks both accounts, the payee's name, funds, the caps of the
// factors, the day's limit and risk. No money moves yet. A request names the payee by
// account number and name, or by the id of an own account. A customer's choice of proofs
// (identity-preference-set) stands alone where it is enough. Amounts are whole fen.
// Refusals: OBJECT_NOT_FOUND (the payer's account), PAYEE_MISMATCH, ACCOUNT_SAME,
// ACCOUNT_CLOSED, FUNDS_INSUFFICIENT, STEPUP_STRONGER, OPTION_OFF (a large payment to another holder needs the option
// large_transfer), DEVICE_UNBOUND, LIMIT_EXCEEDED, RISK_REFUSED.
package prepare

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/functions/transfer"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/limit"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/option"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/plaintext"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/shared/token"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "transfer-prepare", Summary: "Prepare a transfer and list the proofs that confirm it",
	Audience: fn.Customer, Risk: risk.SceneTransfer, Audit: fn.AuditMoney,
	Personal: []string{"text", "payee_name_masked", "payee_account_masked"},
	Refusals: []*bankerr.Error{
		bankerr.ErrNotFound, transfer.ErrPayeeMismatch, ledger.ErrSameAccount, ledger.ErrAccountClosed,
		ledger.ErrFundsInsufficient, stepup.ErrStronger, option.ErrOff, stepup.ErrUnbound, limit.ErrExceeded,
	},
	Keys: []keys.Purpose{keys.BlindIndex, keys.Ledger, keys.Storage},
	Requirements: []string{
		"XFER-001", "XFER-003", "LOGIC-003", "LOGIC-006", "AUTH-015", "AUTH-016", "AUTH-017", "AUTH-029", "LIMIT-001",
		"LIMIT-002", "DEVICE-001", "RISK-004",
	},
}, wire)

// Config holds the age at which a reference photo is too old for a face check.
type Config struct{ Face face.Policy }

// Request names the payer's account, the payee and the amount.
type Request struct {
	DebitAccountID uuid.UUID  `json:"debit_account_id" format:"uuid" doc:"An account of the caller"`
	PayeeAccountID *uuid.UUID `json:"payee_account_id,omitempty" format:"uuid" doc:"Another account of the caller"`
	PayeeAccountNo string     `json:"payee_account_no,omitempty" maxLength:"32" doc:"Or any account number" example:"622848000000010002"`
	PayeeName      string     `json:"payee_name,omitempty" maxLength:"60" doc:"The holder of that number" example:"李小红"`
	Amount         money.Fen  `json:"amount_fen" minimum:"1" maximum:"100000000000000" doc:"Whole fen"`
	Memo           string     `json:"memo,omitempty" maxLength:"60" doc:"附言"`
}

// Validate checks the form; it reads no account.
func (r Request) Validate() error {
	switch {
	case (r.PayeeAccountID == nil) == (r.PayeeAccountNo == ""):
		return fn.InvalidField("payee_account_no", "name either an account number or an own account")
	case r.PayeeAccountNo != "" && !ledger.CardNumber(r.PayeeAccountNo):
		return fn.InvalidField("payee_account_no", "not 12 to 19 digits")
	case r.PayeeAccountID != nil && r.PayeeName != "":
		return fn.InvalidField("payee_name", "not for an own account")
	case r.PayeeAccountNo != "" && !customer.ValidName(r.PayeeName):
		return fn.InvalidField("payee_name", "missing or without a letter")
	case strings.ContainsFunc(plaintext.Line(r.PayeeName), unicode.IsControl), // a line break
		!plaintext.Printable(customer.CanonicalName(r.PayeeName)):
		return fn.InvalidField("payee_name", "not plain text")
	case !plaintext.Printable(plaintext.Line(r.Memo)):
		return fn.InvalidField("memo", "not plain text")
	}
	return nil
}

// Response is the intent to confirm.
type Response struct {
	IntentID           uuid.UUID `json:"intent_id" format:"uuid"`
	Text               string    `json:"text" doc:"Show it; a device key signs exactly these bytes"`
	Digest             []byte    `json:"digest" doc:"SM3 of text"`
	Combinations       []string  `json:"combinations" doc:"Each combination is enough, e.g. sms_otp+device_key"`
	PayeeNameMasked    string    `json:"payee_name_masked"`
	PayeeAccountMasked string    `json:"payee_account_masked"`
	PayeeCode          string    `json:"payee_code" doc:"Stands in text too; the payee finds it at the own account"`
	Challenge          string    `json:"token_challenge,omitempty" doc:"For the customer's token; one with a screen makes it from text"`
	ExpiresAt          time.Time `json:"expires_at"`
}

type operation struct {
	store *transfer.Store
	rules *stepup.Table
	db    pg.Reader
	ring  *keys.Ring
	clock clock.Clock
	faces face.Policy
}

func wire(_ context.Context, lent *fn.Lent, config Config) (fn.CommandOperation[Request, Response], error) {
	op := operation{
		store: transfer.NewStore(lent.DB, lent.Keys), rules: stepup.NewTable(lent.DB, lent.Clock),
		db: lent.DB, ring: lent.Keys, clock: lent.Clock, faces: config.Face,
	}
	return op.do, nil
}

func (op operation) do(ctx context.Context, call *fn.Call, req Request, unit *pg.Unit) (Response, error) {
	payer, err := op.store.OwnAccount(ctx, req.DebitAccountID, call.CustomerID)
	if err != nil {
		return Response{}, err
	}
	payee, err := op.payee(ctx, req, call.CustomerID)
	if err != nil {
		return Response{}, err
	}
	plan, err := transfer.NewPlan(payer, payee, req.Amount, plaintext.Line(req.Memo))
	if err != nil {
		return Response{}, err
	}
	known, err := op.store.PayeeKnown(ctx, call.CustomerID, payee.AccountID)
	if err != nil {
		return Response{}, err
	}
	plan.NewPayee = !known && !plan.Own
	matrix, err := op.rules.Matrix(ctx)
	if err != nil {
		return Response{}, err
	}
	mine, err := op.customers(ctx, call)
	if err != nil {
		return Response{}, err
	}
	var in stepup.Intent
	about := stepup.Case{
		Operation: transfer.ConfirmFunction, Scene: plan.Scene(), Grade: call.Risk.Grade, Amount: plan.Amount, Bound: true,
		Token: mine.token == token.Active, Face: mine.face, Unlock: mine.key.Unlock, UKeys: mine.ukeys,
	}
	if in.Combinations, err = matrix.Decide(about); err != nil {
		return Response{}, err
	}
	if !plan.Own && !mine.large.Allows(plan.Amount) {
		return Response{}, option.ErrOff
	}
	raised := about
	raised.Grade = risk.GradeRaised
	if in.Raised, err = matrix.Decide(raised); err != nil {
		return Response{}, err
	}
	in.Combinations = mine.preferred.Choose(in.Combinations, about)
	in.Raised = mine.preferred.Choose(in.Raised, raised)
	if err := op.withinDay(ctx, call, matrix, mine.key, &plan, &in); err != nil {
		return Response{}, err
	}
	about.Bound = mine.key.Bound
	if in.Combinations, err = matrix.Usable(in.Combinations, about); err != nil {
		return Response{}, err
	}
	reply, err := op.save(unit, call, plan, in)
	if err == nil && about.Token {
		reply.Challenge = token.Challenge(reply.Text)
	}
	return reply, err
}

// means are what the customer can prove by.
type means struct {
	key       device.State // on the device that calls
	token     token.State
	face      bool // the bank has a reference photo
	ukeys     cert.Held
	preferred stepup.Preference
	large     option.Large // what the customer may pay others
}

// customers reads the customer's means in one round trip.
func (op operation) customers(ctx context.Context, call *fn.Call) (mine means, err error) {
	var batch pgx.Batch
	device.QueueState(&batch, call.CustomerID, call.DeviceID, op.clock.Now(), &mine.key)
	token.QueueToken(&batch, call.CustomerID, &mine.token)
	face.QueuePhoto(&batch, call.CustomerID, op.faces.Oldest(op.clock.Now()), &mine.face)
	cert.QueueHeld(&batch, call.CustomerID, call.DeviceID, op.clock.Now(), &mine.ukeys)
	stepup.QueuePreference(&batch, call.CustomerID, &mine.preferred)
	option.QueueLarge(&batch, call.CustomerID, op.clock.Now(), &mine.large)
	if err := op.db.Batch(ctx, &batch); err != nil {
		return mine, fmt.Errorf("state of the customer's proofs: %w", err)
	}
	return mine, nil
}

// withinDay leaves in the intent the combinations whose day's limit has room for the plan.
// A young key of the device has a lower limit: a plan that fits in it gets this limit, and
// no young key confirms any other plan, or beside a factor with a higher cap. If the device has no key, the combinations for a
// raised grade keep the key: the confirmation then asks for it.
func (op operation) withinDay(
	ctx context.Context, call *fn.Call, matrix stepup.Matrix, key device.State, plan *transfer.Plan, in *stepup.Intent,
) error {
	now := op.clock.Now()
	young, read := key.Young, make(map[limit.Kind]bool)
	var most money.Fen // what a day without transfers allows
	for _, c := range slices.Concat(in.Combinations, in.Raised) {
		kind, _ := c.Limit()
		ceiling := matrix.Cap(c).PerDay
		if read[kind] {
			continue
		}
		read[kind] = true
		usage, err := limit.Get(ctx, op.db, call.CustomerID, kind, clock.BusinessDay(now))
		if err != nil {
			return err
		}
		if young && kind == limit.TransferSMS && plan.Amount <= key.DayCap-usage.Used {
			ceiling, young = min(ceiling, key.DayCap), false
		}
		plan.CheckLimit(kind, ceiling, usage)
		most = max(most, min(usage.Cap, ceiling))
	}
	closed := func(c stepup.Combination) bool {
		kind, _ := c.Limit()
		return c.NeedsKey() && (young || key.Young && kind != limit.TransferSMS) || !plan.FitsDay(c)
	}
	open := slices.DeleteFunc(slices.Clone(in.Combinations), closed)
	if len(open) == 0 {
		if young && !slices.ContainsFunc(in.Combinations, func(c stepup.Combination) bool { return !c.NeedsKey() }) {
			most = min(most, key.DayCap)
		}
		return limit.Exceeded(now, plan.Amount, most)
	}
	in.Combinations, in.Raised = open, slices.DeleteFunc(in.Raised, closed)
	return nil
}

func (op operation) payee(ctx context.Context, req Request, holder uuid.UUID) (transfer.Party, error) {
	if req.PayeeAccountID != nil {
		return op.store.OwnAccount(ctx, *req.PayeeAccountID, holder)
	}
	return op.store.Payee(ctx, req.PayeeAccountNo, req.PayeeName)
}

func (op operation) save(
	unit *pg.Unit, call *fn.Call, plan transfer.Plan, offered stepup.Intent,
) (Response, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Response{}, bankerr.ErrInternal.Because(err)
	}
	payload, err := json.Marshal(plan)
	if err != nil {
		return Response{}, bankerr.ErrInternal.Because(err)
	}
	now := op.clock.Now()
	intent := stepup.Intent{
		ID: id, CustomerID: call.CustomerID, DeviceID: call.DeviceID, Operation: transfer.ConfirmFunction,
		Payload: payload, Text: plan.Text(id, now), Combinations: offered.Combinations, Raised: offered.Raised, Grade: call.Risk.Grade,
		CreatedAt: now, ExpiresAt: now.Add(transfer.IntentLife),
	}
	if err := stepup.Save(unit, op.ring, intent); err != nil {
		return Response{}, err
	}
	reply := Response{
		IntentID: id, Text: intent.Text, Digest: sm.Digest([]byte(intent.Text)), PayeeNameMasked: plan.PayeeMasked,
		PayeeAccountMasked: plan.PayeeAccountMasked, PayeeCode: plan.PayeeCode, ExpiresAt: intent.ExpiresAt.In(clock.Shanghai),
	}
	for _, c := range intent.Combinations {
		reply.Combinations = append(reply.Combinations, c.String())
	}
	return reply, nil
}
