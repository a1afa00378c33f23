// Package gateway is the local bank's HTTP entry, with OpenFaaS' routes:
//
//	POST /function/<name>         call a function
//	POST /async-function/<name>   accept now (202, X-Call-Id), call in the background
//	GET  /system/functions        list of the functions
//	GET  /_/health, /_/ready, /metrics
package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	handler "github.com/openfaas/templates-sdk/go-http"

	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/session"
)

// Gateway routes to every function of the bank.
type Gateway struct {
	Mux     *http.ServeMux
	host    *host.Host
	entries map[string]handler.FunctionHandler
	calls   map[string]*atomic.Int64
	slots   chan struct{}
	ready   atomic.Bool
}

const asyncCalls = 256 // most calls that run at once

// New opens every function on the host with its configuration.
func New(ctx context.Context, all []fn.Function, h *host.Host, settings host.Settings) (*Gateway, error) {
	g := &Gateway{
		Mux: http.NewServeMux(), host: h, entries: map[string]handler.FunctionHandler{},
		calls: map[string]*atomic.Int64{}, slots: make(chan struct{}, asyncCalls),
	}
	for _, f := range all {
		entry, err := f.Open(ctx, h, settings)
		if err != nil {
			return nil, err
		}
		g.entries[f.Spec.Name], g.calls[f.Spec.Name] = entry, &atomic.Int64{}
	}
	g.Mux.Handle("/function/{name}", h.Limits.AllowOrigins(http.HandlerFunc(g.call)))
	g.Mux.HandleFunc("/function", host.Unknown) // not a redirect
	g.Mux.HandleFunc("/function/", host.Unknown)
	g.Mux.HandleFunc("POST /async-function/{name}", g.callLater)
	g.Mux.HandleFunc("GET /system/functions", g.list)
	g.Mux.HandleFunc("GET /_/health", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	g.Mux.HandleFunc("GET /_/ready", g.isReady)
	g.Mux.Handle("GET /metrics", h.Metrics.Handler())
	return g, nil
}

// ServeHTTP routes a request. For a path that is not clean, such as a path with "..",
// it answers 404 and does not redirect (CLOUD-016).
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host.Clean(g.Mux).ServeHTTP(w, r)
}

// SetReady makes /_/ready answer that the bank is ready, or that it is not.
func (g *Gateway) SetReady(ready bool) { g.ready.Store(ready) }

func (g *Gateway) isReady(w http.ResponseWriter, _ *http.Request) {
	if !g.ready.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

func (g *Gateway) call(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	entry, ok := g.entries[name]
	if !ok {
		host.Unknown(w, r)
		return
	}
	g.calls[name].Add(1)
	host.Adapt(entry, g.host.Limits.BodyBytes).ServeHTTP(w, r)
}

func (g *Gateway) callLater(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	entry, ok := g.entries[name]
	if !ok {
		host.Unknown(w, r)
		return
	}
	req, err := host.Request(r, g.host.Limits.BodyBytes)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if int64(len(req.Body)) > g.host.Limits.BodyBytes {
		host.Refuse(w, r, fn.ErrTooLarge)
		return
	}
	select {
	case g.slots <- struct{}{}:
	default:
		w.Header().Set("Retry-After", "1")
		host.Refuse(w, r, session.ErrRateLimited)
		return
	}
	g.calls[name].Add(1)
	req.Header = req.Header.Clone() // net/http reuses its own header
	req.WithContext(context.WithoutCancel(r.Context()))
	go func() {
		defer func() { <-g.slots }()
		_, _ = entry.Handle(req) // the caller does not wait for the answer
	}()
	w.Header().Set("X-Call-Id", uuid.NewString())
	w.WriteHeader(http.StatusAccepted)
}

func (g *Gateway) list(w http.ResponseWriter, _ *http.Request) {
	type function struct {
		Name            string `json:"name"`
		Image           string `json:"image"`
		Namespace       string `json:"namespace"`
		InvocationCount int64  `json:"invocationCount"`
		Replicas        int    `json:"replicas"`
		Available       int    `json:"availableReplicas"`
	}
	list := []function{}
	for _, name := range slices.Sorted(maps.Keys(g.entries)) {
		list = append(list, function{name, "tidebank/" + name, "local", g.calls[name].Load(), 1, 1})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(list) // an error means that the client has left
}

// Deliver sends an event to a function, in structured mode as a broker does over
// HTTP.
func (g *Gateway) Deliver(ctx context.Context, consumer string, e cloudevent.Event) (int, error) {
	entry, ok := g.entries[consumer]
	if !ok {
		return http.StatusNotFound, nil
	}
	body, err := json.Marshal(e)
	if err != nil {
		return 0, fmt.Errorf("deliver: %w", err)
	}
	g.calls[consumer].Add(1)
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	header := http.Header{"Content-Type": {cloudevent.JSON}}
	req := handler.Request{Body: body, Method: http.MethodPost, Header: header}
	req.WithContext(ctx)
	resp, err := entry.Handle(req)
	return resp.StatusCode, err //nolint:wrapcheck // the function's error, which is always nil
}
