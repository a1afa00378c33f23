// Package partner is what the simulators of the bank's partners share: how they take a
// request that the bank has signed (shared/peer), and how they are slow.
package partner

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/tidebank/tidebank/shared/peer"
)

// bodyBytes bounds a request. The largest holds a capture of a face.
const bodyBytes = 128 << 10

// Receive reads the JSON of a signed POST to the path. If it returns false, it has answered:
// 404 or 405, 400 for a body that it can't read, 401 for a signature that does not hold.
func Receive(w http.ResponseWriter, r *http.Request, path, secret string, now time.Time, into any) bool {
	status := receive(w, r, path, secret, now, into)
	if status != http.StatusOK {
		w.WriteHeader(status)
	}
	return status == http.StatusOK
}

func receive(w http.ResponseWriter, r *http.Request, path, secret string, now time.Time, into any) (status int) {
	if r.URL.Path != path {
		return http.StatusNotFound
	}
	if r.Method != http.MethodPost {
		return http.StatusMethodNotAllowed
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytes))
	if err != nil {
		return http.StatusBadRequest
	}
	if !peer.Signed(secret, r.Header, body, now) {
		return http.StatusUnauthorized
	}
	if json.Unmarshal(body, into) != nil {
		return http.StatusBadRequest
	}
	return http.StatusOK
}

// Wait waits for the delay that a test has ordered. It returns false if the client left
// meanwhile.
func Wait(ctx context.Context, delay time.Duration) bool {
	if delay <= 0 {
		return true
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(delay):
		return true
	}
}
