package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/kelseyhightower/envconfig"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/events/broker"
	"github.com/tidebank/tidebank/events/relay"
	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/infra/migrations"
	"github.com/tidebank/tidebank/localstack/dev"
	"github.com/tidebank/tidebank/localstack/gateway"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/localstack/smssim"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/ledger"
)

// run brings the bank up, serves until ctx ends, and takes it down in the
// opposite order.
func run(ctx context.Context, o options) error {
	dir, err := o.folder()
	if err != nil {
		return err
	}
	logFile, err := os.OpenFile(filepath.Join(dir, "bank.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	defer logFile.Close() // nothing is lost with the log's last flush
	log := fn.NewLogger(logFile)

	// Listen first: a port that is taken should be the first thing to be told.
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.listen)
	if err != nil {
		return fmt.Errorf("%w (choose another with --listen)", err)
	}
	defer listener.Close() // closed by the server when all goes well

	parts, err := openParts(ctx, dir)
	if err != nil {
		return err
	}
	defer parts.close()
	texts, stopTexts, err := startSMS(ctx)
	if err != nil {
		return err
	}
	defer stopTexts()
	host, err := openHost(ctx, parts, log, filepath.Join(dir, "keys.json"))
	if err != nil {
		return err
	}
	defer host.Close()
	return serve(ctx, listener, host, texts, parts)
}

func serve(ctx context.Context, listener net.Listener, host *fn.Host, texts *smssim.Gateway, p *parts) error {
	all := functions.All()
	front, err := gateway.New(ctx, all, host)
	if err != nil {
		return err
	}
	subscriptions, err := events.LoadSubscriptions()
	if err != nil {
		return err
	}
	local := &broker.Broker{DB: host.DB, Log: host.Log, Subscriptions: subscriptions, Deliver: front.Deliver}
	seeder := seed.Seeder{DB: host.DB, Ring: host.Keys, Clock: host.Clock}
	people, err := dev.Seed(ctx, seeder)
	if err != nil {
		return err
	}
	page := dev.Page{Host: host, Functions: all, Broker: local, SMS: texts, Seeder: seeder}
	page.Register(front.Mux)

	// Events flow until the last request has been answered, and a little longer.
	flow, stopFlow := context.WithCancel(context.WithoutCancel(ctx))
	defer stopFlow()
	carrier := &relay.Relay{DB: host.DB, Ring: host.Keys, Sink: local, Log: host.Log}
	relayed, delivered := background(flow, carrier.Run), background(flow, local.Run)
	folded := background(flow, func(ctx context.Context) { ledger.FoldEvery(ctx, host.DB, host.Log) })
	carrier.Observe(host.Metrics.Registry) //nolint:contextcheck // whoever scrapes has a time-out of their own
	local.Observe(host.Metrics.Registry)   //nolint:contextcheck // as above
	front.SetReady()
	announce(listener.Addr().String(), p, people)
	err = fn.Run(ctx, listener, front, 20*time.Second)
	fmt.Println("\n潮汐银行正在停止…")
	stopFlow()
	<-relayed
	<-delivered
	<-folded
	return err
}

func background(ctx context.Context, work func(context.Context)) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		work(ctx)
	}()
	return done
}

const smsSecret = "local-sms-secret" // of the simulator, which guards nothing

// startSMS runs the SMS gateway's simulator and points the functions at it.
func startSMS(ctx context.Context) (*smssim.Gateway, func(), error) {
	g := &smssim.Gateway{Secret: smsSecret, Now: time.Now}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, fmt.Errorf("sms simulator: %w", err)
	}
	server := &http.Server{Handler: g, ReadHeaderTimeout: time.Minute}
	go server.Serve(listener) //nolint:errcheck // ends with Close
	err = errors.Join(os.Setenv("SMS_URL", "http://"+listener.Addr().String()), os.Setenv("SMS_SECRET", smsSecret))
	return g, func() { _ = server.Close() }, err
}

func openHost(ctx context.Context, p *parts, log *slog.Logger, keyFile string) (*fn.Host, error) {
	if err := migrations.Up(ctx, p.databaseURL); err != nil {
		return nil, err
	}
	for name, value := range map[string]string{
		"DATABASE_URL": p.databaseURL, "REDIS_URL": p.redisURL, "KEYS_FILE": keyFile, "DATABASE_MAX_CONNS": "32",
	} {
		if os.Getenv(name) == "" {
			if err := os.Setenv(name, value); err != nil {
				return nil, fmt.Errorf("environment: %w", err)
			}
		}
	}
	host, err := fn.OpenHost(ctx)
	if err != nil {
		return nil, err
	}
	if err := envconfig.Process("", &host.Limits); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	host.Log = log
	return host, nil
}

func announce(address string, p *parts, people []seed.Customer) {
	base := "http://" + address
	fmt.Printf(`
潮汐银行 Tidebank 已启动

  gateway     %s/function/<name>
  developer   %s/dev          (SMS inbox, events, dead letters, functions, API)
  PostgreSQL  %s
  Redis       %s
  customers   %s、%s、%s (not signed up yet; passwords at /dev)

Try it, in another terminal:  make demo      Stop it: Ctrl-C

`, base, base, p.databaseIs, p.redisIs, people[0].Name, people[1].Name, people[2].Name)
}
