package sink

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"
)

// Bearer is a transport that proves who the sender is, by the token in a file. A Knative
// SinkBinding mounts the file when the broker asks for an identity. The platform renews
// the token, so Bearer reads the file for each call. Without the file it sends no token.
type Bearer struct {
	File string
	Base http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (b Bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := os.ReadFile(b.File)
	switch {
	case err == nil:
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("sink: token: %w", err)
	}
	return b.Base.RoundTrip(r) //nolint:wrapcheck // http.Client wraps it
}
