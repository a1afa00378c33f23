package casim_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/localstack/casim"
	"github.com/tidebank/tidebank/shared/peer"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
)

// How the authority and the bank's client get on is tested beside the client (shared/cert);
// here is what only the authority can be asked.

const secret = "its secret"

var now = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func TestForm(t *testing.T) {
	t.Parallel()
	ca, err := casim.New(secret, func() time.Time { return now })
	check.Must(t, err)
	key, err := sm.GenerateKey()
	check.Must(t, err)
	subject, err := sm.Subject("customer", "wang")
	check.Must(t, err)
	csr, err := sm.NewRequest(key, subject)
	check.Must(t, err)
	good := map[string]any{"id": "a", "csr": csr}
	for _, tt := range []struct {
		name, method, path string
		body               any
		want               int
	}{
		{"good", "POST", "/v1/certificates", good, 200},
		{"another path", "POST", "/v2/certificates", good, 404},
		{"lists", "POST", "/v1/revocations", map[string]any{}, 200},
		{"a revocation of another authority", "POST", "/v1/certificates/revoke", map[string]any{"serial": "1f", "authority": csr}, 422},
		{"a reading of lists", "GET", "/v1/revocations", map[string]any{}, 405},
		{"a reading", "GET", "/v1/certificates", good, 405},
		{"no id", "POST", "/v1/certificates", map[string]any{"csr": csr}, 400},
		{"a long id", "POST", "/v1/certificates", map[string]any{"id": strings.Repeat("a", 65), "csr": csr}, 400},
		{"no object", "POST", "/v1/certificates", "x", 400},
		{"too much", "POST", "/v1/certificates", strings.Repeat("x", 1<<15), 400},
		{"no request", "POST", "/v1/certificates", map[string]any{"id": "b"}, 422},
		{"a wrong signature", "POST", "/v1/certificates", map[string]any{"id": "b", "csr": check.Flip(csr, -1)}, 422},
		{"another request", "POST", "/v1/certificates", map[string]any{"id": "a", "csr": check.Flip(csr, -1)}, 409},
	} {
		r, err := peer.Post(t.Context(), "http://ca.example"+tt.path, secret, now, tt.body)
		check.Must(t, err)
		r.Method = tt.method
		w := httptest.NewRecorder()
		if ca.ServeHTTP(w, r); w.Code != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, w.Code, tt.want)
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/certificates", bytes.NewReader(check.JSON(t, good)))
	w := httptest.NewRecorder()
	if ca.ServeHTTP(w, r); w.Code != http.StatusUnauthorized {
		t.Errorf("a request without a signature: %d", w.Code)
	}
}
