package fn

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/google/uuid"
	handler "github.com/openfaas/templates-sdk/go-http"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/pg"
)

// bound is an operation whose request and reply types are hidden.
type bound struct {
	decode      func(raw json.RawMessage) (any, error)
	fingerprint fingerprint
	clear       clearFields // of the reply
	run         func(ctx context.Context, c *call) (any, error)
}

// httpHandler is an opened HTTP function.
type httpHandler struct {
	spec   Spec
	host   *host.Host
	bound  bound
	stages []stage // every stage; a test removes a stage to see that another test fails
}

func newHTTPHandler(spec Spec, h *host.Host, op bound) *httpHandler {
	return &httpHandler{spec: spec, host: h, bound: op, stages: stages}
}

// Handle answers one request. The error is always nil: a refusal is a reply.
func (h *httpHandler) Handle(req handler.Request) (handler.Response, error) {
	ctx := req.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, h.spec.timeout())
	defer cancel()
	ctx, span := startTrace(ctx, h.spec.Name, req.Header)
	defer span.End()
	c := &call{httpHandler: h, http: req, started: h.host.Clock.Now(), status: http.StatusOK}
	c.Call = Call{IP: clientIP(req.Header, h.host.Proxies.Trusted), of: c}

	refused := c.pass(ctx)
	refused = c.settleAttempts(ctx, refused)
	refused = c.record(ctx, refused)
	if refused != nil {
		c.refuse(ctx, refused)
	}
	h.host.Metrics.Observe(h.spec.Name, refused, h.host.Clock.Now().Sub(c.started))
	return c.seal(refused), nil
}

// pass takes the call through the stages. A panic in a stage becomes a refusal that
// reveals nothing.
func (c *call) pass(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = bankerr.ErrInternal.Because(fmt.Errorf("panic: %v\n%s", r, debug.Stack()))
		}
		err = late(ctx, err)
	}()
	lasting := ctx
	for _, s := range c.stages {
		if s.lasts && lasting == ctx {
			if ctx.Err() != nil {
				return ctx.Err() //nolint:wrapcheck // late wraps it
			}
			var cancel context.CancelFunc
			lasting, cancel = toTheEnd(ctx)
			defer cancel()
		}
		if err := s.run(c, lasting); err != nil {
			return err
		}
	}
	return nil
}

// toTheEnd returns a context with the deadline of ctx that does not end when the caller
// leaves. A commit that has begun must not be broken off: nobody would know its result.
func toTheEnd(ctx context.Context) (context.Context, context.CancelFunc) {
	if deadline, set := ctx.Deadline(); set {
		return context.WithDeadline(context.WithoutCancel(ctx), deadline)
	}
	return context.WithoutCancel(ctx), func() {}
}

// settleAttempts settles the attempts that a step-up has counted, unless the call has had
// its effect. It returns the refusal with the tries left. If it fails, the attempts stay
// in flight, and PostgreSQL later counts them as wrong.
func (c *call) settleAttempts(ctx context.Context, refused error) error {
	if c.verification == nil {
		return refused
	}
	if !c.consumed {
		if err := c.settle(ctx); err != nil {
			c.host.Log.LogAttrs(ctx, slog.LevelWarn, "attempts not settled", slog.String("function", c.spec.Name),
				slog.Any("cause", err), slog.String("trace", traceID(ctx)))
		} else {
			refused = c.verification.Explain(refused)
		}
	}
	if reason := c.verification.Reason(); reason != "" {
		c.reason = reason
	}
	return refused
}

func (c *call) settle(ctx context.Context) error {
	var unit pg.Unit
	if c.verification.Settle(&unit); unit.Empty() {
		return nil
	}
	ctx, cancel := afterwards(ctx)
	defer cancel()
	return c.host.DB.Commit(ctx, &unit)
}

// late turns a timeout into SERVICE_UNAVAILABLE, because a later try may succeed, and the
// end of a call whose caller has left into CALLER_LEFT, which is no failure of the bank. A
// refusal that was decided in time stays.
func late(ctx context.Context, err error) error {
	var decided *bankerr.Error
	known := errors.As(err, &decided)
	switch {
	case errors.Is(err, context.DeadlineExceeded) && !known:
		return bankerr.ErrUnavailable.Because(err)
	case errors.Is(err, context.Canceled) && errors.Is(ctx.Err(), context.Canceled) &&
		(!known || decided.Kind() == bankerr.Unavailable): // a store that was not asked to the end
		return bankerr.ErrLeft.Because(err)
	}
	return err
}

