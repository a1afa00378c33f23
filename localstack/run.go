package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"

	"github.com/tidebank/tidebank/events/broker"
	"github.com/tidebank/tidebank/functions"
	channelopen "github.com/tidebank/tidebank/functions/channel/open"
	"github.com/tidebank/tidebank/infra/migrations"
	"github.com/tidebank/tidebank/localstack/dev"
	"github.com/tidebank/tidebank/localstack/gateway"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/redisdb"
	"github.com/tidebank/tidebank/workers"
	"github.com/tidebank/tidebank/workers/queues"
	"github.com/tidebank/tidebank/workers/relay"
	"github.com/tidebank/tidebank/workers/upkeep"
)

// run starts the bank's parts, serves until ctx ends, and stops the parts in the
// opposite order.
func run(ctx context.Context, o options) error {
	dir, err := openFolder(o.data, o.database != "")
	if err != nil {
		return err
	}
	defer dir.close()
	logFile, err := os.OpenFile(dir.file("bank.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	defer logFile.Close() // a failed close loses at most the last line
	log := host.NewLogger(logFile)
	host.RouteLibraryLogs(log)

	// Listen first, so that a port in use is reported at once.
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.listen)
	if err != nil {
		return fmt.Errorf("%w (choose another with --listen)", err)
	}
	defer listener.Close() // the server has closed it already, unless an error came first
	if o.fresh {
		if err := dir.clear(); err != nil {
			return err
		}
	}

	parts, err := openParts(ctx, dir.path, o.database)
	if err != nil {
		return err
	}
	defer parts.close()
	now, err := dev.OpenClock(clock.System{}, dir.file("clock"))
	if err != nil {
		return err
	}
	if parts.forward != nil {
		now.OnAdvance(parts.forward)
	}
	around, err := startEdge(ctx, parts, now)
	if err != nil {
		return err
	}
	defer around.stop()
	h, err := openHost(ctx, parts, now, dir.file("keys.json"), around.cert.Trust)
	if err != nil {
		return err
	}
	defer h.Close()
	h.Log = log
	if o.aws {
		if around.aws, err = startAWS(ctx, parts, around, logFile); err != nil {
			return err
		}
		defer around.aws.Stop()
	}
	return serve(ctx, listener, h, around)
}

func serve(ctx context.Context, listener net.Listener, h *host.Host, around *edge) error {
	all := functions.All()
	var opening channelopen.Config
	if err := host.Environment(&opening); err != nil { //nolint:contextcheck // a wait for a secret has its own bound
		return err
	}
	gw, err := gateway.New(ctx, all, h, host.Values(around.sms, around.cert, around.face, localPhotos, opening))
	if err != nil {
		return err
	}
	local := &broker.Broker{DB: h.DB, Log: h.Log, Subscriptions: functions.Subscriptions(), Deliver: gw.Deliver}
	seeder := seed.Seeder{DB: h.DB, Ring: h.Keys, Passwords: password.NewStore(h.Keys, h.Hashing), Clock: h.Clock}
	people, err := dev.Seed(ctx, seeder)
	if err != nil {
		return err
	}
	page := dev.Page{
		Host: h, Functions: all, Broker: local, SMS: around.texts, Face: around.faces, Seeder: seeder,
		Clock: around.clock, Elsewhere: around.aws != nil,
	}
	page.Register(gw.Mux)

	// The workers run until the last request has been answered, and a little longer.
	workersCtx, stopWorkers := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWorkers()
	working, err := startWorkers(workersCtx, h, workerConfigs(listener.Addr().String(), local, around))
	if err != nil {
		return err
	}
	if around.aws == nil {
		working = append(working, background(workersCtx, local.Run))
		local.Observe(h.Metrics.Registry) //nolint:contextcheck // a scrape has its own time-out
	}
	gw.SetReady(true)
	announce(listener.Addr().String(), around.parts, people)
	around.aws.announce()
	err = host.Run(ctx, listener, gw, host.Ending{Drain: 20 * time.Second, Leave: func() { gw.SetReady(false) }})
	fmt.Println("\n潮汐银行正在停止…")
	stopWorkers()
	for _, done := range working {
		<-done
	}
	return err
}

// workerConfigs are the configurations of the workers that run. The relay's sink is the
// local broker, or the emulator's topic.
func workerConfigs(address string, local *broker.Broker, around *edge) map[string]any {
	on := around.aws
	events := relay.Config{Sink: local, Lease: 10 * time.Second, Batch: 200}
	configs := map[string]any{upkeep.Worker.Spec.Name: upkeep.Config{
		FoldEvery: time.Second, PruneEvery: 10 * time.Minute, Authority: around.cert,
	}}
	if on != nil {
		events.Sink, events.Topic, events.AWS = nil, on.made.Topic, on.Config
		configs[queues.Worker.Spec.Name] = queues.Config{FunctionsURL: "http://" + address + "/function", AWS: on.Config}
	}
	configs[relay.Worker.Spec.Name] = events
	return configs
}

// startWorkers runs the bank's workers that have a configuration.
func startWorkers(ctx context.Context, h *host.Host, configs map[string]any) ([]<-chan struct{}, error) {
	var ended []<-chan struct{}
	for _, w := range workers.All() {
		if w.Spec.Probes { // the engineer who uses the local bank is the probe
			continue
		}
		config, ok := configs[w.Spec.Name]
		if !ok && w.Spec.Queues {
			continue
		}
		work, err := w.Start(ctx, h, host.Values(config))
		if err != nil {
			return nil, err
		}
		ended = append(ended, background(ctx, work))
	}
	return ended, nil
}

func background(ctx context.Context, work func(context.Context)) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		work(ctx)
	}()
	return done
}

// openHost opens the one host that all functions and workers share.
func openHost(ctx context.Context, p *parts, now clock.Clock, keyFile string, trust cert.Trust) (*host.Host, error) {
	if err := migrations.Up(ctx, p.databaseURL); err != nil {
		return nil, err
	}
	config := host.Config{
		DB: pg.Config{URL: p.databaseURL, MaxConns: 32}, Keys: keys.Config{File: keyFile},
		Redis: redisdb.Config{URL: p.redisURL}, Clock: now, Trust: trust,
	}
	parts := []any{&config.Session, &config.Limits, &config.Password}
	if _, set := os.LookupEnv("FN_TRUSTED_PROXIES"); set { // without it, the local bank has no proxy before it
		parts = append(parts, &config.Proxies)
	}
	for _, part := range parts {
		if err := host.Environment(part); err != nil { //nolint:contextcheck // a wait for a secret has its own bound
			return nil, err
		}
	}
	// The bank makes its own keys at the first start, and adds those that are new since then.
	err := keys.Create(keyFile)
	if errors.Is(err, fs.ErrExist) {
		_, err = keys.AddMissing(ctx, keyFile)
	}
	if err != nil {
		return nil, err
	}
	return host.Open(ctx, config, host.Needs{DB: true, Redis: true, Purposes: keys.All()})
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
