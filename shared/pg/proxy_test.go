package pg_test

import (
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
)

// proxy passes connections on to PostgreSQL.
type proxy struct {
	turns  atomic.Int64  // how often a client spoke after it had listened
	silent chan struct{} // once closed, answers don't pass any more
	quiet  func()        // closes silent
}

// near opens the same database with a single connection, through a proxy.
func (d fixture) near(t *testing.T) (fixture, *proxy) {
	t.Helper()
	target, err := url.Parse(d.url)
	check.Must(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check.Must(t, err)
	p := &proxy{silent: make(chan struct{})}
	p.quiet = sync.OnceFunc(func() { close(p.silent) })
	server := target.Host
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go p.relay(client, server)
		}
	}()
	target.Host = listener.Addr().String()
	near := open(t, pg.Config{URL: target.String(), MaxConns: 1})
	t.Cleanup(func() { _ = listener.Close() })
	return near, p
}

func (p *proxy) relay(client net.Conn, address string) {
	defer client.Close()
	server, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer server.Close()
	var answered atomic.Bool
	var both sync.WaitGroup
	pass := func(to, from net.Conn, seen func()) func() {
		return func() {
			buffer := make([]byte, 64<<10)
			for {
				n, err := from.Read(buffer)
				if err != nil {
					_ = client.Close()
					_ = server.Close()
					return
				}
				seen()
				select {
				case <-p.silent:
					if to == client {
						continue
					}
				default:
				}
				_, _ = to.Write(buffer[:n])
			}
		}
	}
	answered.Store(true)
	both.Go(pass(server, client, func() {
		if answered.Swap(false) {
			p.turns.Add(1)
		}
	}))
	both.Go(pass(client, server, func() { answered.Store(true) }))
	both.Wait()
}
