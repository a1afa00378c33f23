package me_test

import (
	"strings"
	"testing"
	"time"

	identityme "github.com/tidebank/tidebank/functions/identity/me"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/pgtest"
)

func TestTheCallerIsShownMasked(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 0)
	const never = `{"name_masked":"**明","phone_masked":"138****7919","id_no_masked":"1****************1",` +
		`"device_id":"phone-of-wang","last_login_at":null,"last_login_device":null}`
	reply := p.Phone.Call(t, identityme.Function, "", struct{}{})
	if reply.Want(t, ""); string(reply.Body) != never {
		t.Errorf("got  %s\nwant %s", reply.Body, never)
	}
	p.Exec(t, "UPDATE credential SET last_login_at = $1, last_login_device = 'tablet'", bank.Start.Add(-12*time.Hour))
	last := strings.Replace(never, `:null,"last_login_device":null`,
		`:"2026-11-22T22:00:00+08:00","last_login_device":"tablet"`, 1)
	reply = p.Phone.Call(t, identityme.Function, "", struct{}{})
	if reply.Want(t, ""); string(reply.Body) != last {
		t.Errorf("got  %s\nwant %s", reply.Body, last)
	}
	for _, secret := range []string{p.Payer.Name, p.Payer.Phone, p.Payer.IDNo} {
		if strings.Contains(p.Log.String(), secret) {
			t.Errorf("the log shows %q", secret)
		}
	}
	if got := reply.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
}

// A field that was moved from another customer's row does not open, and is not
// shown as theirs.
func TestAFieldOfAnotherRowIsNotShown(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 0)
	p.Exec(t, `
UPDATE customer SET phone_ct = o.phone_ct, data_key = o.data_key FROM customer o WHERE customer.id = $1 AND o.id <> $1`,
		p.Payer.ID)
	reply := p.Phone.Call(t, identityme.Function, "", struct{}{})
	if strings.Contains(string(reply.Body), "138****") {
		t.Errorf("got %s", reply.Body)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 0)
	p.Device(t, "stranger").Call(t, identityme.Function, "", struct{}{}).Want(t, "SESSION_REQUIRED")
	p.Phone.Call(t, identityme.Function, "", map[string]any{"customer_id": p.Payer.ID}).Want(t, "INPUT_INVALID")
	for _, tt := range []struct {
		idle time.Duration
		want string
	}{{10*time.Minute - time.Second, ""}, {10 * time.Minute, "SESSION_REQUIRED"}} {
		p.Advance(tt.idle)
		p.Phone.Call(t, identityme.Function, "", struct{}{}).Want(t, tt.want)
	}
}

func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 0)
	p.Host.DB = pgtest.Broken(t)
	p.Phone.Call(t, identityme.Function, "", struct{}{}).Want(t, "SERVICE_UNAVAILABLE")
}
