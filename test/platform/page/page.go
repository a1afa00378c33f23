// Package page opens the developer page beside a bank that runs on a platform: the demo
// gets customers by it, and reads texts and deliveries. It is no part of a deployed bank.
package page

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/tidebank/tidebank/events/broker"
	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/localstack/dev"
	"github.com/tidebank/tidebank/localstack/facesim"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/localstack/smssim"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/redisdb"
	"github.com/tidebank/tidebank/shared/session"
)

// Config names the bank's stores.
type Config struct {
	Database string // its URL, as the owner of the tables
	Redis    string // its URL
	KeyFile  string
	Clock    string // a file that the page makes
	Texts    *smssim.Gateway
	Log      *slog.Logger // nil logs nothing
	// Elsewhere says that the events' deliveries are not in the database (dev.Page).
	Elsewhere bool
}

// Page is the page, and the host of its stores. Close the host at the end.
type Page struct {
	http.Handler
	Host *host.Host
}

// Open makes the demo's customers, and opens the page. The tables must be there.
func Open(ctx context.Context, config Config) (*Page, error) {
	now, err := dev.OpenClock(clock.System{}, config.Clock)
	if err != nil {
		return nil, err
	}
	h, err := host.Open(ctx, host.Config{
		DB: pg.Config{URL: config.Database, MaxConns: 4}, Keys: keys.Config{File: config.KeyFile}, Redis: redisdb.Config{URL: config.Redis},
		Session: session.Config{ChannelLife: time.Hour, Unproved: time.Minute, Anonymous: time.Hour, Hellos: 1, Idle: time.Minute},
		Clock:   now,
	}, host.Needs{DB: true, Redis: true, Purposes: keys.All()})
	if err != nil {
		return nil, err
	}
	if h.Log = config.Log; h.Log == nil {
		h.Log = slog.New(slog.DiscardHandler)
	}
	seeder := seed.Seeder{DB: h.DB, Ring: h.Keys, Passwords: password.NewStore(h.Keys, h.Hashing), Clock: h.Clock}
	if _, err := dev.Seed(ctx, seeder); err != nil {
		h.Close()
		return nil, err
	}
	router := http.NewServeMux()
	dev.Page{
		Host: h, Functions: functions.All(), Face: &facesim.Engine{}, SMS: config.Texts, Seeder: seeder, Clock: now,
		Elsewhere: config.Elsewhere,
		Broker:    &broker.Broker{DB: h.DB, Log: h.Log, Subscriptions: functions.Subscriptions()},
	}.Register(router)
	return &Page{Handler: router, Host: h}, nil
}
