package fn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/idem"
	"github.com/tidebank/tidebank/shared/mask"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Refusals of the stages, which every function with the stage may answer.
var (
	ErrMethod     = bankerr.New(bankerr.Invalid, "METHOD_NOT_ALLOWED")
	ErrTooLarge   = bankerr.New(bankerr.Invalid, "INPUT_TOO_LARGE")
	ErrFrame      = bankerr.New(bankerr.Invalid, "FRAME_REJECTED")
	ErrKeyMissing = bankerr.New(bankerr.Invalid, "IDEMPOTENCY_KEY_MISSING")
)

// Faults of an operation's code, which the runtime turns into INTERNAL_ERROR.
var (
	errNotRecorded = errors.New("the operation committed without its idempotency record")
	errNotConsumed = errors.New("the operation committed without consuming its intent")
	errLeaks       = errors.New("the reply holds personal data in clear")
)

const (
	maxSequence    = 1 << 53 // Lua counts exactly up to here (shared/session)
	maxKeyLength   = 64
	channelMaxSkew = 5 * time.Minute
)

// StageRefusals lists what the stages that a Spec asks for may answer, besides
// the operation's own Refusals.
func StageRefusals(s Spec) []*bankerr.Error {
	list := []*bankerr.Error{ErrMethod, ErrTooLarge, bankerr.ErrInput, session.ErrRateLimited}
	list = append(list, bankerr.ErrInternal, bankerr.ErrUnavailable)
	if !s.NoChannel {
		list = append(list, ErrFrame, session.ErrChannelExpired, session.ErrReplayed)
	}
	if s.Audience == Customer {
		list = append(list, session.ErrRequired, session.ErrDisplaced)
	}
	if s.Idempotent {
		list = append(list, ErrKeyMissing, idem.ErrKeyReused, pg.ErrBusy)
	}
	if s.StepUp == stepup.FromIntent {
		list = append(list, stepup.Refusals()...)
	}
	if s.Risk != risk.None {
		list = append(list, risk.ErrRefused)
	}
	return list
}

// stage is one step of enforcement; an error ends the call with its problem.
type stage struct {
	name string
	run  func(*call, context.Context) error
}

// stages is the order of enforcement, the same for every function. A stage that
// a Spec does not ask for passes.
var stages = []stage{
	{"size", (*call).limitSize},
	{"channel", (*call).openChannel},
	{"admit", (*call).admit}, // sequence, rate and login: one trip to Redis
	{"decode", (*call).decodeRequest},
	{"preflight", (*call).preflight}, // replay, step-up and risk: one trip to PostgreSQL
	{"operation", (*call).operate},
	{"mask", (*call).guardReply},
}

func (c *call) limitSize(context.Context) error {
	if c.http.Method != http.MethodPost {
		return ErrMethod
	}
	if int64(len(c.http.Body)) > c.host.Limits.BodyBytes {
		return ErrTooLarge
	}
	return nil
}

func (c *call) openChannel(ctx context.Context) error {
	if c.spec.NoChannel {
		c.raw = c.http.Body
		return nil
	}
	header, err := channel.ParseHeader(c.http.Body)
	if err != nil || header.Sequence >= maxSequence {
		return ErrFrame.Because(err)
	}
	c.header = header
	opened, err := c.host.Sessions.Channel(ctx, header.ID)
	if err != nil {
		return err
	}
	clear, err := channel.OpenRequest(opened.Keys, c.http.Body, c.http.Method, c.spec.Name)
	if err != nil {
		return ErrFrame.Because(err)
	}
	c.keys = &opened.Keys
	c.caller.Channel, c.caller.DeviceID = header.ID, opened.DeviceID
	if skew := c.host.Clock.Now().Sub(header.Time); skew > channelMaxSkew || skew < -channelMaxSkew {
		return ErrFrame.Because(fmt.Errorf("clock skew of %v", skew))
	}
	sent, err := openEnvelope(clear)
	if err != nil {
		return err
	}
	if len(sent.Key) > maxKeyLength {
		return InvalidField("idempotency_key", "too long")
	}
	c.raw, c.key = sent.Request, sent.Key
	return nil
}

func (c *call) admit(ctx context.Context) error {
	rate := c.spec.rateClass().rate(max(1, c.host.Limits.RateScale))
	if c.spec.NoChannel {
		return c.host.Sessions.AllowAddress(ctx, c.caller.IP, rate)
	}
	admitted, err := c.host.Sessions.Admit(ctx, c.caller.Channel, c.header.Sequence, rate)
	if err != nil {
		return err
	}
	if admitted.Login != nil {
		c.caller.CustomerID = admitted.Login.CustomerID
	}
	switch {
	case c.spec.Audience != Customer || admitted.Login != nil:
		return nil
	case admitted.Displaced:
		return session.ErrDisplaced
	}
	return session.ErrRequired
}

