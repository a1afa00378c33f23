package functions_test

import (
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// tap keeps the bytes between a bank and its database.
type tap struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *tap) Write(part []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(part)
}

func (l *tap) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// tapped is a database of the test. Its tap keeps the network traffic.
func tapped(t *testing.T) (*pg.DB, *tap) {
	t.Helper()
	_, address := pgtest.NewURL(t)
	to, err := url.Parse(address)
	check.Must(t, err)
	server := to.Host
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check.Must(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	kept := &tap{}
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", server)
			if err != nil {
				_ = near.Close()
				return
			}
			go pass(far, near, kept)
			go pass(near, far, kept)
		}
	}()
	to.Host = listener.Addr().String()
	db, err := pg.Open(t.Context(), pg.Config{URL: to.String(), MaxConns: 8})
	check.Must(t, err)
	t.Cleanup(db.Close)
	return db, kept
}

// pass carries one direction, and ends both when it ends.
func pass(to, from net.Conn, kept io.Writer) {
	_, _ = io.Copy(io.MultiWriter(to, kept), from)
	_ = to.Close()
	_ = from.Close()
}
