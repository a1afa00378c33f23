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

// Door is where a simulator takes requests.
type Door struct {
	Path   string
	Secret string    // that signs requests
	Now    time.Time // of the simulator
	Most   int64     // bytes of a request
}

// Receive reads the JSON of a signed POST. If it returns false, it has answered: 404 or 405, 400
// for a body that it can't read, 401 for a signature that does not hold.
func (d Door) Receive(w http.ResponseWriter, r *http.Request, into any) bool {
	status := d.receive(w, r, into)
	if status != http.StatusOK {
		w.WriteHeader(status)
	}
	return status == http.StatusOK
}

func (d Door) receive(w http.ResponseWriter, r *http.Request, into any) (status int) {
	if r.URL.Path != d.Path {
		return http.StatusNotFound
	}
	if r.Method != http.MethodPost {
		return http.StatusMethodNotAllowed
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, d.Most))
	if err != nil {
		return http.StatusBadRequest
	}
	if !peer.Signed(d.Secret, r.Header, body, d.Now) {
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
