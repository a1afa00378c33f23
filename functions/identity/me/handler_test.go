package me_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	identityme "github.com/tidebank/tidebank/functions/identity/me"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/pgtest"
)

func TestTheCallerIsShownMasked(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 0)
	const never = `{"name_masked":"**明","phone_masked":"138****7919","id_no_masked":"1****************1",` +
		`"device_id":"phone-of-wang","last_login_at":null,"last_login_device":null,"last_login_place":null,"last_login_verified":false}`
	reply := p.Phone.Call(t, identityme.Function, "", struct{}{})
	if reply.Want(t, ""); string(reply.Body) != never {
		t.Errorf("got  %s\nwant %s", reply.Body, never)
	}
	p.Exec(t, "UPDATE credential SET previous_login_at = $1, previous_login_device = 'tablet'", bank.Start.Add(-12*time.Hour))
	last := strings.Replace(never, `:null,"last_login_device":null,"last_login_place":null`,
		`:"2026-11-22T22:00:00+08:00","last_login_device":"tablet","last_login_place":"unknown"`, 1)
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

// An installation's id may be an IMEI, which looks like a card number, or have eleven
// digits, like a phone number. It is shown all the same, and hides nothing else.
func TestDeviceIDsOfDigits(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"13812345678", "356938035643809", "6228480000000100011"} {
		b := bank.New(t)
		wang, phone := b.Customer(t, "王小明", 0), b.Device(t, id)
		phone.LoginAs(t, wang)
		for range 2 { // the second login shows the first one's device
			b.Advance(time.Minute)
			request := phone.LogIn(t, wang, otptest.Ask(t, b, phone, otp.Login, wang.Phone))
			phone.Call(t, identitylogin.Function, "", request).Want(t, "")
		}
		var got identityme.Response
		phone.Call(t, identityme.Function, "", struct{}{}).Into(t, &got)
		if got.DeviceID != id || got.LastLoginDevice == nil || *got.LastLoginDevice != id {
			t.Errorf("%s: %+v", id, got)
		}
	}
}

// The login's reply and identity-me tell of the same login: the one before.
func TestLastLoginMeansOneThing(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	wang, phone, tablet := b.Customer(t, "王小明", 0), b.Device(t, "phone-of-wang"), b.Device(t, "tablet-of-wang")
	check.Must(t, b.Seeder().SignUp(t.Context(), wang, bank.LoginPassword, bank.TradePassword, "", nil))
	for n, d := range []*bank.Device{phone, tablet, phone} {
		b.Advance(time.Minute)
		var told identitylogin.Response
		var shown identityme.Response
		d.Call(t, identitylogin.Function, "", d.LogIn(t, wang, otptest.Ask(t, b, d, otp.Login, wang.Phone))).Into(t, &told)
		d.Call(t, identityme.Function, "", struct{}{}).Into(t, &shown)
		if diff := cmp.Diff(told, identitylogin.Response{
			LastLoginAt: shown.LastLoginAt, LastLoginDevice: shown.LastLoginDevice, LastVerified: shown.LastVerified,
			LastLoginPlace: shown.LastLoginPlace, Environment: told.Environment,
		}); diff != "" {
			t.Errorf("login %d (-login +identity-me):\n%s", n, diff)
		}
		if n > 0 && !told.LastLoginAt.Equal(b.Clock.Now().Add(-time.Minute)) {
			t.Errorf("login %d: the last one was at %v", n, told.LastLoginAt)
		}
	}
}
