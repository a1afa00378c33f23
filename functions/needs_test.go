package functions_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sms"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// An event function needs no Redis, unless it ends sessions: its process opens none, and is
// ready without one.
func TestEventFunctionsDoWithoutRedis(t *testing.T) {
	t.Parallel()
	_, url := pgtest.NewURL(t)
	file := filepath.Join(t.TempDir(), "keys.json")
	check.Must(t, keys.Create(file))
	var events []fn.Function
	for _, f := range functions.All() {
		if f.Trigger == fn.TriggerEvent && !f.Spec.EndsSessions {
			events = append(events, f)
		}
	}
	for _, f := range req.AtLeast(t, 4, events) {
		config := host.Config{DB: pg.Config{URL: url, MaxConns: 1}, Keys: keys.Config{File: file}} // and no Redis
		h, err := host.Open(t.Context(), config, f.Needs())
		check.Must(t, err)
		t.Cleanup(h.Close)
		entry, err := f.Open(t.Context(), h, host.Values(sms.Config{URL: "http://127.0.0.1:1", Secret: "x"}))
		check.Must(t, err)
		w := httptest.NewRecorder()
		h.Mux(f.Spec.Name, entry).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/_/ready", nil))
		if w.Code != http.StatusOK || h.Redis != nil || h.Sessions != nil {
			t.Errorf("%s: ready says %d; it has opened Redis: %v", f.Spec.Name, w.Code, h.Redis != nil)
		}
	}
}

// Only a function that checks passwords has the keys and settings for them.
func TestFunctionsThatCheckPasswords(t *testing.T) {
	t.Parallel()
	var got []string
	for _, f := range req.AtLeast(t, 20, functions.All()) {
		reads := false
		_, err := host.LoadConfig(func(part any) error {
			config, is := part.(*password.Config)
			if is {
				reads, config.SealedOnly = true, true
			}
			return nil
		}, f.Needs())
		check.Must(t, err)
		if reads != slices.Contains(f.Needs().Purposes, keys.Pepper) || reads != slices.Contains(f.Needs().Purposes, keys.Credential) {
			t.Errorf("%s reads settings for passwords: %v; its purposes are %v", f.Spec.Name, reads, f.Needs().Purposes)
		}
		if reads {
			got = append(got, f.Spec.Name)
		}
	}
	if diff := cmp.Diff([]string{
		"identity-alias-set", "identity-cert-apply", "identity-device-unlock", "identity-gesture-set", "identity-login",
		"identity-password-change", "identity-password-reset",
		"identity-phone-change", "identity-quick-login",
		"identity-register",
		"identity-token-bind",
		"identity-trade-password-set", "identity-unlock-key-set", "transfer-confirm",
	}, got); diff != "" {
		t.Errorf("functions that check passwords (-want +got):\n%s", diff)
	}
}
