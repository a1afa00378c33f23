// Package proxytest puts a network between a client and a server, which a test can
// break. A Proxy is safe for concurrent use.
package proxytest

import (
	"bytes"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidebank/tidebank/test/check"
)

// Proxy passes TCP connections on to a server.
type Proxy struct {
	Address string // host and port for the client

	server string
	turns  atomic.Int64

	mu    sync.Mutex
	open  map[*link]bool
	mute  bool   // also new connections are silent
	match string // a request with this text loses its answer
	times int    // how many more answers get lost
	alter func(answer []byte)
}

// link is one connection through the proxy.
type link struct {
	client, server net.Conn
	silent         atomic.Bool // answers don't pass any more
	loses          atomic.Bool // the next answer gets lost
	listened       atomic.Bool // the server has spoken last
}

// New starts a proxy to the server at a host and port. It ends with the test.
func New(t testing.TB, server string) *Proxy {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	check.Must(t, err)
	p := &Proxy{Address: listener.Addr().String(), server: server, open: map[*link]bool{}}
	t.Cleanup(func() {
		_ = listener.Close() // the test is over
		p.Cut()
	})
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go p.serve(client)
		}
	}()
	return p
}

// To starts a proxy to the server of an address, and returns the address through the
// proxy.
func To(t testing.TB, address string) (*Proxy, string) {
	t.Helper()
	target, err := url.Parse(address)
	check.Must(t, err)
	p := New(t, target.Host)
	target.Host = p.Address
	return p, target.String()
}

// Turns is how often a client has spoken after it had listened: its round trips.
func (p *Proxy) Turns() int64 { return p.turns.Load() }

// Connections is the number of open connections.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open)
}

// Silence swallows all later answers on the connections that are open. Requests still
// reach the server.
func (p *Proxy) Silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.open {
		l.silent.Store(true)
	}
}

// SilenceAll is Silence for all connections, also new ones, until Heal.
func (p *Proxy) SilenceAll() {
	p.mu.Lock()
	p.mute = true
	p.mu.Unlock()
	p.Silence()
}

// Heal lets new connections work again. Silent ones stay silent.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mute = false
}

// Lose loses the answers to the next requests that contain the text: the server does
// its work, and then the connection breaks.
func (p *Proxy) Lose(text string, times int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.match, p.times = text, times
}

// Lost reports whether all answers have been lost that Lose ordered.
func (p *Proxy) Lost() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.times == 0
}

// Alter changes all later answers in place.
func (p *Proxy) Alter(change func(answer []byte)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.alter = change
}

// Cut closes all connections.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.open {
		l.close()
	}
}

func (l *link) close() {
	_ = l.client.Close() // it may be closed already
	_ = l.server.Close()
}

func (p *Proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		_ = client.Close()
		return
	}
	l := &link{client: client, server: server}
	l.listened.Store(true)
	p.mu.Lock()
	l.silent.Store(p.mute)
	p.open[l] = true
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { pass(server, client, l, func(b []byte) bool { return p.asked(l, b) }) })
	both.Go(func() { pass(client, server, l, func(b []byte) bool { return p.answered(l, b) }) })
	both.Wait()
	p.mu.Lock()
	delete(p.open, l)
	p.mu.Unlock()
}

// pass copies until a side closes. seen decides about each part.
func pass(to, from net.Conn, l *link, seen func([]byte) bool) {
	defer l.close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if seen(buffer[:n]) {
			_, _ = to.Write(buffer[:n])
		}
	}
}

// asked lets all requests pass, and notes those whose answer gets lost.
func (p *Proxy) asked(l *link, request []byte) bool {
	if l.listened.Swap(false) {
		p.turns.Add(1)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.times > 0 && bytes.Contains(request, []byte(p.match)) {
		p.times--
		l.loses.Store(true)
	}
	return true
}

// answered reports whether an answer passes.
func (p *Proxy) answered(l *link, answer []byte) bool {
	l.listened.Store(true)
	p.mu.Lock()
	alter := p.alter
	p.mu.Unlock()
	if alter != nil {
		alter(answer)
	}
	if l.loses.Load() {
		l.close()
		return false
	}
	return !l.silent.Load()
}
