package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/tidebank/tidebank/infra/pgserver"
	"github.com/tidebank/tidebank/localstack/smssim"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/test/platform/page"
)

// Addresses of the stores, as the pods see them.
const (
	postgresAt = address + ":5432"
	redisAt    = address + ":6379"
	smsAt      = address + ":7090"
	smsSecret  = "test-sms-secret" // of the simulator; it protects nothing
	ownerURL   = "postgres://postgres@" + postgresAt + "/tidebank?sslmode=disable"
	redisURL   = "redis://" + redisAt
)

// stores starts PostgreSQL, Redis, the SMS simulator and the developer page.
func (n *node) stores(ctx context.Context) error {
	if err := n.start("redis", "redis-server", "--bind", address, "--port", "6379", "--protected-mode", "no", "--save", "",
		"--maxmemory-policy", "noeviction"); err != nil {
		return err
	}
	if err := keys.Create(n.keys()); err != nil {
		return err
	}
	database := &database{n: n}
	if err := database.start(ctx); err != nil {
		return err
	}
	texts := &smssim.Gateway{Secret: smsSecret, Now: time.Now}
	if err := n.serve(ctx, smsAt, texts); err != nil {
		return err
	}
	beside := &developer{n: n, texts: texts}
	control := http.NewServeMux()
	control.Handle("/", beside)
	control.HandleFunc("POST /control/page", done(beside.open))
	control.HandleFunc("POST /control/postgres/stop", done(func(context.Context) error { return database.stop() }))
	control.HandleFunc("POST /control/postgres/start", done(database.start))
	if err := n.serve(ctx, desk, control); err != nil {
		return err
	}
	return until(ctx, time.Minute, "Redis listens", func() (bool, error) { return listens(ctx, redisAt) })
}

// done answers 200 when an order has been carried out.
func done(order func(context.Context) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := order(context.WithoutCancel(r.Context())); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
}

func (n *node) serve(ctx context.Context, at string, h http.Handler) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", at)
	if err != nil {
		return err
	}
	go http.Serve(l, h) //nolint:errcheck // it serves until the node ends
	return nil
}

// database is PostgreSQL, which a check stops and starts. Its port changes with each
// start, so a small proxy stands at the address that the pods know.
type database struct {
	n      *node
	mu     sync.Mutex
	server *pgserver.Server
	at     net.Listener
	open   map[net.Conn]bool
}

func (d *database) start(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.server != nil {
		return nil
	}
	log, err := os.OpenFile(filepath.Join(d.n.logs(), "postgres.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the server has its own
	server, err := pgserver.Start(ctx, pgserver.Config{
		Dir: d.n.postgres(), Persistent: true, Log: log, Settings: map[string]string{"max_connections": "300"},
	})
	if err != nil {
		return err
	}
	if err := server.Ensure(ctx, "tidebank"); err != nil {
		return errors.Join(err, server.Stop())
	}
	if d.at, err = new(net.ListenConfig).Listen(ctx, "tcp", postgresAt); err != nil {
		return errors.Join(err, server.Stop())
	}
	d.server, d.open = server, map[net.Conn]bool{}
	go d.accept(d.at, fmt.Sprintf("127.0.0.1:%d", server.Port()))
	return nil
}

// stop ends PostgreSQL, as if its machine were gone: connections break, and new ones are
// refused.
func (d *database) stop() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.server == nil {
		return nil
	}
	err := errors.Join(d.at.Close(), d.server.Stop())
	for c := range d.open {
		_ = c.Close() // it may be closed already
	}
	d.server = nil
	return err
}

func (d *database) accept(l net.Listener, to string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		up, err := net.Dial("tcp", to)
		if err != nil {
			_ = c.Close() // the client sees the end
			continue
		}
		d.mu.Lock()
		d.open[c] = true
		d.mu.Unlock()
		pass := func(from, to net.Conn) {
			_, _ = io.Copy(to, from) // either end may leave
			_, _ = from.Close(), to.Close()
			d.mu.Lock()
			delete(d.open, c)
			d.mu.Unlock()
		}
		go pass(c, up)
		go pass(up, c)
	}
}

// developer is the developer page: it makes customers and shows their texts. It needs the
// tables, so it opens after the migrations.
type developer struct {
	n     *node
	texts *smssim.Gateway
	mu    sync.Mutex
	mux   http.Handler // nil until it is open
	// events answers instead of the page's own list, which shows the local broker's deliveries.
	events http.HandlerFunc
}

func (p *developer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	mux, list := p.mux, p.events
	p.mu.Unlock()
	if mux == nil {
		http.Error(w, "the page is not open yet", http.StatusServiceUnavailable)
		return
	}
	if r.Method == http.MethodGet && r.URL.Path == "/dev/events" {
		list(w, r)
		return
	}
	mux.ServeHTTP(w, r)
}

func (p *developer) open(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mux != nil {
		return nil
	}
	beside, err := page.Open(ctx, page.Config{
		Database: ownerURL, Redis: redisURL, KeyFile: p.n.keys(), Clock: filepath.Join(p.n.run(), "clock"), Texts: p.texts,
		Log: host.NewLogger(os.Stderr),
	})
	if err != nil {
		return err
	}
	p.mux, p.events = beside, consumed(beside.Host)
	return nil
}

// order sends an order to the node's controls.
func order(ctx context.Context, what string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+desk+"/control/"+what, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close() // it is read
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %d: %s", what, resp.StatusCode, strings.TrimSpace(string(text)))
	}
	return err
}
