// Package host is the process in which functions and workers run: its checked
// configuration, its stores, keys, log, metrics and traces, and how it serves.
//
// Configuration is a value (Config). Environment reads the environment once; tests
// and the local bank pass values. Open opens only the stores that the process needs,
// and connects in the background. So a process starts even if a store is down, and is
// ready once its stores have answered. A database that can never be used, such as a pooler, ends the
// process as soon as the first connection shows it. A Host is safe for concurrent use.
//
// Source: CRYPTO-005 (self-test), AVAIL-012 (readiness), AUDIT-005 (logs).
package host

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/tidebank/tidebank/shared/address"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/downstream"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/redisdb"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/shared/sm"
)

// Host holds the stores, keys, log, metrics and traces of a process. The process of
// one function opens its own Host. The local bank and tests share one Host among all
// functions. Parts that the process does not need are nil.
type Host struct {
	DB       *pg.DB
	Redis    redis.UniversalClient
	Keys     *keys.Ring
	Hashing  *password.Hashing // the bound of the whole process
	Roots    sm.Roots          // that the bank trusts for certificates of customers
	Sessions *session.Store
	Risk     risk.Evaluator
	Clock    clock.Clock
	Log      *slog.Logger
	Metrics  *Metrics
	Limits   Limits
	Proxies  Proxies

	stop context.CancelFunc // ends the watch over the key file
}

// Needs lists the stores and keys that a process opens.
type Needs struct {
	DB           bool
	Redis        bool // Redis, and with it the sessions
	Clients      bool // it answers clients, whose addresses count
	Certificates bool // it checks certificates of customers
	Purposes     []keys.Purpose
}

// Limits bound the requests that a process takes.
type Limits struct {
	BodyBytes int64 `envconfig:"FN_BODY_MAX_BYTES" default:"65536" min:"1024" max:"16777216"`
	RateScale int   `envconfig:"FN_RATE_SCALE" default:"1" max:"1000000"`
	// Origins are the web origins whose pages may call the functions, with commas
	// between them.
	Origins string `envconfig:"FN_CORS_ORIGINS" form:"origins"`
}

// Proxies are the networks of the bank's proxies between a client and a process. They
// have no default: with too few, all clients behind a gateway would count as one client;
// with too many, a client in one of them could invent its address.
type Proxies struct {
	Trusted address.Networks `envconfig:"FN_TRUSTED_PROXIES" required:"true"`
}

// Config is the configuration of every process. LoadConfig does not read parts that
// the process does not need.
type Config struct {
	DB       pg.Config
	Keys     keys.Config
	Redis    redisdb.Config
	Session  session.Config
	Limits   Limits
	Proxies  Proxies
	Password password.Config
	Trust    cert.Trust

	Clock clock.Clock // the machine's if nil; no process reads it from the environment
}

// LoadConfig reads the parts of the configuration that the process needs.
func LoadConfig(settings Settings, needs Needs) (Config, error) {
	var c Config
	parts := []any{&c.Limits}
	if needs.DB {
		parts = append(parts, &c.DB)
	}
	if needs.Redis {
		parts = append(parts, &c.Redis, &c.Session)
	}
	if needs.Clients {
		parts = append(parts, &c.Proxies)
	}
	if needs.Certificates {
		parts = append(parts, &c.Trust)
	}
	if len(needs.Purposes) > 0 {
		parts = append(parts, &c.Keys)
	}
	if slices.Contains(needs.Purposes, keys.Pepper) {
		parts = append(parts, &c.Password)
	}
	for _, part := range parts {
		if err := settings(part); err != nil {
			return c, err
		}
	}
	return c, nil
}

// Open opens the stores and keys that the process needs, and waits for no store: a store
// that is down is no error for Open. A failed crypto self-test is one (CRYPTO-005).
func Open(ctx context.Context, config Config, needs Needs) (*Host, error) {
	h := &Host{
		Risk: risk.Baseline{}, Clock: config.Clock, Log: NewLogger(os.Stderr),
		Metrics: NewMetrics(prometheus.NewRegistry()), Limits: config.Limits, Proxies: config.Proxies,
		Hashing: password.NewHashing(config.Password),
	}
	if h.Clock == nil {
		h.Clock = clock.System{}
	}
	if err := h.openStores(ctx, config, needs); err != nil {
		h.Close()
		return nil, err
	}
	var err error
	if h.Roots, err = config.Trust.Parse(); err != nil {
		h.Close()
		return nil, err
	}
	if err := selfTest(h.Log); err != nil {
		h.Close()
		return nil, err
	}
	if err := h.openKeys(ctx, config, needs); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

// Refused waits for the first connection of the database and returns the reason why the
// process can never use it; nil if the database is only down. Serve calls it; a process
// that does not Serve calls it itself.
func (h *Host) Refused() error {
	if h.DB == nil {
		return nil
	}
	if err := h.DB.Refused(); err != nil {
		return &unusableError{err}
	}
	return nil
}

// unusableError is the reason why the process can't do its work, now or later.
type unusableError struct{ cause error }

func (e *unusableError) Error() string { return "database: " + e.cause.Error() }

func (e *unusableError) Unwrap() error { return e.cause }

// selfTest tests the cryptographic module and writes each test's result to the log.
func selfTest(log *slog.Logger) error {
	results, err := sm.SelfTestReport()
	for _, r := range results {
		log.Info("crypto self-test", slog.String("test", r.Name), slog.Bool("passed", r.Err == nil))
	}
	if err != nil {
		return fmt.Errorf("crypto self-test: %w", err)
	}
	return nil
}

// openStores comes first, so that the stores connect while Open does the rest.
func (h *Host) openStores(ctx context.Context, config Config, needs Needs) error {
	if needs.DB {
		var err error
		if h.DB, err = pg.Open(ctx, config.DB); err != nil {
			return fmt.Errorf("database: %w", err)
		}
		h.DB.Observe(h.Metrics.Registry)
	}
	if needs.Redis {
		var err error
		config.Redis.Timer = h.Metrics.Downstream(downstream.Redis)
		if h.Redis, err = redisdb.Open(config.Redis); err != nil {
			return fmt.Errorf("redis: %w", err)
		}
		redisdb.Observe(h.Redis, h.Metrics.Registry)
	}
	return nil
}

func (h *Host) openKeys(ctx context.Context, config Config, needs Needs) error {
	if len(needs.Purposes) == 0 {
		return nil
	}
	var err error
	config.Keys.Clock = h.Clock
	if h.Keys, err = keys.Open(ctx, config.Keys, needs.Purposes...); err != nil {
		return fmt.Errorf("KEYS_FILE: %w", err)
	}
	h.watchKeys(config.Keys) //nolint:contextcheck // it lasts until the host is closed
	if !needs.Redis {
		return nil
	}
	if h.Sessions, err = session.New(h.Redis, h.Keys, h.Clock, config.Session); err != nil {
		return fmt.Errorf("sessions: %w", err)
	}
	return nil
}

// Close closes the connections.
func (h *Host) Close() {
	if h.stop != nil {
		h.stop()
	}
	if h.DB != nil {
		h.DB.Close()
	}
	if h.Redis != nil {
		_ = h.Redis.Close() // a failed close loses no data
	}
}
