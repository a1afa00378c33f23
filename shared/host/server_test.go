package host

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// A client that stops reading, or sends its request byte by byte, does not keep a
// connection for ever.
func TestEachWaitOfAServerEnds(t *testing.T) {
	t.Parallel()
	server := newServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range 64 { // more than the buffers of a connection hold
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	}))
	for name, wait := range map[string]time.Duration{
		"header": server.ReadHeaderTimeout, "body": server.ReadTimeout, "answer": server.WriteTimeout, "idle": server.IdleTimeout,
	} {
		if wait <= 0 || wait > 2*time.Minute {
			t.Errorf("%s: waits %v", name, wait)
		}
	}
	server.WriteTimeout = 200 * time.Millisecond // as newServer's, and sooner
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(listener) //nolint:errcheck // Serve returns after Close
	t.Cleanup(func() { _ = server.Close() })
	client, err := new(net.Dialer).DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := io.WriteString(client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Second) // the client does not read; the test is about this time
	reply, err := http.ReadResponse(bufio.NewReader(client), nil)
	if err != nil {
		return // cut before the header was read
	}
	defer reply.Body.Close()
	if n, err := io.Copy(io.Discard, reply.Body); err == nil || n == 64<<20 {
		t.Errorf("the client got all %d bytes after it had stopped reading", n)
	}
}
