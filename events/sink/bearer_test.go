package sink_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/events/sink"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
)

// The platform mounts the token later than the process starts, and renews it.
func TestBearerReadsTheTokenForEachCall(t *testing.T) {
	t.Parallel()
	ring := keytest.New(t)
	var got []string
	broker := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header.Get("Authorization"))
	}))
	t.Cleanup(broker.Close)
	file := filepath.Join(t.TempDir(), "token")
	client := &http.Client{Transport: sink.Bearer{File: file, Base: http.DefaultTransport}}
	to := sink.HTTP{URL: broker.URL, Client: client}
	for _, token := range []string{"", "first\n", "second"} {
		if token != "" {
			check.Must(t, os.WriteFile(file, []byte(token), 0o600))
		}
		for _, err := range to.Publish(t.Context(), batch(t, ring, 1)) {
			check.Must(t, err)
		}
	}
	if diff := cmp.Diff([]string{"", "Bearer first", "Bearer second"}, got); diff != "" {
		t.Error(diff)
	}
	check.Must(t, os.Remove(file))
	check.Must(t, os.Mkdir(file, 0o700))
	if err := to.Publish(t.Context(), batch(t, ring, 1))[0]; err == nil || len(got) != 3 {
		t.Errorf("an unreadable token: %v, %d calls", err, len(got))
	}
}
