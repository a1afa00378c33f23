// Package otptest gives tests the one-time codes that customers read on their phones.
package otptest

import (
	"testing"

	otpsend "github.com/tidebank/tidebank/functions/otp/send"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/captchatest"
)

// Ask issues a code for signing up or logging in, and returns it. It solves a graphic
// code first. It returns a code even if no customer would get it.
func Ask(t testing.TB, b *bank.Bank, d *bank.Device, purpose, number string) string {
	t.Helper()
	d.Call(t, otpsend.Function, "", Request(t, b, d, purpose, number)).Want(t, "")
	return Code(t, b, Subject(t, b, d, purpose, number))
}

// Request asks for a code for signing up or logging in, with a solved graphic code. It
// proves the device's key.
func Request(t testing.TB, b *bank.Bank, d *bank.Device, purpose, number string) map[string]any {
	t.Helper()
	return map[string]any{
		"purpose": purpose, "phone": number,
		"captcha_id": captchatest.Solved(t, b, d), "captcha_answer": captchatest.Answer,
		"device_public_key": d.PublicKey(t), "device_signature": d.Possession(t),
	}
}

// Subject names the challenge of a number for a device that proved its key.
func Subject(t testing.TB, b *bank.Bank, d *bank.Device, purpose, number string) string {
	t.Helper()
	return otp.PhoneSubject(purpose, customer.PhoneIndex(b.Host.Keys, number), d.Origin(t).Digest())
}

// AliasRequest is Request for a login by an alias.
func AliasRequest(t testing.TB, b *bank.Bank, d *bank.Device, alias string) map[string]any {
	t.Helper()
	r := Request(t, b, d, otp.Login, "")
	delete(r, "phone")
	r["alias"] = alias
	return r
}

// AliasSubject is Subject for a login by an alias.
func AliasSubject(t testing.TB, b *bank.Bank, d *bank.Device, alias string) string {
	t.Helper()
	return otp.PhoneSubject(otp.Login, customer.LoginIndex(b.Host.Keys, "", alias), d.Origin(t).Digest())
}

// Code computes the code of a challenge.
func Code(t testing.TB, b *bank.Bank, subject string) string {
	t.Helper()
	var issued otp.Issued
	if err := issued.Scan(b.Host.DB.Pool().QueryRow(t.Context(), otp.LoadSQL, subject)); err != nil {
		t.Fatal(err)
	}
	return issued.Code(b.Host.Keys)
}

// Wrong is a code that is not the given one.
func Wrong(code string) string {
	last := '0' + (code[len(code)-1]-'0'+1)%10
	return code[:len(code)-1] + string(last)
}
