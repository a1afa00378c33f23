package functions_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/test/functest"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/localstack/gateway"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/shared/sms"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// line is a line of the log.
type line struct {
	Time     string `json:"time"`
	Level    string `json:"level"`
	Function string `json:"function"`
	Code     string `json:"code"`
	Cause    string `json:"cause"`
	Trace    string `json:"trace"`
}

// lines are those of a trace.
func lines(t *testing.T, log, trace string) []line {
	t.Helper()
	var found []line
	for text := range strings.Lines(log) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if l.Trace == trace {
			found = append(found, l)
		}
	}
	return found
}

// A call is refused, and the function that is to record it fails too. Both lines of
// the log bear the trace of the call, and their times put them in order.
func TestOneRequestsLinesShareATrace(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUDIT-002.2")
	p := newFixture(t)
	id := uuid.New()
	trace := strings.ReplaceAll(id.String(), "-", "")
	detail := functest.Named(t, "account-detail")
	frame := p.Phone.Frame(t, detail, "", map[string]any{"account_id": p.Payee.AccountIDs[0]})
	header := http.Header{"Traceparent": {"00-" + trace + "-00f067aa0ba902b7-01"}}
	if reply := bank.Handle(t, p.Open(t, detail), frame, header); reply.StatusCode != http.StatusNotFound {
		t.Fatalf("the call got %d", reply.StatusCode)
	}
	records := p.Outbox(t, events.TypeAccessRecorded)
	if len(records) != 1 {
		t.Fatalf("%d access records", len(records))
	}
	event, err := records[0].CloudEvent(p.Host.Keys)
	check.Must(t, err)
	broken := bank.On(t, pgtest.Broken(t))
	broken.Host.Keys, broken.Host.Log = p.Host.Keys, p.Host.Log
	nowhere := host.Values(append(bank.Nowhere(), sms.Config{URL: "http://127.0.0.1:1", Secret: "x"})...)
	publisher, err := gateway.New(t.Context(), functions.All(), broken.Host, nowhere)
	check.Must(t, err)
	if status, err := publisher.Deliver(t.Context(), "audit-on-event", event); err != nil || status != http.StatusServiceUnavailable {
		t.Fatalf("the record's delivery got %d, %v", status, err)
	}
	found := lines(t, p.Log.String(), trace)
	slices.SortStableFunc(found, func(a, b line) int { return instant(t, a).Compare(instant(t, b)) })
	if len(found) != 2 || found[0].Function != "account-detail" || found[1].Function != "audit-on-event" ||
		!instant(t, found[0]).Before(instant(t, found[1])) {
		t.Errorf("lines of the trace: %+v", found)
	}
}

// instant is a line's time, which must name its zone.
func instant(t *testing.T, l line) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, l.Time)
	if err != nil {
		t.Errorf("time %q: %v", l.Time, err)
	}
	return at
}

// stumble is a risk evaluator with a fault in it.
type stumble struct{}

func (stumble) Evaluate(context.Context, risk.Scene, risk.Subject) (risk.Decision, error) {
	panic("a fault in the bank's code")
}

// Only the log contains an internal error, under the trace id that the customer can
// name.
func TestAnInternalErrorIsLoggedUnderItsTrace(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUDIT-003.3")
	p := newFixture(t)
	p.Host.Risk = stumble{}
	reply := p.Phone.Call(t, functest.Named(t, "transfer-prepare"), "", p.ToPayee(1_00))
	if reply.Want(t, "INTERNAL_ERROR"); strings.Contains(string(reply.Body), "fault") {
		t.Errorf("the customer is told: %s", reply.Body)
	}
	found := lines(t, p.Log.String(), reply.Problem.Trace)
	if len(found) != 1 || found[0].Level != "ERROR" || found[0].Function != "transfer-prepare" ||
		!strings.Contains(found[0].Cause, "a fault in the bank's code") {
		t.Errorf("lines of trace %s: %+v", reply.Problem.Trace, found)
	}
}
