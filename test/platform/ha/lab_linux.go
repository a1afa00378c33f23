package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/tidebank/tidebank/localstack/smssim"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
)

// Sites. Two sites of one city serve customers; a witness in a third place only votes;
// the remote site waits for the loss of both.
const (
	siteA, siteB, witness, remote = "a", "b", "w", "r"
	instancesOfSite               = 2
	databaseName                  = "tidebank"
	databasePassword              = "rehearsal"
	smsSecret                     = "rehearsal"
)

// lab is the bank that the drills break.
type lab struct {
	programs
	dir   string
	self  string // this program
	ports map[string]int
	edge  *edge
	sms   *smssim.Gateway
	close []func()

	ring *keys.Ring
	db   *pg.DB // for counting, not for customers
	load *load

	passed []result // of the drills that have run
}

func newLab(p programs) (*lab, error) {
	dir, err := os.MkdirTemp("", "tidebank-ha-")
	if err != nil {
		return nil, fmt.Errorf("folder: %w", err)
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, fmt.Errorf("folder: %w", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, fmt.Errorf("folder: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("program: %w", err)
	}
	texts := &smssim.Gateway{Secret: smsSecret, Now: time.Now}
	return &lab{programs: p, dir: dir, self: self, ports: map[string]int{}, sms: texts}, nil
}

// end ends every process, and removes the folder.
func (l *lab) end(keep bool) {
	for i := len(l.close) - 1; i >= 0; i-- {
		l.close[i]()
	}
	kill(l.dir)
	if keep {
		fmt.Println("logs are in", l.dir)
		return
	}
	_ = os.RemoveAll(l.dir) // a folder that stays holds no secret of value
}

// at is a folder of a site's part.
func (l *lab) at(site, part string) string { return filepath.Join(l.dir, site, part) }

func (l *lab) siteFolder(site string) string { return filepath.Join(l.dir, site) }

// site makes the folder of a site.
func (l *lab) site(name string) error {
	if err := os.MkdirAll(filepath.Join(l.dir, name), 0o755); err != nil {
		return fmt.Errorf("folder: %w", err)
	}
	return nil
}

// port is the port of a name: always the same, and one that nobody used.
func (l *lab) port(name string) int {
	if n, ok := l.ports[name]; ok {
		return n
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0 // the process that gets it tells
	}
	defer listener.Close() // the port is for the process
	address, _ := listener.Addr().(*net.TCPAddr)
	l.ports[name] = address.Port
	return address.Port
}

func (l *lab) address(name string) string { return fmt.Sprintf("127.0.0.1:%d", l.port(name)) }

// serve serves until the lab ends.
func (l *lab) serve(name string, handler http.Handler) error {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", l.address(name))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	go server.Serve(listener) //nolint:errcheck // Serve returns after Close
	l.close = append(l.close, func() { _ = server.Close() })
	return nil
}

var errLate = errors.New("not in time")

// await waits until done holds. Its last error tells what was missing.
func await(ctx context.Context, within time.Duration, what string, done func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		err := done(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w after %v: %w", what, errLate, within, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func say(format string, args ...any) { fmt.Printf("  "+format+"\n", args...) }
