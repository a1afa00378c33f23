package main

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/localstack/gateway"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/workers/relay"
	"github.com/tidebank/tidebank/workers/upkeep"
)

const (
	beFunctions = "be-functions" // this program as an instance of the functions
	beMessaging = "be-messaging" // this program as a node of the messaging
)

// serveFunctions is an instance of every function, with the configuration of production.
func serveFunctions(ctx context.Context, address string) error {
	h, err := open(ctx, host.Needs{DB: true, Redis: true, Clients: true, Purposes: keys.All()})
	if err != nil {
		return err
	}
	defer h.Close()
	gw, err := gateway.New(ctx, functions.All(), h, host.Environment)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	gw.SetReady(true)
	return host.Run(ctx, listener, gw, host.Ending{Drain: 5 * time.Second, Leave: func() { gw.SetReady(false) }})
}

// runMessaging is the relay with the bank's own broker, and the upkeep.
func runMessaging(ctx context.Context) error {
	h, err := open(ctx, host.Needs{DB: true, Redis: true, Purposes: keys.All()})
	if err != nil {
		return err
	}
	defer h.Close()
	publish, err := relay.Worker.Start(ctx, h, host.Environment)
	if err != nil {
		return err
	}
	keep, err := upkeep.Worker.Start(ctx, h, host.Environment)
	if err != nil {
		return err
	}
	go keep(ctx)
	publish(ctx)
	return nil
}

func open(ctx context.Context, needs host.Needs) (*host.Host, error) {
	config, err := host.LoadConfig(host.Environment, needs)
	if err != nil {
		return nil, err
	}
	return host.Open(ctx, config, needs)
}

// environment is the configuration of a site's processes.
func (l *lab) environment(site string) []string {
	database, cache := l.url(databaseName, siteA, siteB), l.cacheURL()
	if site == remote {
		database, cache = l.url(databaseName, remote), "redis://"+l.address("redis-r")
	}
	return []string{
		"DATABASE_URL=" + database, "REDIS_URL=" + cache, "FN_ALLOW_PLAINTEXT=true", "KEYS_FILE=" + l.keyFile(),
		"FN_TRUSTED_PROXIES=none", "FN_RATE_SCALE=100000", "SMS_URL=http://" + l.address("sms"), "SMS_SECRET=" + smsSecret,
		"FACE_URL=http://127.0.0.1:1", "FACE_SECRET=" + smsSecret, // no face engine answers
		"FUNCTIONS_URL=http://" + l.address("edge "+site) + "/function", "GOMAXPROCS=2",
	}
}

func (l *lab) keyFile() string { return filepath.Join(l.dir, "keys.json") }

func instance(site string, n int) string { return fmt.Sprintf("bank-%s%d", site, n) }

// startInstance starts an instance of the functions.
func (l *lab) startInstance(site string, n int) error {
	name := instance(site, n)
	return process{
		dir: l.at(site, name), args: []string{l.self, beFunctions, l.address(name)}, env: l.environment(site),
	}.start()
}

// startBank starts a site's functions and messaging.
func (l *lab) startBank(site string) error {
	for n := range instancesOfSite {
		if err := l.startInstance(site, n); err != nil {
			return err
		}
		l.edge.add(site, l.address(instance(site, n)))
	}
	return l.startMessaging(site)
}

func (l *lab) startMessaging(site string) error {
	return process{dir: l.at(site, "messaging"), args: []string{l.self, beMessaging}, env: l.environment(site)}.start()
}
