package fn_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/test/bank"
)

// scrape returns the runtime's own series as Prometheus reads them, sorted.
func scrape(t *testing.T, b *bank.Bank, f fn.Function) []string {
	t.Helper()
	w := httptest.NewRecorder()
	b.Open(t, f)
	b.Host.Metrics.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	var series []string
	for line := range strings.Lines(w.Body.String()) {
		declared := strings.HasPrefix(line, "tidebank_calls_total") && strings.HasSuffix(line, " 0\n")
		if strings.HasPrefix(line, "tidebank_call") && !strings.Contains(line, "_bucket") && !declared {
			series = append(series, strings.TrimSpace(line))
		}
	}
	slices.Sort(series)
	return series
}

func TestCallsAreCountedByFunctionAndCode(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	f := declare("test-counted", plain, func(_ context.Context, _ given, request note) (note, error) {
		b.Clock.Advance(30 * time.Millisecond)
		switch request.Note {
		case "refuse":
			return note{}, risk.ErrRefused
		case "panic":
			panic("boom")
		}
		return request, nil
	})
	for _, body := range []string{`{"note":""}`, `{"note":"a"}`, `{"note":"refuse"}`, `{"note":"panic"}`, `[]`} {
		handle(t, b, f, body, nil)
	}
	on := consumer(counting)
	b.Deliver(t, on, b.Event(t, uuid.NewString(), typeHeard, "x", heard{}))
	b.DeliverRaw(t, on, nil, nil)
	want := []string{
		`tidebank_call_seconds_count{function="test-counted"} 5`,
		`tidebank_call_seconds_count{function="test-on-heard"} 2`,
		`tidebank_call_seconds_sum{function="test-counted"} 0.12`,
		`tidebank_call_seconds_sum{function="test-on-heard"} 0`,
		`tidebank_calls_total{class="refused",code="INPUT_INVALID",function="test-counted"} 1`,
		`tidebank_calls_total{class="refused",code="INPUT_INVALID",function="test-on-heard"} 1`,
		`tidebank_calls_total{class="failed",code="INTERNAL_ERROR",function="test-counted"} 1`,
		`tidebank_calls_total{class="ok",code="OK",function="test-counted"} 2`,
		`tidebank_calls_total{class="ok",code="OK",function="test-on-heard"} 1`,
		`tidebank_calls_total{class="refused",code="RISK_REFUSED",function="test-counted"} 1`,
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, scrape(t, b, f)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The series of the failures exist before the first call, so that Prometheus sees the
// first failure as an increase.
func TestFailuresAreCountedFromZero(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	f := declare("test-declared", plain, func(context.Context, given, struct{}) (struct{}, error) { return struct{}{}, nil })
	b.Open(t, f)
	w := httptest.NewRecorder()
	b.Host.Metrics.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	for _, code := range []string{"INTERNAL_ERROR", "SERVICE_UNAVAILABLE"} {
		series := `tidebank_calls_total{class="failed",code="` + code + `",function="test-declared"} 0`
		if !strings.Contains(w.Body.String(), series) {
			t.Errorf("there is no %s", series)
		}
	}
}

// No caller chooses a label. A stranger could otherwise fill the memory.
func TestStrangersMakeNoSeries(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	for _, name := range []string{"a", "b", "c"} {
		handle(t, b, address, `{"`+name+`":1}`, http.Header{"X-Forwarded-For": {name}, "Traceparent": {name}})
	}
	want := []string{
		`tidebank_call_seconds_count{function="test-address"} 3`, `tidebank_call_seconds_sum{function="test-address"} 0`,
		`tidebank_calls_total{class="refused",code="INPUT_INVALID",function="test-address"} 3`,
	}
	if diff := cmp.Diff(want, scrape(t, b, address)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
