package fn

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/kelseyhightower/envconfig"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/shared/sm"
)

// Host is what a process lends its functions. A function's own process opens one
// from the environment; the local bank and tests share one among all functions.
type Host struct {
	DB       *pg.DB
	Redis    redis.UniversalClient
	Keys     *keys.Ring
	Sessions *session.Store
	Risk     risk.Evaluator
	Clock    clock.Clock
	Log      *slog.Logger
	Metrics  *Metrics
	Limits   Limits
}

// Limits bound what the runtime takes in.
type Limits struct {
	BodyBytes int64 `envconfig:"FN_BODY_MAX_BYTES" default:"65536"`
	RateScale int   `envconfig:"FN_RATE_SCALE" default:"1"`
	// TrustedProxies is how many proxies of the bank's own stand between a client
	// and this process, each of which appends whom it saw to X-Forwarded-For.
	TrustedProxies int `envconfig:"FN_TRUSTED_PROXIES" default:"0"`
}

// Config is what a function's process reads from the environment.
type Config struct {
	DB      pg.Config
	Keys    keys.Config
	Session session.Config
	Limits  Limits
	Redis   struct {
		URL string `envconfig:"REDIS_URL" required:"true"`
	}
}

// OpenHost opens a process's host from its environment. The first connections to the
// stores are opened in the background, meanwhile; it does not fail for want of them.
// It fails when the crypto self-test fails (CRYPTO-005).
func OpenHost(ctx context.Context) (*Host, error) {
	var config Config
	if err := envconfig.Process("", &config); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	db, err := pg.Open(ctx, config.DB)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	options, err := redis.ParseURL(config.Redis.URL)
	if err != nil {
		return nil, fmt.Errorf("REDIS_URL: %w", err)
	}
	options.MinIdleConns = max(1, options.MinIdleConns)
	client := redis.NewClient(options)
	if err := sm.SelfTest(); err != nil {
		return nil, fmt.Errorf("crypto self-test: %w", err)
	}
	ring, err := keys.Open(ctx, config.Keys, keys.All()...)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	host := &Host{
		DB: db, Redis: client, Keys: ring, Risk: risk.Baseline{}, Clock: clock.System{},
		Log: NewLogger(os.Stderr), Metrics: NewMetrics(prometheus.NewRegistry()), Limits: config.Limits,
	}
	db.Observe(host.Metrics.Registry)
	host.Sessions, err = session.New(host.Redis, ring, host.Clock, config.Session)
	if err != nil {
		return nil, fmt.Errorf("sessions: %w", err)
	}
	return host, nil
}

// Close gives the connections back.
func (h *Host) Close() {
	h.DB.Close()
	_ = h.Redis.Close() // nothing is lost with a connection
}
