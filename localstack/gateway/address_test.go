package gateway_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/shared/fn"
)

// The gateway knows a caller by the address of the connection, and not by the address
// that a header claims. That holds for calls that run later too.
func TestTheCallersAddressIsThePeers(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 1)
	g, _ := newGateway(t, noChannel("x-who", func(_ context.Context, call *fn.Call, w word) (word, error) {
		seen <- call.IP
		return w, nil
	}))
	for _, path := range []string{"/function/x-who", "/async-function/x-who"} {
		for _, claim := range []string{"", "203.0.113.7", "203.0.113.7, 203.0.113.8"} {
			r := httptest.NewRequest("POST", path, strings.NewReader(`{"word":"x"}`))
			r.RemoteAddr = "192.0.2.1:1234"
			if claim != "" {
				r.Header.Set("X-Forwarded-For", claim)
			}
			g.Mux.ServeHTTP(httptest.NewRecorder(), r)
			if got := <-seen; got != "192.0.2.1" {
				t.Errorf("%s, which says %q, came from %q", path, claim, got)
			}
		}
	}
}
