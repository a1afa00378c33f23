package bank

import (
	"encoding/json"
	"testing"

	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	identitypasswordreset "github.com/tidebank/tidebank/functions/identity/passwordreset"
	identityregister "github.com/tidebank/tidebank/functions/identity/register"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
)

// SignUp is a good request to sign a customer up from the device.
func (d *Device) SignUp(t testing.TB, c seed.Customer, code string) identityregister.Request {
	t.Helper()
	return identityregister.Request{
		Name: c.Name, IDNo: c.IDNo, CardNo: c.Accounts[0].No, Phone: c.Phone, OTP: code,
		CardPassword: d.Password(t, CardPassword), LoginPassword: d.Password(t, LoginPassword),
		TradePassword: d.Password(t, TradePassword), DevicePublicKey: d.PublicKey(t), DeviceSignature: d.Possession(t),
	}
}

// LogIn is a good request to log a customer in, which proves the device's key, binds none and
// reports a clean environment.
func (d *Device) LogIn(t testing.TB, c seed.Customer, code string) identitylogin.Request {
	t.Helper()
	clean := d.Report(t)
	return identitylogin.Request{
		Phone: c.Phone, Password: d.Password(t, LoginPassword), OTP: code,
		DevicePublicKey: d.PublicKey(t), DeviceSignature: d.Possession(t), Environment: &clean,
	}
}

// ResetPassword is a good request to reset a customer's login password from the device, which
// proves its key.
func (d *Device) ResetPassword(t testing.TB, c seed.Customer, code, password string) identitypasswordreset.Request {
	t.Helper()
	return identitypasswordreset.Request{
		Name: c.Name, IDNo: c.IDNo, CardNo: c.Accounts[0].No, Phone: c.Phone, OTP: code, LoginPassword: d.Password(t, password),
		DevicePublicKey: d.PublicKey(t), DeviceSignature: d.Possession(t),
	}
}

// LogInBinding is a good request to log a customer in, which binds the device's key by
// trade password and card.
func (d *Device) LogInBinding(t testing.TB, c seed.Customer, code string) identitylogin.Request {
	t.Helper()
	r := d.LogIn(t, c, code)
	r.TradePassword, r.CardNo = d.Password(t, TradePassword), c.Accounts[0].No
	return r
}

// Origin is what the bank counts the device by before login, if it proves its key.
func (d *Device) Origin(t testing.TB) device.Origin {
	t.Helper()
	return device.Origin{DeviceID: d.ID, Public: d.PublicKey(t)}
}

// Possession is the signature by which the device shows on its channel that it has its
// key.
func (d *Device) Possession(t testing.TB) []byte {
	t.Helper()
	return d.Sign(t, string(device.Text(d.Channel, d.ID, d.PublicKey(t))))
}

// PublicKey is the public part of the device's key.
func (d *Device) PublicKey(t testing.TB) []byte {
	t.Helper()
	public, err := d.Key.Public().Marshal()
	check.Must(t, err)
	return public
}

// Sign is the signature over a text by the device's key.
func (d *Device) Sign(t testing.TB, text string) []byte {
	t.Helper()
	signature, err := sm.Sign(d.Key, []byte(text))
	check.Must(t, err)
	return signature
}

// Fields are a request's fields as they are sent.
func Fields(t testing.TB, request any) (fields map[string]any) {
	t.Helper()
	check.Must(t, json.Unmarshal(check.JSON(t, request), &fields))
	return fields
}

// With is a request with one more field, or another value of one.
func With(t testing.TB, request any, field string, value any) map[string]any {
	t.Helper()
	fields := Fields(t, request)
	fields[field] = value
	return fields
}