// afterwards returns the context of work that also a call that timed out needs. The
// client waits for it, so it has a short end of its own.
func afterwards(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), afterwardsTimeout)
}

const afterwardsTimeout = 2 * time.Second

// record writes the access record that the Spec asks for, before the runtime answers.
// If the record can't be written, the client gets no data (AUDIT-006, AUDIT-007). For a
// call that was not admitted, or refused before anything was compared, it writes nothing
// but a count (countRefused).
func (c *call) record(ctx context.Context, refused error) error {
	wanted := c.spec.Audit == AuditRead || c.spec.Audit == AuditAuth ||
		c.spec.Audit == AuditMoney && (refused != nil || c.reason != "") // the end of a lock is recorded too
	if !wanted || c.keys == nil {
		return refused
	}
	if !c.admitted || c.uncompared(refused) {
		c.countRefused(ctx, refused)
		return refused
	}
	event := events.AccessRecorded{
		Function: c.spec.Name, Outcome: outcome(refused), DeviceID: c.DeviceID, IP: c.IP,
		Trace: traceID(ctx), Category: string(c.spec.Audit), Reason: c.reason,
	}
	who := c.CustomerID
	if who == uuid.Nil {
		who = c.about
	}
	if who != uuid.Nil {
		event.CustomerID = who.String()
	}
	var unit pg.Unit
	if err := events.Emit(ctx, &unit, c.spec.Name, who, event); err != nil {
		return err
	}
	ctx, cancel := afterwards(ctx)
	defer cancel()
	if err := c.host.DB.Commit(ctx, &unit); err != nil && refused == nil {
		return err
	}
	return refused
}

// refuse turns the refusal into the call's reply and its one log line.
func (c *call) refuse(ctx context.Context, err error) {
	e := bankerr.From(err)
	c.status = e.Kind().Status()
	c.body = problemJSON(e, traceID(ctx))
	level := slog.LevelInfo
	if e.Kind() == bankerr.Internal || e.Kind() == bankerr.Unavailable {
		level = slog.LevelError
	}
	attrs := []slog.Attr{
		slog.String("function", c.spec.Name), slog.String("code", e.Code()), slog.Any("cause", e.Unwrap()),
		slog.String("trace", traceID(ctx)),
	}
	if !c.spec.NoChannel { // the frame's own channel, sequence and time
		attrs = append(attrs, slog.String("channel", hex.EncodeToString(c.header.ID[:])),
			slog.Uint64("sequence", c.header.Sequence), slog.Time("sent", c.header.Time))
	}
	c.host.Log.LogAttrs(ctx, level, "refused", attrs...)
}

// seal seals the reply, also a refusal, once the channel is known. It does not seal
// RATE_LIMITED for a replayed frame: a stranger could pass the sealed reply to the app,
// which would take it for the answer to its own call.
func (c *call) seal(refused error) handler.Response {
	header := http.Header{}
	if refused != nil {
		if wait := retryAfter(bankerr.From(refused)); wait > 0 {
			header.Set("Retry-After", strconv.Itoa(wait))
		}
		if errors.Is(refused, ErrMethod) {
			header.Set("Allow", http.MethodPost)
		}
	}
	c.spec.Deprecated.tell(header)
	header.Set("Cache-Control", "no-store") // INPUT-006
	header.Set("X-Content-Type-Options", "nosniff")
	if c.keys == nil || c.inClear {
		header.Set("Content-Type", contentType(refused))
		return handler.Response{StatusCode: c.status, Body: c.body, Header: header}
	}
	header.Set("Content-Type", channel.MediaType)
	sealed, err := channel.SealReply(*c.keys, c.header, c.host.Clock.Now(), c.spec.Name, c.status, c.body)
	if err != nil { // the crypto module has shut: nothing leaves in clear
		return handler.Response{StatusCode: http.StatusServiceUnavailable, Header: header}
	}
	return handler.Response{StatusCode: c.status, Body: sealed, Header: header}
}

func contentType(refused error) string {
	if refused != nil {
		return "application/problem+json"
	}
	return "application/json"
}

func outcome(refused error) string {
	if refused == nil {
		return host.OK
	}
	return bankerr.From(refused).Code()
}
