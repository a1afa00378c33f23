package client_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/test/check"
)

// expired forgets every channel but those opened after the first so many.
func expired(f *fake, channels int) func(*call) (*http.Response, error) {
	return func(c *call) (*http.Response, error) {
		f.mu.Lock()
		opened := len(f.channels)
		f.mu.Unlock()
		if opened <= channels {
			return c.refuse(http.StatusUnauthorized, "CHANNEL_EXPIRED"), nil
		}
		return good(c)
	}
}

func TestOpensAgainWhenTheChannelExpired(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"", "the key"} {
		f := newFake(t, nil)
		f.script = expired(f, 1)
		app := f.app()
		var got reply
		if key == "" {
			check.Must(t, app.Call(t.Context(), "x-y", map[string]int{"a": 1}, &got))
		} else {
			check.Must(t, app.CallOnce(t.Context(), "x-y", key, map[string]int{"a": 1}, &got))
		}
		if diff := cmp.Diff([]string{opening, "/function/x-y", opening, "/function/x-y"}, f.visits()); diff != "" || got.N != 7 {
			t.Errorf("%+v; asked for (-want +got):\n%s", got, diff)
		}
		a, b := f.seen()[0], f.seen()[1]
		if a.header.ID == b.header.ID || b.Key != key || string(b.Request) != `{"a":1}` {
			t.Errorf("sent %s under %q", b.Request, b.Key)
		}
		wantUnique(t, f)
	}
}

// Once is enough: a bank that forgets every channel at once is not asked forever.
func TestOpensAgainOnce(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	f.script = expired(f, 1000)
	err := f.app().CallOnce(t.Context(), "x-y", "k", struct{}{}, &reply{})
	if !errors.Is(err, &client.Problem{Code: "CHANNEL_EXPIRED"}) || len(f.seen()) != 2 || len(f.channels) != 2 {
		t.Errorf("%d calls in %d channels: %v", len(f.seen()), len(f.channels), err)
	}
}
