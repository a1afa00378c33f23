package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	handler "github.com/openfaas/templates-sdk/go-http"
)

// ServeConfig is the ports of a process, and its end after SIGTERM: it is unready at
// once, serves new calls for Linger, and then has Drain to finish its calls.
type ServeConfig struct {
	Port int `envconfig:"PORT" default:"8080" max:"65535"`
	// AdminPort serves metrics and the details of readiness; 0 serves them nowhere.
	AdminPort int           `envconfig:"FN_ADMIN_PORT" default:"0" min:"0" max:"65535"`
	Linger    time.Duration `envconfig:"FN_LINGER" default:"5s" min:"0s" max:"5m"`
	Drain     time.Duration `envconfig:"FN_DRAIN" default:"20s" max:"10m"`
}

// Main is the whole body of a generated main. It gives work the process's settings
// and a context that ends with SIGTERM. It exits with 1 when work fails.
func Main(name string, work func(ctx context.Context, settings Settings) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(heapGrowth)
	}
	log := NewLogger(os.Stderr)
	RouteLibraryLogs(log)
	stopTracing, err := StartTracing(ctx, name)
	if err == nil {
		err = work(ctx, EnvironmentOf(name))
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

// Ports are the open ports of a process.
type Ports struct {
	public net.Listener
	admin  net.Listener // nil: there is none
	config ServeConfig
}

// Listen opens the process's ports.
func (c ServeConfig) Listen(ctx context.Context) (*Ports, error) {
	ports := &Ports{config: c}
	var err error
	if ports.public, err = listen(ctx, c.Port); err != nil {
		return nil, fmt.Errorf("PORT: %w", err)
	}
	if c.AdminPort == 0 {
		return ports, nil
	}
	if ports.admin, err = listen(ctx, c.AdminPort); err != nil {
		_ = ports.public.Close() // the first error counts
		return nil, fmt.Errorf("FN_ADMIN_PORT: %w", err)
	}
	return ports, nil
}

func listen(ctx context.Context, port int) (net.Listener, error) {
	return new(net.ListenConfig).Listen(ctx, "tcp", ":"+strconv.Itoa(port)) //nolint:wrapcheck // Listen wraps it
}

// Serve serves a function on the ports until ctx ends, and then ends as ServeConfig
// says. entry is nil in a worker's process. It serves while the stores connect. If the
// database can never be used, Serve ends with the reason, without lingering.
func (h *Host) Serve(ctx context.Context, on *Ports, name string, entry handler.FunctionHandler) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() {
		if err := h.Refused(); err != nil {
			stop(err)
		}
	}()
	var met life
	if on.admin != nil {
		admin := newServer(h.adminMux(&met))
		defer admin.Close()      // nothing waits for its answers
		go admin.Serve(on.admin) //nolint:errcheck // Serve returns after Close
	}
	err := Run(ctx, on.public, h.mux(name, entry, &met), Ending{
		Linger: on.config.Linger, Drain: on.config.Drain, Leave: func() { met.ending.Store(true) },
	})
	if reason := unusable(ctx); reason != nil {
		return reason
	}
	return err
}

// unusable returns the reason for which Serve has ended ctx; nil if ctx has not ended, or
// for another reason.
func unusable(ctx context.Context) error {
	var reason *unusableError
	if errors.As(context.Cause(ctx), &reason) {
		return reason
	}
	return nil
}

// Ending is how a server ends.
type Ending struct {
	Linger time.Duration // how long it still takes new calls
	Drain  time.Duration // how long calls that have begun may take after that
	Leave  func()        // tells that it ends, before it lingers; may be nil
}

// The time-outs of a server. Bodies are small, and a reply comes within seconds.
const (
	readTimeout  = 30 * time.Second
	writeTimeout = time.Minute // from the end of the request's header
	idleTimeout  = 2 * time.Minute
)

func newServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: readTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout,
	}
}

// Run serves until ctx ends. Then it lingers: it takes new calls, and asks each client
// to open its next connection elsewhere. At last it takes no more calls, and lets
// calls that have begun finish.
func Run(ctx context.Context, listener net.Listener, mux http.Handler, end Ending) error {
	var leaving atomic.Bool
	server := newServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if leaving.Load() {
			w.Header().Set("Connection", "close")
		}
		mux.ServeHTTP(w, r)
	}))
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	leaving.Store(true)
	if end.Leave != nil {
		end.Leave()
	}
	if unusable(ctx) != nil {
		end.Linger = 0 // no call can succeed
	}
	select {
	case err := <-done:
		return fmt.Errorf("serve: %w", err)
	case <-time.After(end.Linger):
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), end.Drain)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// life is what a serving process has met.
type life struct {
	stores atomic.Bool // its stores have answered at least once
	ending atomic.Bool // SIGTERM
}

// Mux routes the requests to a function's public port: health, readiness, and the
// function at / and at /function/<name>. Every other path is FUNCTION_UNKNOWN.
func (h *Host) Mux(name string, entry handler.FunctionHandler) http.Handler {
	return h.mux(name, entry, &life{})
}

func (h *Host) mux(name string, entry handler.FunctionHandler, met *life) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_/health", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET /_/ready", func(w http.ResponseWriter, r *http.Request) {
		if !h.state(r.Context(), met).Ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/", Unknown)
	if entry != nil {
		function := h.Limits.AllowOrigins(Adapt(entry, h.Limits.BodyBytes))
		mux.Handle("/{$}", function)
		mux.Handle("/function/"+name, function)
	}
	return Clean(mux)
}

// adminMux routes the requests to the admin port.
func (h *Host) adminMux(met *life) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", h.Metrics.Handler())
	mux.HandleFunc("GET /_/health", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET /_/ready", func(w http.ResponseWriter, r *http.Request) {
		state := h.state(r.Context(), met)
		w.Header().Set("Content-Type", "application/json")
		if !state.Ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(state) // an error means that the client has left
	})
	return mux
}

// State is the readiness of a process, as the admin port tells it. A store that the
// process does not use is empty.
type State struct {
	// Ready: the process has once reached its stores, and has not got SIGTERM. A store that
	// fails later leaves it ready: another instance would not reach the store either, and
	// this one refuses each call at once and sealed, where a platform without any ready
	// instance lets the customer wait.
	Ready    bool   `json:"ready"`
	Ending   bool   `json:"ending"` // the process has got SIGTERM
	Database string `json:"database,omitempty"`
	Redis    string `json:"redis,omitempty"`
}

// state asks the stores that the process has opened, at the same time.
func (h *Host) state(ctx context.Context, met *life) State {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	s := State{Ending: met.ending.Load()}
	var database, cache error
	var both sync.WaitGroup
	if h.DB != nil {
		both.Go(func() { database = h.DB.Ping(ctx) })
	}
	if h.Redis != nil {
		both.Go(func() { cache = h.Redis.Ping(ctx).Err() })
	}
	both.Wait()
	word := func(used bool, err error) string {
		switch {
		case !used:
			return ""
		case err != nil:
			return "down"
		}
		return "up"
	}
	s.Database, s.Redis = word(h.DB != nil, database), word(h.Redis != nil, cache)
	err := errors.Join(database, cache)
	if err == nil {
		met.stores.Store(true)
	}
	s.Ready = met.stores.Load() && !s.Ending
	switch {
	case err != nil && s.Ready:
		h.Log.WarnContext(ctx, "a store does not answer", slog.Any("cause", err))
	case err != nil:
		h.Log.WarnContext(ctx, "not ready", slog.Any("cause", err))
	}
	return s
}
