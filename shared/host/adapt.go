package host

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	handler "github.com/openfaas/templates-sdk/go-http"

	"github.com/tidebank/tidebank/shared/bankerr"
)

// ErrUnknown is the answer to a path that no function has.
var ErrUnknown = bankerr.New(bankerr.NotFound, "FUNCTION_UNKNOWN")

// Unknown answers that there is no such function.
func Unknown(w http.ResponseWriter, r *http.Request) { Refuse(w, r, ErrUnknown) }

// Refuse answers with the problem of a refusal that comes before any function runs.
func Refuse(w http.ResponseWriter, r *http.Request, e *bankerr.Error) {
	text, _ := bankerr.Lookup(e.Code())
	problem := struct { // fn.Problem describes the fields
		Type   string `json:"type"`
		Status int    `json:"status"`
		Code   string `json:"code"`
		Title  string `json:"title"`
		Detail string `json:"detail"`
		Trace  string `json:"trace"`
	}{"about:blank", e.Kind().Status(), e.Code(), text.Title, text.Advice, traceOf(r)}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store") // INPUT-006
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(problem.Status)
	_ = json.NewEncoder(w).Encode(problem) // an error means that the client has left
}

// traceOf is the trace id that the caller sent, or a new one. The service desk then finds
// the request in the records of a proxy or of the app.
func traceOf(r *http.Request) string {
	ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	of := trace.SpanContextFromContext(ctx).TraceID()
	if !of.IsValid() {
		_, _ = rand.Read(of[:]) // never fails (crypto/rand)
	}
	return of.String()
}

// Clean answers FUNCTION_UNKNOWN for a path that is not clean, such as a path with
// "..", and does not redirect (CLOUD-016).
func Clean(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path.Clean(r.URL.Path) != r.URL.Path {
			Unknown(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// AllowOrigins lets the pages of the configured origins call the functions (CORS). A
// page gets no cookies and no credentials: its channel proves who it is. Without
// configured origins, no page of another origin can read an answer.
func (l Limits) AllowOrigins(next http.Handler) http.Handler {
	if l.Origins == "" {
		return next
	}
	allowed := splitOrigins(l.Origins)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Origin")
		origin := r.Header.Get("Origin")
		if !slices.Contains(allowed, origin) {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Access-Control-Expose-Headers", "Retry-After, Deprecation, Sunset, Link")
		if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Access-Control-Allow-Methods", http.MethodPost)
		w.Header().Set("Access-Control-Allow-Headers", "Content-Type, Traceparent")
		w.Header().Set("Access-Control-Max-Age", "600")
		w.WriteHeader(http.StatusNoContent)
	})
}

func splitOrigins(list string) []string {
	origins := strings.Split(list, ",")
	for i := range origins {
		origins[i] = strings.TrimSpace(origins[i])
	}
	return origins
}

// areOrigins reports whether the text is a list of web origins: scheme, host and maybe
// a port, as browsers send them.
func areOrigins(list string) bool {
	for _, origin := range splitOrigins(list) {
		u, err := url.Parse(origin)
		if err != nil || !isHTTP(origin) || origin != u.Scheme+"://"+strings.ToLower(u.Host) {
			return false
		}
	}
	return true
}

// Adapt makes a net/http handler of a function's entry.
func Adapt(entry handler.FunctionHandler, bodyBytes int64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req, err := Request(r, bodyBytes)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		resp, err := entry.Handle(req)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		for name, values := range resp.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(resp.StatusCode)
		_, _ = w.Write(resp.Body) // an error means that the client has left
	})
}

// Request turns an HTTP request into a function's request. Of a body that is too
// large, it reads one byte more than the limit. It adds the peer to X-Forwarded-For
// as the last hop.
func Request(r *http.Request, bodyBytes int64) (handler.Request, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, bodyBytes+1))
	if err != nil {
		return handler.Request{}, fmt.Errorf("read request: %w", err)
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		r.Header.Add("X-Forwarded-For", host)
	}
	req := handler.Request{Body: body, Header: r.Header, QueryString: r.URL.RawQuery, Method: r.Method, Host: r.Host}
	req.WithContext(r.Context())
	return req, nil
}
