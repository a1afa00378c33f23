package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	handler "github.com/openfaas/templates-sdk/go-http"
)

// ServeConfig is the port of a process, and the time it has to finish its work after
// SIGTERM.
type ServeConfig struct {
	Port  int           `envconfig:"PORT" default:"8080" max:"65535"`
	Drain time.Duration `envconfig:"FN_DRAIN" default:"20s" max:"10m"`
}

// Main is the whole body of a generated main. It gives work the process's settings
// and a context that ends with SIGTERM. It exits with 1 when work fails.
func Main(name string, work func(ctx context.Context, settings Settings) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(heapGrowth)
	}
	log := NewLogger(os.Stderr)
	RouteLibraryLogs(log)
	stopTracing, err := StartTracing(ctx, name)
	if err == nil {
		err = work(ctx, Environment)
		stopTracing()
	}
	if err != nil {
		log.Error("stopped", slog.String("function", name), slog.Any("cause", err))
		os.Exit(1)
	}
}

// heapGrowth makes the garbage collector run less often: a function's process holds
// little memory. GOGC overrides it.
const heapGrowth = 400

// Listen opens the process's port.
func (c ServeConfig) Listen(ctx context.Context) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", ":"+strconv.Itoa(c.Port))
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return listener, nil
}

// Run serves until ctx ends. Then calls that have begun may finish, within drain.
func Run(ctx context.Context, listener net.Listener, mux http.Handler, drain time.Duration) error {
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: time.Minute, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// Mux routes the requests to a process: health, readiness, metrics, and every other
// path to the function. entry is nil in a worker's process.
func (h *Host) Mux(entry handler.FunctionHandler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_/health", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET /_/ready", h.ready)
	mux.Handle("GET /metrics", h.Metrics.Handler())
	if entry != nil {
		mux.Handle("/", Adapt(entry, h.Limits.BodyBytes))
	}
	return mux
}

func (h *Host) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), time.Second)
	defer cancel()
	if err := h.ping(ctx); err != nil {
		h.Log.WarnContext(ctx, "not ready", slog.Any("cause", err))
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// ping asks the stores that the process has opened.
func (h *Host) ping(ctx context.Context) error {
	var database, cache error
	if h.DB != nil {
		database = h.DB.Pool().Ping(ctx)
	}
	if h.Redis != nil {
		cache = h.Redis.Ping(ctx).Err()
	}
	return errors.Join(database, cache)
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
