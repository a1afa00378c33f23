package gateway_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"

	"github.com/tidebank/tidebank/localstack/gateway"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

type word struct {
	Word string `json:"word"`
}

// noChannel declares a function without a channel.
func noChannel(name string, operate fn.QueryOperation[word, word]) fn.Function {
	return fn.Query(fn.Spec{
		Name: name, Summary: "x", Audience: fn.Public, NoChannel: true, Rate: fn.RateOpen, Requirements: []string{"X-001"},
	}, func(context.Context, *fn.Lent, struct{}) (fn.QueryOperation[word, word], error) { return operate, nil })
}

func echo(_ context.Context, _ *fn.Call, w word) (word, error) { return w, nil }

// newGateway is a gateway of the functions, on a bank without a database.
func newGateway(t *testing.T, all ...fn.Function) (*gateway.Gateway, *bank.Bank) {
	t.Helper()
	b := bank.On(t, pgtest.Broken(t))
	g, err := gateway.New(t.Context(), all, b.Host, host.Values())
	check.Must(t, err)
	return g, b
}

func ask(g *gateway.Gateway, method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	g, b := newGateway(t, noChannel("x-echo", echo))
	big := `{"word":"` + strings.Repeat("x", int(b.Host.Limits.BodyBytes)) + `"}`
	for _, tt := range []struct {
		method, path, body string
		status             int
		kind, holds        string
	}{
		{"POST", "/function/x-echo", `{"word":"潮"}`, 200, "application/json", `{"word":"潮"}`},
		{"POST", "/function/x-echo?a=b", `{"word":"汐"}`, 200, "application/json", `{"word":"汐"}`},
		{"GET", "/function/x-echo", "", 405, "application/problem+json", "METHOD_NOT_ALLOWED"},
		{"POST", "/function/x-echo", big, 413, "application/problem+json", "INPUT_TOO_LARGE"},
		{"POST", "/function/x-other", "{}", 404, "application/problem+json", "FUNCTION_UNKNOWN"},
		{"GET", "/function/x-other", "", 404, "application/problem+json", "FUNCTION_UNKNOWN"},
		{"POST", "/function/", "{}", 404, "application/problem+json", "FUNCTION_UNKNOWN"},
		{"POST", "/function", "{}", 404, "application/problem+json", "FUNCTION_UNKNOWN"},
		{"POST", "/function/x-echo/", "{}", 404, "application/problem+json", "FUNCTION_UNKNOWN"},
		{"POST", "/function/x-echo/deeper", "{}", 404, "application/problem+json", "FUNCTION_UNKNOWN"},
		{"POST", "/function/../function/x-echo", "{}", 404, "application/problem+json", "FUNCTION_UNKNOWN"},
		{"POST", "//function/x-echo", "{}", 404, "application/problem+json", "FUNCTION_UNKNOWN"},
		{"OPTIONS", "/function/x-echo", "", 405, "application/problem+json", "METHOD_NOT_ALLOWED"},
		{"POST", "/async-function/x-other", "{}", 404, "application/problem+json", "FUNCTION_UNKNOWN"},
		{"GET", "/async-function/x-echo", "", 405, "", ""},
		{"POST", "/async-function/x-echo", big, 413, "application/problem+json", "INPUT_TOO_LARGE"},
		{"GET", "/_/health", "", 200, "", ""},
		{"GET", "/metrics", "", 200, "text/plain", "x-echo"},
		{"POST", "/system/functions", "{}", 405, "", ""},
	} {
		w := ask(g, tt.method, tt.path, tt.body)
		if w.Code != tt.status || !strings.HasPrefix(w.Header().Get("Content-Type"), tt.kind) ||
			!strings.Contains(w.Body.String(), tt.holds) {
			t.Errorf("%s %s: %d %s %.200s; want %d %s with %q", tt.method, tt.path, w.Code, w.Header().Get("Content-Type"),
				w.Body, tt.status, tt.kind, tt.holds)
		}
	}
	var problem fn.Problem
	if err := json.Unmarshal(ask(g, "POST", "/function/x-other", "{}").Body.Bytes(), &problem); err != nil ||
		problem.Status != 404 || problem.Title == "" || len(problem.Trace) != 32 {
		t.Errorf("an unknown function: %+v, %v", problem, err)
	}
}

func TestReadyOnlyWhenTold(t *testing.T) {
	t.Parallel()
	g, _ := newGateway(t)
	if w := ask(g, "GET", "/_/ready", ""); w.Code != http.StatusServiceUnavailable {
		t.Errorf("before: %d", w.Code)
	}
	g.SetReady(true)
	if w := ask(g, "GET", "/_/ready", ""); w.Code != http.StatusOK {
		t.Errorf("after: %d", w.Code)
	}
	g.SetReady(false)
	if w := ask(g, "GET", "/_/ready", ""); w.Code != http.StatusServiceUnavailable {
		t.Errorf("at the end: %d", w.Code)
	}
}

func TestAFunctionThatDoesNotOpenStopsAll(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	broken := fn.Query(fn.Spec{
		Name: "x-broken", Summary: "x", Audience: fn.Public, Requirements: []string{"X-001"},
	}, func(context.Context, *fn.Lent, struct{}) (fn.QueryOperation[word, word], error) {
		return nil, context.Canceled
	})
	if _, err := gateway.New(t.Context(), []fn.Function{noChannel("x-echo", echo), broken}, b.Host, host.Values()); err == nil {
		t.Error("a gateway came up without one of its functions")
	}
}

