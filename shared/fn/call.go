package fn

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	handler "github.com/openfaas/templates-sdk/go-http"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/idem"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Caller is who a request came from, as the runtime established it.
type Caller struct {
	CustomerID uuid.UUID // zero unless logged in
	DeviceID   string
	Channel    channel.ID
	IP         string
}

// call is one request on its way through the stages.
type call struct {
	*httpHandler

	http     handler.Request
	header   channel.Header
	keys     *channel.Keys // nil until the channel is known: then replies are sealed
	caller   Caller
	raw      json.RawMessage
	request  any
	key      string
	ticket   *idem.Ticket
	stored   []byte // the first answer to a repeated request
	risk     risk.Decision
	check    *stepup.Verification
	proof    *stepup.Verified
	recorded bool      // the operation took its reply into its transaction
	reason   string    // for the access record alone
	about    uuid.UUID // whom a call is about that nobody has logged in for
	started  time.Time
	status   int
	body     []byte
}

type contextKey struct{}

func fromContext(ctx context.Context) *call {
	c, ok := ctx.Value(contextKey{}).(*call)
	if !ok {
		panic("fn: not called by the runtime")
	}
	return c
}

// CallerFrom tells an operation who called it.
func CallerFrom(ctx context.Context) Caller { return fromContext(ctx).caller }

// EvidenceFrom returns the intent whose proofs the runtime verified.
func EvidenceFrom(ctx context.Context) *stepup.Verified { return fromContext(ctx).proof }

// RiskFrom returns what risk decided about this call.
func RiskFrom(ctx context.Context) risk.Decision { return fromContext(ctx).risk }

// AuditReason tells the access record, and nothing and nobody else, why the call is
// refused and about which customer it was, if known (AUDIT-006). Reasons are few
// fixed words, never data.
func AuditReason(ctx context.Context, reason string, about uuid.UUID) {
	c := fromContext(ctx)
	c.reason, c.about = reason, about
}

// RecordReply adds the idempotency record with its reply to the operation's unit
// of work: an idempotent operation must commit both together.
func RecordReply(ctx context.Context, unit *pg.Unit, reply any) error {
	c := fromContext(ctx)
	body, err := json.Marshal(reply)
	if err != nil {
		return bankerr.ErrInternal.Because(err)
	}
	idem.Record(unit, *c.ticket, body)
	c.recorded = true
	return nil
}

// startTrace continues the caller's trace or starts one, so that every call has
// a trace id to give to a client.
func startTrace(ctx context.Context, name string, header http.Header) (context.Context, trace.Span) {
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(header))
	ctx, span := otel.Tracer("github.com/tidebank/tidebank/shared/fn").Start(ctx, name)
	if !span.SpanContext().IsValid() { // nobody collects spans
		var of trace.TraceID
		var id trace.SpanID
		_, _ = rand.Read(of[:]) // never fails (crypto/rand)
		_, _ = rand.Read(id[:])
		ctx = trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{TraceID: of, SpanID: id}))
	}
	return ctx, span
}

func traceID(ctx context.Context) string { return trace.SpanContextFromContext(ctx).TraceID().String() }

// clientIP is the address that the outermost of our own proxies saw. The list's
// end is the peer of this process (Adapt); what stands further ahead than our
// proxies reach, a client may have made up.
func clientIP(header http.Header, proxies int) string {
	seen := strings.Split(strings.Join(header.Values("X-Forwarded-For"), ","), ",")
	return strings.TrimSpace(seen[max(0, len(seen)-1-proxies)])
}
