package fn

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	handler "github.com/openfaas/templates-sdk/go-http"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/tidebank/tidebank/shared/address"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/environment"
	"github.com/tidebank/tidebank/shared/idem"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Call is one request as its operation sees it: the caller and the risk decision. Its
// methods tell the runtime the few things that a reply can't.
type Call struct {
	CustomerID uuid.UUID // zero unless logged in
	DeviceID   string
	Channel    channel.ID
	Session    string // names the login; "" unless logged in
	IP         string
	Duty       session.Duty
	Risk       risk.Decision // zero unless the Spec names a scene

	of *call
}

// AuditReason adds a reason and a customer to the access record (AUDIT-006): why the
// call is refused, or another fact for audit. The nil id means that the customer is
// unknown. The client does not see the reason. Reasons are a few fixed words, never
// data.
func (c *Call) AuditReason(reason string, about uuid.UUID) { c.of.reason, c.of.about = reason, about }

// StartSession asks for a session of the customer on the caller's channel. The
// runtime starts it after it has committed the operation's unit. The Spec must
// declare SessionStarts. The device whose session ends is told the place (shared/place). In a
// session with a duty, only functions whose Spec has DuringDuty are open.
func (c *Call) StartSession(customer uuid.UUID, place string, duty session.Duty) {
	c.of.starts, c.of.place, c.of.duty = customer, place, duty
}

// EndSessions asks for the end of all sessions of the customer, on every device. The
// runtime ends them before it commits the operation's unit, and again after the commit:
// a login may have begun between. The Spec must declare SessionEndsAll.
func (c *Call) EndSessions(customer uuid.UUID) { c.of.ends = customer }

// CountAttempts commits, in one round trip, statements that count attempts at a
// secret and read the stored secret. The operation compares the guess afterwards. The
// counts stay when the call is refused. The Spec must declare CountsAttempts.
func (c *Call) CountAttempts(ctx context.Context, batch *pgx.Batch) error {
	if !c.of.spec.CountsAttempts {
		return bankerr.ErrInternal.Because(errAttempts)
	}
	return c.of.host.DB.QueryBatch(ctx, batch)
}

// copied is the Call that an operation gets. The runtime keeps its own: whatever the
// operation writes into its copy, the access record and the session are the caller's.
func (c *call) copied() *Call {
	own := c.Call
	return &own
}

// call is one request on its way through the stages.
type call struct {
	*httpHandler
	Call

	http         handler.Request
	header       channel.Header
	keys         *channel.Keys // nil until the channel is known; then replies are sealed
	inClear      bool          // the reply is for a stranger who replays frames: it is not sealed
	clear        []byte        // the opened frame
	moved        bool          // the call comes from another address than the customer's login
	admitted     bool          // the call has passed the stages before its request is read
	raw          json.RawMessage
	request      any
	key          string
	ticket       *idem.Ticket
	stored       []byte // the first answer to a repeated request
	verification *stepup.Verification
	verified     *stepup.Verified
	environment  environment.Standing // of the session; only with a risk scene
	consumed     bool                 // the intent and its proofs are used up by this call
	unit         pg.Unit              // the operation's statements
	starts       uuid.UUID            // the customer whose session starts after the commit
	place        string               // from where that session comes
	duty         session.Duty         // in that session
	login        session.Login        // the caller's; zero unless logged in
	number       int64                // of this session
	ends         uuid.UUID            // the customer whose sessions end before the commit, and again after it
	reason       string               // for the access record only
	about        uuid.UUID            // the customer whom a call before login is about
	started      time.Time
	status       int
	body         []byte
}

// startTrace continues the caller's trace or starts one, so that every call has
// a trace id to give to a client.
func startTrace(ctx context.Context, name string, header http.Header) (context.Context, trace.Span) {
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(header))
	ctx, span := otel.Tracer("github.com/tidebank/tidebank/shared/fn").Start(ctx, name)
	if !span.SpanContext().IsValid() { // no collector is configured
		var of trace.TraceID
		var id trace.SpanID
		_, _ = rand.Read(of[:]) // never fails (crypto/rand)
		_, _ = rand.Read(id[:])
		ctx = trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{TraceID: of, SpanID: id}))
	}
	return ctx, span
}

func traceID(ctx context.Context) string { return trace.SpanContextFromContext(ctx).TraceID().String() }

// clientIP returns the address that the outermost proxy of the bank saw, in its
// canonical form. The last entry of the list is the peer of this process (host.Adapt).
func clientIP(header http.Header, proxies address.Networks) string {
	return proxies.Client(strings.Join(header.Values("X-Forwarded-For"), ","))
}