func TestListCountsCalls(t *testing.T) {
	t.Parallel()
	g, _ := newGateway(t, noChannel("x-a", echo), noChannel("x-b", echo))
	for range 2 {
		ask(g, "POST", "/function/x-a", "{}")
	}
	ask(g, "POST", "/async-function/x-a", "{}")
	ask(g, "POST", "/function/x-c", "{}") // nobody's
	type function struct {
		Name              string `json:"name"`
		InvocationCount   int    `json:"invocationCount"`
		Replicas          int    `json:"replicas"`
		AvailableReplicas int    `json:"availableReplicas"`
	}
	w := ask(g, "GET", "/system/functions", "")
	var got []function
	check.Must(t, json.Unmarshal(w.Body.Bytes(), &got))
	slices.SortFunc(got, func(a, b function) int { return strings.Compare(a.Name, b.Name) })
	if diff := cmp.Diff([]function{{"x-a", 3, 1, 1}, {"x-b", 0, 1, 1}}, got); diff != "" {
		t.Errorf("functions (-want +got):\n%s", diff)
	}
	empty, _ := newGateway(t)
	if w := ask(empty, "GET", "/system/functions", ""); strings.TrimSpace(w.Body.String()) != "[]" {
		t.Errorf("no function is listed as %s, want []", w.Body)
	}
}

// The gateway runs each call that it accepted, also when the caller has gone.
func TestLaterCallsRun(t *testing.T) {
	t.Parallel()
	begun, release, ran := make(chan struct{}), make(chan struct{}), make(chan word, 1)
	g, _ := newGateway(t, noChannel("x-slow", func(ctx context.Context, _ *fn.Call, w word) (word, error) {
		close(begun)
		<-release
		if ctx.Err() == nil {
			ran <- w
		}
		return w, nil
	}))
	ctx, leave := context.WithCancel(t.Context())
	w := httptest.NewRecorder()
	g.Mux.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "POST", "/async-function/x-slow", strings.NewReader(`{"word":"later"}`)))
	if _, err := uuid.Parse(w.Header().Get("X-Call-Id")); err != nil || w.Code != http.StatusAccepted || w.Body.Len() != 0 {
		t.Errorf("accepted with %d, id %q: %v", w.Code, w.Header().Get("X-Call-Id"), err)
	}
	<-begun
	leave()
	close(release)
	select {
	case got := <-ran:
		if got.Word != "later" {
			t.Errorf("it ran with %+v", got)
		}
	case <-time.After(20 * time.Second):
		t.Error("it did not run to its end")
	}
}

// The gateway takes a bounded number of calls at once, and another when one has ended.
func TestLaterCallsAreBounded(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	g, _ := newGateway(t, noChannel("x-slow", func(_ context.Context, _ *fn.Call, w word) (word, error) {
		<-release
		return w, nil
	}))
	for n := range 256 {
		if w := ask(g, "POST", "/async-function/x-slow", `{"word":"x"}`); w.Code != http.StatusAccepted {
			t.Fatalf("call %d: %d", n+1, w.Code)
		}
	}
	w := ask(g, "POST", "/async-function/x-slow", `{"word":"x"}`)
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "1" || w.Header().Get("X-Call-Id") != "" {
		t.Errorf("one too many: %d %v", w.Code, w.Header())
	}
	close(release)
	check.Until(t, "a free place", func() bool {
		return ask(g, "POST", "/async-function/x-slow", `{"word":"x"}`).Code == http.StatusAccepted
	})
}

// Deliver is a broker's POST in structured mode: the bank's seal, the data and the
// trace arrive.
func TestDeliver(t *testing.T) {
	t.Parallel()
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	const kind = "com.tidebank.transfer.posted.v1"
	var got []fn.Delivery[word]
	var traces []string
	hears := fn.Event(fn.Spec{
		Name: "x-hears", Summary: "x", Consumes: []string{kind}, Requirements: []string{"X-001"},
	}, func(context.Context, *fn.Lent, struct{}) (fn.Reaction[word], error) {
		return func(ctx context.Context, d fn.Delivery[word]) (fn.Effect, error) {
			got, traces = append(got, d), append(traces, trace.SpanContextFromContext(ctx).TraceID().String())
			return nil, nil
		}, nil
	})
	b := bank.New(t)
	g, err := gateway.New(t.Context(), []fn.Function{hears, noChannel("x-echo", echo)}, b.Host, host.Values())
	check.Must(t, err)
	traced, other := b.Event(t, uuid.NewString(), kind, "s", word{"潮"}), b.Event(t, uuid.NewString(), kind, "s", word{"汐"})
	traced.SetExtension("traceparent", parent)
	unsealed := cloudevent.Event{}
	unsealed.ID = "x"
	unsealed.Type = kind
	unsealed.Source = "x"
	for _, tt := range []struct {
		consumer string
		event    cloudevent.Event
		want     int
	}{{"x-hears", traced, 202}, {"x-hears", other, 202}, {"x-hears", unsealed, 400}, {"x-nobody", other, 404}} {
		status, err := g.Deliver(t.Context(), tt.consumer, tt.event)
		if status != tt.want || err != nil {
			t.Errorf("%s: %d, %v; want %d", tt.consumer, status, err, tt.want)
		}
	}
	if len(got) != 2 || got[0].Data.Word != "潮" || got[1].Data.Word != "汐" {
		t.Fatalf("heard %+v", got)
	}
	if traces[0] != "0af7651916cd43dd8448eb211c80319c" || traces[1] == traces[0] {
		t.Errorf("traces %v", traces)
	}
}
