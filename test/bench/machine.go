package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/tidebank/tidebank/infra/migrations"
	"github.com/tidebank/tidebank/infra/pgserver"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
)

// machine holds the measured parts: the stores, the keys, the built function and the
// bare program.
type machine struct {
	dir      string
	postgres *pgserver.Server
	redisURL string
	redisPID int
	ring     *keys.Ring
	db       *pg.DB // the bank's, as the functions use it
	binary   string // transfer-confirm
	bare     string // the reference for cold starts
	closers  []func() error
}

const keepEverything = `
  PostgreSQL with fsync=on, synchronous_commit=on, shared_buffers=1GB`

func openMachine(ctx context.Context, o options) (*machine, error) {
	dir, err := os.MkdirTemp("", "tidebank-bench")
	if err != nil {
		return nil, fmt.Errorf("folder: %w", err)
	}
	m := &machine{dir: dir}
	m.closers = append(m.closers, func() error { return os.RemoveAll(dir) })
	// PostgreSQL runs as another user.
	err = errors.Join(os.Chmod(dir, 0o755), m.openStores(ctx, o))
	if err == nil && (o.wants("confirm") || o.wants("coldstart") || o.only == "connections") {
		err = m.build(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, m.close())
	}
	return m, nil
}

func (m *machine) close() error {
	var err error
	for i := len(m.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, m.closers[i]())
	}
	m.closers = nil
	return err
}

func (m *machine) openStores(ctx context.Context, o options) error {
	server, err := pgserver.Start(ctx, pgserver.Config{Dir: m.dir, Settings: map[string]string{
		"shared_buffers": "1GB", "max_connections": "300", "max_wal_size": "4GB", "checkpoint_timeout": "15min",
	}})
	if err != nil {
		return err
	}
	m.postgres = server
	m.closers = append(m.closers, server.Stop)
	fmt.Println("Machine:" + keepEverything)
	for _, database := range []string{"bank", "tpcb"} {
		if err := server.Ensure(ctx, database); err != nil {
			return err
		}
	}
	if err := migrations.Up(ctx, server.URL("bank")); err != nil {
		return err
	}
	m.db, err = pg.Open(ctx, pg.Config{URL: server.URL("bank"), MaxConns: int32(o.clients)})
	if err != nil {
		return err
	}
	m.closers = append(m.closers, func() error { m.db.Close(); return nil })
	if err := keys.Create(m.keysFile()); err != nil {
		return err
	}
	m.ring, err = keys.Open(ctx, keys.Config{File: m.keysFile()}, keys.All()...)
	if err != nil {
		return err
	}
	return m.startRedis(ctx)
}

func (m *machine) keysFile() string { return filepath.Join(m.dir, "keys.json") }

// startRedis runs the machine's redis-server. Without redis-server, it runs a Redis
// in memory, whose CPU time counts as the load generator's.
func (m *machine) startRedis(ctx context.Context) error {
	port, err := freePort(ctx)
	if err != nil {
		return err
	}
	name := "redis-server"
	cmd := exec.CommandContext(ctx, name, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
	if _, err := exec.LookPath(name); err != nil {
		name = "Redis in memory (no redis-server here)"
		server := miniredis.NewMiniRedis()
		if err := server.StartAddr("127.0.0.1:" + port); err != nil {
			return fmt.Errorf("redis: %w", err)
		}
		m.closers = append(m.closers, func() error { server.Close(); return nil })
		m.redisPID = os.Getpid()
	} else {
		if err := m.start(cmd, nil); err != nil {
			return err
		}
		m.redisPID = cmd.Process.Pid
	}
	m.redisURL = "redis://127.0.0.1:" + port
	say("%s", name)
	return await(ctx, "127.0.0.1:"+port)
}

func (m *machine) build(ctx context.Context) error {
	m.binary, m.bare = filepath.Join(m.dir, "transfer-confirm"), filepath.Join(m.dir, "bare")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags=grpcnotrace", "-ldflags=-s -w", "-o", m.dir+"/",
		"./infra/mains/transfer-confirm", "./infra/mains/account-overview", "./test/bench/bare")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w: %s", err, out)
	}
	return nil
}

// function is a built function's process, not yet started.
func (m *machine) function(ctx context.Context, binary, port string) *exec.Cmd {
	cmd := m.command(ctx, binary, port)
	cmd.Env = append(cmd.Env, "DATABASE_MAX_CONNS=16", "REDIS_URL="+m.redisURL, "KEYS_FILE="+m.keysFile(),
		"FN_RATE_SCALE=1000000", "FN_TRUSTED_PROXIES=none", "FN_ALLOW_PLAINTEXT=true", "FN_LINGER=0s")
	return cmd
}

// command is a process that serves on a port from the bank's database, not yet
// started.
func (m *machine) command(ctx context.Context, binary, port string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, binary)
	cmd.Env = append(os.Environ(), "PORT="+port, "DATABASE_URL="+m.postgres.URL("bank"), "GOMAXPROCS=2")
	return cmd
}

// start runs a command until the machine closes.
func (m *machine) start(cmd *exec.Cmd, log io.Writer) error {
	cmd.Stderr = log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	m.closers = append(m.closers, func() error { return stop(cmd) })
	return nil
}

func stop(cmd *exec.Cmd) error {
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop: %w", err)
	}
	_ = cmd.Wait() // the result does not matter
	return nil
}

// await returns when a process listens on the address.
func await(ctx context.Context, address string) error {
	for range 2000 {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		time.Sleep(5 * time.Millisecond)
	}
	return fmt.Errorf("nothing listens on %s", address) //nolint:err113 // ends the program
}

func freePort(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("port: %w", err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// cpu returns the CPU time of processes and of their living children.
func cpu(roots ...int) time.Duration {
	wanted := map[int]bool{}
	for _, pid := range roots {
		wanted[pid] = true
	}
	var sum time.Duration
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		raw, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(raw), ") ")
		f := strings.Fields(rest) // state, ppid, …, utime 11, stime 12
		parent, _ := strconv.Atoi(f[1])
		if !wanted[pid] && !wanted[parent] {
			continue
		}
		user, _ := strconv.Atoi(f[11])
		system, _ := strconv.Atoi(f[12])
		sum += time.Duration(user+system) * 10 * time.Millisecond // ticks of 1/100 s
	}
	return sum
}
