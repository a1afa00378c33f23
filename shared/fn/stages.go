package fn

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/environment"
	"github.com/tidebank/tidebank/shared/idem"
	"github.com/tidebank/tidebank/shared/mask"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Refusals of the stages. Every function that has the stage may answer them.
var (
	ErrMethod     = bankerr.New(bankerr.Method, "METHOD_NOT_ALLOWED")
	ErrTooLarge   = bankerr.New(bankerr.TooLarge, "INPUT_TOO_LARGE")
	ErrFrame      = bankerr.New(bankerr.Invalid, "FRAME_REJECTED")
	ErrKeyMissing = bankerr.New(bankerr.Invalid, "IDEMPOTENCY_KEY_MISSING")
)

// Faults of an operation's code. The runtime answers INTERNAL_ERROR and commits
// nothing.
var (
	errAttempts = errors.New("the operation counts attempts, and its Spec does not declare it")
	errSession  = errors.New("the operation and its Spec disagree about starting or ending sessions")
	errEvent    = errors.New("the operation sends an event that its Spec does not declare")
	errLeaks    = errors.New("the reply holds personal data in clear")
)

const (
	maxSequence    = 1 << 53 // Lua counts exactly up to here (shared/session)
	maxKeyLength   = 64
	channelMaxSkew = 5 * time.Minute
)

// StageRefusals lists the refusals of the stages that a Spec asks for. The
// operation's own Refusals are not in the list.
func StageRefusals(s Spec) []*bankerr.Error {
	list := []*bankerr.Error{ErrMethod, ErrTooLarge, bankerr.ErrInput, session.ErrRateLimited}
	list = append(list, bankerr.ErrInternal, bankerr.ErrUnavailable)
	if !s.NoChannel {
		list = append(list, ErrFrame, session.ErrChannelExpired, session.ErrReplayed)
	}
	if s.Audience == Customer {
		list = append(list, session.ErrRequired, session.ErrDisplaced)
	}
	if s.Audience == Customer && !s.DuringDuty {
		list = append(list, session.ErrDuty)
	}
	if s.Idempotent {
		list = append(list, ErrKeyMissing, idem.ErrKeyReused, pg.ErrBusy)
	}
	if s.StepUp {
		list = append(list, stepup.Refusals()...)
	}
	if s.Risk != risk.None {
		list = append(list, risk.ErrRefused, environment.ErrUnsafe)
	}
	return list
}

// stage is one step of enforcement; an error ends the call with its problem.
type stage struct {
	name  string
	run   func(*call, context.Context) error
	lasts bool // it and the stages after it run to their end, also if the caller leaves
}

// stages is the order of enforcement, the same for every function. A stage passes
// when the Spec does not ask for it.
var stages = []stage{
	{name: "size", run: (*call).limitSize},
	{name: "channel", run: (*call).openChannel},
	{name: "admit", run: (*call).admit}, // sequence, rate and login: one round trip to Redis
	{name: "decode", run: (*call).decodeRequest},
	{name: "preflight", run: (*call).preflight}, // replay, step-up and risk: one round trip to PostgreSQL
	{name: "operation", run: (*call).operate},
	{name: "mask", run: (*call).guardReply},
	{name: "end session", run: (*call).endSession, lasts: true}, // before the commit: it also ends if the database is down
	{name: "commit", run: (*call).commit, lasts: true},          // one round trip to PostgreSQL
	{name: "start session", run: (*call).startSession, lasts: true},
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
	c.Channel, c.DeviceID = header.ID, opened.DeviceID
	if skew := c.host.Clock.Now().Sub(header.Time); skew > channelMaxSkew || skew < -channelMaxSkew {
		return ErrFrame.Because(fmt.Errorf("clock skew of %v", skew))
	}
	c.clear = clear
	return nil
}

func (c *call) admit(ctx context.Context) error {
	rate := c.spec.rateClass().rate(max(1, c.host.Limits.RateScale))
	if c.spec.NoChannel {
		return c.host.Sessions.AllowAddress(ctx, c.IP, rate)
	}
	frame := session.Frame{Channel: c.Channel, Sequence: c.header.Sequence, Address: c.IP, Activity: c.spec.Activity}
	admitted, err := c.host.Sessions.Admit(ctx, frame, rate)
	c.inClear = errors.Is(err, session.ErrReplays)
	if err != nil {
		return err
	}
	if c.moved = admitted.Moved; c.moved {
		c.host.Log.LogAttrs(ctx, slog.LevelInfo, "session used from another address", slog.String("function", c.spec.Name),
			slog.Bool("ended", admitted.Login == nil), slog.String("trace", traceID(ctx)))
	}
	if admitted.Login != nil {
		c.login = *admitted.Login
		c.CustomerID, c.Duty = c.login.CustomerID, c.login.Duty
		c.Session = hex.EncodeToString(c.Channel[:]) + ":" + admitted.Login.Turn
	}
	switch {
	case c.spec.Audience == Customer && c.Duty != session.NoDuty && !c.spec.DuringDuty:
		return session.ErrDuty
	case c.spec.Audience != Customer || admitted.Login != nil:
		return nil
	case admitted.Displaced != nil:
		return session.ErrDisplaced.Because(admitted.Displaced)
	}
	return session.ErrRequired
}

