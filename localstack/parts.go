package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/tidebank/tidebank/infra/pgserver"
)

// parts are the bank's stores, given or started.
type parts struct {
	databaseURL, databaseIs string
	redisURL, redisIs       string
	forward                 func(time.Duration) // moves the clock of the Redis in memory; nil for a given Redis
	closers                 []func()
}

func (p *parts) close() {
	for i := len(p.closers) - 1; i >= 0; i-- {
		p.closers[i]()
	}
}

// openParts takes the database that is given, or starts one.
func openParts(ctx context.Context, dir, database string) (*parts, error) {
	p := &parts{
		databaseURL: database, databaseIs: "given by DATABASE_URL",
		redisURL: os.Getenv("REDIS_URL"), redisIs: "given by REDIS_URL",
	}
	if p.databaseURL == "" {
		if err := p.startPostgres(ctx, dir); err != nil {
			p.close()
			return nil, err
		}
	}
	if p.redisURL == "" {
		if err := p.startRedis(); err != nil {
			p.close()
			return nil, err
		}
	}
	return p, nil
}

func (p *parts) startPostgres(ctx context.Context, dir string) error {
	output, err := os.OpenFile(filepath.Join(dir, "postgres.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	server, err := pgserver.Start(ctx, pgserver.Config{
		Dir: dir, Persistent: true, Log: output, Settings: map[string]string{"max_connections": "200"},
	})
	if err != nil {
		return err
	}
	p.closers = append(p.closers, func() { _ = server.Stop() })
	if err := server.Ensure(ctx, "tidebank"); err != nil {
		return err
	}
	p.databaseURL = server.URL("tidebank")
	p.databaseIs = fmt.Sprintf("%s  data in %s", p.databaseURL, dir)
	return nil
}

// startRedis runs a Redis in memory. Its clock does not run by itself, so startRedis
// advances it.
func (p *parts) startRedis() error {
	server := miniredis.NewMiniRedis()
	if err := server.Start(); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	tick := time.NewTicker(time.Second)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				server.FastForward(time.Second)
			}
		}
	}()
	p.closers = append(p.closers, func() {
		tick.Stop()
		close(done)
		server.Close()
	})
	p.forward = server.FastForward
	p.redisURL = "redis://" + server.Addr()
	p.redisIs = "in memory (sessions end with the process)"
	return nil
}
