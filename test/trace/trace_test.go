package trace

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/tidebank/tidebank/events/broker"
	"github.com/tidebank/tidebank/events/relay"
	"github.com/tidebank/tidebank/functions"
	transferconfirm "github.com/tidebank/tidebank/functions/transfer/confirm"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/functest"
	"github.com/tidebank/tidebank/test/smstest"
	"github.com/tidebank/tidebank/test/spans"
)

// spansOf are the spans of a trace, by name.
func spansOf(trace string) map[string][]tracetest.SpanStub {
	found := map[string][]tracetest.SpanStub{}
	for _, s := range spans.Of(trace) {
		found[s.Name] = append(found[s.Name], s)
	}
	return found
}

// child reports whether a span's parent is one of the others.
func child(spans, parents []tracetest.SpanStub) bool {
	return slices.ContainsFunc(spans, func(s tracetest.SpanStub) bool {
		return slices.ContainsFunc(parents, func(p tracetest.SpanStub) bool { return s.Parent.SpanID() == p.SpanContext.SpanID() })
	})
}

// deliver runs the relay and a broker until every event is delivered. As some brokers do,
// this one gives the consumers no header of the trace: only the event carries it.
func deliver(t *testing.T, b *bank.Bank) {
	t.Helper()
	local := &broker.Broker{
		DB: b.Host.DB, Log: b.Host.Log, Subscriptions: functions.Subscriptions(),
		Deliver: func(_ context.Context, consumer string, e cloudevent.Event) (int, error) {
			return b.Deliver(t, functest.Named(t, consumer), e), nil
		},
	}
	publisher := &relay.Relay{DB: b.Host.DB, Ring: b.Host.Keys, Sink: local, Log: b.Host.Log}
	stopBroker, stopRelay := bank.Background(t, local.Run), bank.Background(t, publisher.Run)
	check.UntilCount(t, 0, b.Host.DB.Pool(), `
SELECT (SELECT count(*) FROM outbox WHERE published_at IS NULL) + (SELECT count(*) FROM delivery WHERE state <> 'done')`)
	stopRelay()
	stopBroker()
}

// A transfer and its notification have one trace: from the app's request over the
// statements, the outbox, the relay and the broker to the consumers and the text message.
// No span shows the customers' data.
func TestOneTraceFromTheTransferToItsNotification(t *testing.T) {
	t.Parallel()
	spans.Recorder()
	p := bank.NewPair(t, 1_000_000_00)
	smstest.Start(t, p.Bank, functest.Notifiers(t)...)
	proved := p.Proved(t, p.Prepare(t, p.ToPayee(1234_56)))
	id := uuid.New()
	trace := fmt.Sprintf("%x", id[:])
	frame := p.Phone.Frame(t, transferconfirm.Function, uuid.NewString(), proved)
	header := http.Header{"Traceparent": {"00-" + trace + "-00f067aa0ba902b7-01"}}
	if reply := bank.Handle(t, p.Open(t, transferconfirm.Function), frame, header); reply.StatusCode != http.StatusOK {
		t.Fatalf("the transfer got %d", reply.StatusCode)
	}
	deliver(t, p.Bank)

	spans := spansOf(trace)
	calls := spans["transfer-confirm"]
	if len(calls) != 1 || calls[0].Parent.SpanID().String() != "00f067aa0ba902b7" {
		t.Fatalf("the call's spans: %+v", calls)
	}
	for _, consumer := range []string{"notify-on-transfer", "audit-on-event", "fraud-on-transfer"} {
		if !child(spans[consumer], calls) {
			t.Errorf("%s has no span below the call's", consumer)
		}
	}
	if !child(spans["sms send"], spans["notify-on-transfer"]) {
		t.Error("the text message has no span below that of notify-on-transfer")
	}
	var parts []string
	for _, s := range slices.Concat(slices.Collect(maps.Values(spans))...) {
		for _, a := range s.Attributes {
			if a.Key == "parts" {
				parts = append(parts, a.Value.AsStringSlice()...)
			}
		}
		shown := fmt.Sprintf("%s %v %v %v", s.Name, s.Attributes, s.Events, s.Status)
		for _, secret := range []string{p.Payer.Phone, p.Payee.Phone, p.Payee.Name, p.Payee.Accounts[0].No, "123456", "1234.56"} {
			if strings.Contains(shown, secret) {
				t.Errorf("a span shows %q: %s", secret, shown)
			}
		}
	}
	for _, statement := range []string{"ledger_post", "outbox.insert", "transfer.insert"} {
		if !slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(p, statement) }) {
			t.Errorf("no span names the statement %s; they name %q", statement, parts)
		}
	}
}