// openEnvelope comes after admit, so that a frame that holds no envelope counts against
// its channel's rate.
func (c *call) openEnvelope() error {
	if c.spec.NoChannel {
		return nil
	}
	sent, err := openEnvelope(c.clear)
	if err != nil {
		return err
	}
	if !validKey(sent.Key) {
		return InvalidField("idempotency_key", "longer than 64 characters, or not printable ASCII")
	}
	c.raw, c.key = sent.Request, sent.Key
	return nil
}

func (c *call) decodeRequest(context.Context) error {
	err := c.openEnvelope()
	if err != nil {
		return err
	}
	c.admitted = true
	if c.request, err = c.bound.decode(c.raw); err != nil {
		return err
	}
	if confirmer, yes := c.request.(stepup.Confirmer); yes {
		if err := confirmer.Confirms().Check(); err != nil {
			return err
		}
	}
	if !c.spec.Idempotent {
		return nil
	}
	if c.key == "" {
		return ErrKeyMissing
	}
	caller := "device:" + c.DeviceID
	if c.spec.Audience == Customer {
		caller = "customer:" + c.CustomerID.String()
	}
	body, err := c.bound.fingerprint.of(c.raw)
	if err != nil {
		return err
	}
	c.ticket = &idem.Ticket{Caller: caller, Operation: c.spec.Name, Key: c.key, BodyHash: sm.Digest(body)}
	return nil
}

// preflight reads, in one round trip to PostgreSQL, all that the runtime must know
// before the operation. Then it decides in this order: a repeated request gets its
// first answer, the proofs must hold, risk must allow the call, and the proven factors must
// be enough for the grade now.
func (c *call) preflight(ctx context.Context) error {
	var batch pgx.Batch
	grade := risk.GradeNormal
	if c.spec.Risk != risk.None {
		customer.QueueGrade(&batch, c.CustomerID, func(found risk.Grade) { grade = found })
		c.queueEnvironment(&batch)
	}
	if c.spec.StepUp {
		c.queueVerification(&batch)
	}
	// The look-up comes last. Each statement sees the data that was committed when the
	// statement began. So a call that finds its intent used also finds the record of the
	// concurrent duplicate that used it.
	var repeated *idem.Stored
	if c.ticket != nil {
		idem.QueueLookup(&batch, *c.ticket, func(found idem.Stored) { repeated = &found })
	}
	if batch.Len() == 0 {
		return nil
	}
	for try := 1; ; try++ {
		if err := c.host.DB.QueryBatch(ctx, &batch); err != nil {
			return fmt.Errorf("preflight: %w", err)
		}
		var err error
		if repeated != nil {
			return c.answerAgain(ctx, repeated)
		}
		if c.verification == nil {
			return c.askRisk(ctx, grade)
		}
		c.verification.Grade = func(ctx context.Context) (risk.Grade, error) {
			err := c.askRisk(ctx, grade)
			return c.Risk.Grade, err
		}
		if c.verified, err = c.verification.Verify(ctx, c.host.Keys); err == nil {
			return nil
		}
		if !errors.Is(err, pg.ErrBusy) || try == waitTries {
			return c.tellsUsed(ctx, err)
		}
		if err := c.await(ctx, try); err != nil {
			return err
		}
	}
}

// A call waits for the attempts in flight of other calls, about a second in all. They are
// settled within milliseconds, unless their calls wait for a lock.
const (
	waitTries = 8
	waitStep  = 30 * time.Millisecond
)

// await gives the counts of this call back, so that no other call waits for them, and
// pauses a little longer at each try.
func (c *call) await(ctx context.Context, try int) error {
	if err := c.settle(ctx); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return pg.ErrBusy
	case <-time.After(rand.N(waitStep) + time.Duration(try)*waitStep): //nolint:gosec // jitter, not a secret
		return nil
	}
}

func (c *call) queueVerification(batch *pgx.Batch) {
	confirmer, ok := c.request.(stepup.Confirmer)
	if !ok {
		panic("fn: " + c.spec.Name + " was registered without a confirmation")
	}
	c.verification = &stepup.Verification{
		Operation: c.spec.Name, CustomerID: c.CustomerID, DeviceID: c.DeviceID, Channel: c.Channel,
		Confirmation: confirmer.Confirms(), Now: c.host.Clock.Now(),
		Passwords: password.NewStore(c.host.Keys, c.host.Hashing), Roots: c.host.Roots,
	}
	c.verification.QueueProofs(batch, c.host.Keys)
}

