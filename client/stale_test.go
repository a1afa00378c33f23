package client_test

import (
	"net/http"
	"testing"

	"github.com/tidebank/tidebank/test/check"
)

// slow is a request that takes its time to become JSON. Its sender holds a channel
// meanwhile.
type slow struct{ begun, release chan struct{} }

func (s slow) MarshalJSON() ([]byte, error) {
	close(s.begun)
	<-s.release
	return []byte(`{}`), nil
}

// A call that still holds a channel which another call has given up must not
// count from one again in it: under one key, a sequence is a nonce.
func TestAChannelThatWasGivenUpKeepsItsCount(t *testing.T) {
	t.Parallel()
	f := newFake(t, good)
	app := f.app()
	check.Must(t, app.Call(t.Context(), "x-y", struct{}{}, &reply{}))
	s := slow{make(chan struct{}), make(chan struct{})}
	done := make(chan error, 1)
	go func() { done <- app.Call(t.Context(), "x-y", s, &reply{}) }()
	<-s.begun
	f.script = func(c *call) (*http.Response, error) {
		if len(f.channels) == 1 {
			return c.refuse(http.StatusUnauthorized, "CHANNEL_EXPIRED"), nil
		}
		return good(c)
	}
	check.Must(t, app.Call(t.Context(), "x-y", struct{}{}, &reply{}))
	close(s.release)
	check.Must(t, <-done)
	wantUnique(t, f)
}