func (c *call) decodeRequest(context.Context) error {
	var err error
	if c.request, err = c.bound.decode(c.raw); err != nil {
		return err
	}
	if !c.spec.Idempotent {
		return nil
	}
	if c.key == "" {
		return ErrKeyMissing
	}
	caller := "device:" + c.caller.DeviceID
	if c.spec.Audience == Customer {
		caller = "customer:" + c.caller.CustomerID.String()
	}
	body, err := c.bound.fingerprint.of(c.raw)
	if err != nil {
		return err
	}
	c.ticket = &idem.Ticket{Caller: caller, Operation: c.spec.Name, Key: c.key, BodyHash: sm.Digest(body)}
	return nil
}

// preflight asks PostgreSQL once for all that must be known before the
// operation, then decides in order: a repeated request gets its first answer, a
// step-up must hold, risk must agree.
func (c *call) preflight(ctx context.Context) error {
	var batch pgx.Batch
	grade := risk.GradeNormal
	if c.spec.Risk != risk.None {
		batch.Queue(sqlCustomerGrade, c.caller.CustomerID).QueryRow(func(row pgx.Row) error { return row.Scan(&grade) })
	}
	c.check = c.stepUp(&batch)
	// Last: each statement sees what has committed when it begins, so whoever found
	// the intent consumed by a twin also finds the twin's record.
	var repeated *idem.Stored
	if c.ticket != nil {
		idem.QueueLookup(&batch, *c.ticket, func(found idem.Stored) { repeated = &found })
	}
	if batch.Len() == 0 {
		return nil
	}
	if err := c.host.DB.QueryBatch(ctx, &batch); err != nil {
		return fmt.Errorf("preflight: %w", err)
	}
	if repeated != nil {
		var err error
		c.stored, err = repeated.Answer(*c.ticket)
		return err
	}
	if c.check != nil {
		var err error
		if c.proof, err = c.check.Verify(c.host.Keys); err != nil {
			c.reason = string(c.check.Failed)
			return err
		}
	}
	return c.askRisk(ctx, grade)
}

const sqlCustomerGrade = `-- customer.grade
SELECT risk_grade FROM customer WHERE id = $1`

func (c *call) stepUp(batch *pgx.Batch) *stepup.Verification {
	if c.spec.StepUp != stepup.FromIntent {
		return nil
	}
	presenter, ok := c.request.(stepup.Confirmer)
	if !ok {
		panic("fn: " + c.spec.Name + " was registered without a presentation")
	}
	check := &stepup.Verification{
		Operation: c.spec.Name, CustomerID: c.caller.CustomerID, DeviceID: c.caller.DeviceID, Channel: c.caller.Channel,
		Confirmation: presenter.Confirms(), Now: c.host.Clock.Now(),
	}
	check.Queue(batch)
	return check
}

func (c *call) askRisk(ctx context.Context, grade risk.Grade) error {
	if c.spec.Risk == risk.None {
		return nil
	}
	who := risk.Subject{
		CustomerID: c.caller.CustomerID, DeviceID: c.caller.DeviceID, IP: c.caller.IP, Grade: grade,
	}
	var err error
	if c.risk, err = c.host.Risk.Evaluate(ctx, c.spec.Risk, who); err != nil {
		return bankerr.ErrUnavailable.Because(fmt.Errorf("risk: %w", err))
	}
	switch {
	case c.risk.Outcome == risk.Refuse || c.risk.Outcome == risk.Hold:
		return risk.ErrRefused
	case c.proof != nil && c.risk.Grade > c.proof.Intent.Grade:
		return stepup.ErrStronger // fraud has graded the customer since: what was enough then may not be now
	}
	return nil
}

func (c *call) operate(ctx context.Context) error {
	if c.stored != nil {
		c.body = c.stored
		return nil
	}
	reply, err := c.bound.run(ctx, c.request)
	if errors.Is(err, idem.ErrRepeated) {
		return c.answerRace(ctx)
	}
	if err != nil {
		return err
	}
	if c.ticket != nil && !c.recorded {
		return bankerr.ErrInternal.Because(errNotRecorded)
	}
	if c.proof != nil && !c.proof.Consumed() {
		return bankerr.ErrInternal.Because(errNotConsumed)
	}
	if c.body, err = json.Marshal(reply); err != nil {
		return bankerr.ErrInternal.Because(err)
	}
	return nil
}

// answerRace answers a request whose twin committed while this one was at work:
// its own unit rolled back, so the twin's answer is the answer.
func (c *call) answerRace(ctx context.Context) error {
	var batch pgx.Batch
	var twin *idem.Stored
	idem.QueueLookup(&batch, *c.ticket, func(found idem.Stored) { twin = &found })
	if err := c.host.DB.QueryBatch(ctx, &batch); err != nil {
		return fmt.Errorf("look up the twin: %w", err)
	}
	if twin == nil {
		return pg.ErrBusy
	}
	var err error
	c.body, err = twin.Answer(*c.ticket)
	return err
}

// guardReply is the last look at what leaves the bank: a reply with an unmasked
// phone, card or identity number is not sent (MASK-004).
func (c *call) guardReply(context.Context) error {
	if mask.Leaks(c.body) {
		return bankerr.ErrInternal.Because(errLeaks)
	}
	return nil
}
