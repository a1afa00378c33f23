package identity

import (
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/otp"
)

// CodeAttempt is the attempt at the code before login that this origin has asked for, of
// the number with the blind index phone.
func CodeAttempt(purpose string, phone []byte, from device.Origin, code string) otp.Attempt {
	origin := from.Digest()
	return otp.Attempt{
		Subject: otp.PhoneSubject(purpose, phone, origin), DeviceID: from.DeviceID, Code: code,
		Binding: customer.PhoneBinding(purpose, phone, origin),
	}
}