func (c *call) askRisk(ctx context.Context, grade risk.Grade) error {
	if c.spec.Risk == risk.None {
		return nil
	}
	who := risk.Subject{
		CustomerID: c.CustomerID, DeviceID: c.DeviceID, IP: c.IP, Moved: c.moved, Grade: grade,
		Environment: c.environment.Findings,
	}
	var err error
	if c.Risk, err = c.host.Risk.Evaluate(ctx, c.spec.Risk, who); err != nil {
		return bankerr.ErrUnavailable.Because(fmt.Errorf("risk: %w", err))
	}
	if err := c.environment.Refuses(); err != nil {
		return err
	}
	if c.environment.Risky() {
		c.Risk = c.Risk.Raised()
	}
	if c.Risk.Outcome == risk.Refuse {
		return risk.ErrRefused
	}
	return nil
}

// queueEnvironment reads what the newest report of the caller's app says, for the order that
// the call confirms, if it confirms one.
func (c *call) queueEnvironment(batch *pgx.Batch) {
	var intent *uuid.UUID
	if confirmer, yes := c.request.(stepup.Confirmer); yes {
		id := confirmer.Confirms().IntentID
		intent = &id
	}
	in := environment.Session{CustomerID: c.CustomerID, DeviceID: c.DeviceID, Channel: c.Channel, Now: c.host.Clock.Now()}
	environment.QueueStanding(batch, in, intent, func(found environment.Standing) { c.environment = found })
}

// operate runs the operation, which fills c.unit.
func (c *call) operate(ctx context.Context) error {
	if c.stored != nil {
		c.body = c.stored
		return nil
	}
	reply, err := c.bound.run(ctx, c)
	if err != nil {
		return err
	}
	if (c.starts != uuid.Nil) != (c.spec.Session == SessionStarts) || (c.ends != uuid.Nil) != (c.spec.Session == SessionEndsAll) {
		return bankerr.ErrInternal.Because(errSession)
	}
	for s := range c.unit.All() {
		if err := c.spec.allows(s); err != nil {
			return err
		}
	}
	if c.body, err = json.Marshal(reply); err != nil {
		return bankerr.ErrInternal.Because(err)
	}
	return nil
}

// guardReply checks the reply before the commit. If the reply shows a phone, card or
// identity number in clear, the runtime does not send it and commits nothing
// (MASK-004). Fields that the reply's type declares as clear may look like one.
func (c *call) guardReply(context.Context) error {
	if !mask.Leaks(c.body) {
		return nil
	}
	rest, err := c.bound.clear.without(c.body)
	if err != nil || len(c.bound.clear) == 0 || mask.Leaks(rest) {
		return bankerr.ErrInternal.Because(errors.Join(errLeaks, err))
	}
	return nil
}

// commit commits, in one transaction, the idempotency record with the reply, the
// consumption of the intent, and the operation's unit. The record comes first: a
// concurrent duplicate blocks at it, before it takes any other lock.
func (c *call) commit(ctx context.Context) error {
	if c.stored != nil {
		return nil
	}
	var unit pg.Unit
	if c.ticket != nil {
		if err := idem.Record(&unit, c.host.Keys, *c.ticket, c.body); err != nil {
			return bankerr.ErrInternal.Because(err)
		}
	}
	if c.verified != nil {
		c.verified.Consume(&unit)
	}
	unit.Append(c.unit)
	if unit.Empty() {
		return nil
	}
	err := c.host.DB.Commit(ctx, &unit)
	if errors.Is(err, idem.ErrRepeated) {
		return c.answerDuplicate(ctx)
	}
	c.consumed = err == nil && c.verified != nil
	return c.tellsUsed(ctx, err)
}

// tellsUsed waits before INTENT_USED, which names what the intent has made and so
// acknowledges it, as answerAgain does.
func (c *call) tellsUsed(ctx context.Context, err error) error {
	if errors.Is(err, stepup.ErrUsed) {
		if unsafe := c.host.DB.Settle(ctx); unsafe != nil {
			return unsafe
		}
	}
	return err
}

// answerDuplicate answers a request whose concurrent duplicate committed first. This
// request's unit was rolled back, so the runtime sends the duplicate's answer.
func (c *call) answerDuplicate(ctx context.Context) error {
	var batch pgx.Batch
	var first *idem.Stored
	idem.QueueLookup(&batch, *c.ticket, func(found idem.Stored) { first = &found })
	if err := c.host.DB.QueryBatch(ctx, &batch); err != nil {
		return fmt.Errorf("look up the concurrent duplicate: %w", err)
	}
	if first == nil {
		return pg.ErrBusy
	}
	err := c.answerAgain(ctx, first)
	c.body = c.stored
	return err
}

// answerAgain answers a request with the reply of an earlier one. The earlier request may
// have got no answer, because its commit did not reach the standby. Then nobody has
// acknowledged it yet, and this call must not do so before the standby has it.
func (c *call) answerAgain(ctx context.Context, first *idem.Stored) error {
	reply, err := first.Answer(c.host.Keys, *c.ticket)
	if err != nil {
		return err
	}
	if err := c.host.DB.Settle(ctx); err != nil {
		return err
	}
	c.stored = reply
	return nil
}
