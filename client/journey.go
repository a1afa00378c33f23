package client

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/sm"
)

// Captcha is the customer's answer to a graphic code of CaptchaIssue. The zero value is
// no answer.
type Captcha struct{ ID, Answer string }

// SendOTP asks for a code: purpose register or login, for a phone. The bank refuses a
// device that it does not know with CAPTCHA_REQUIRED unless the captcha is solved.
func (c *Client) SendOTP(ctx context.Context, purpose, phone string, solved Captcha) error {
	_, err := c.OTPSend(ctx, OTPSendRequest{
		Purpose: purpose, Phone: phone, CaptchaID: solved.ID, CaptchaAnswer: solved.Answer,
	})
	return err
}

// SendIntentOTP asks for a code that confirms an intent.
func (c *Client) SendIntentOTP(ctx context.Context, intent uuid.UUID) error {
	_, err := c.OTPSend(ctx, OTPSendRequest{Purpose: "intent", IntentID: &intent})
	return err
}

// Application holds the data for signing up. The passwords are in clear; the client
// seals them.
type Application struct {
	Name, IDNo, CardNo, CardPassword, Phone, OTP string
	LoginPassword, TradePassword                 string
}

// Register signs up for mobile banking and binds the device's key.
func (c *Client) Register(ctx context.Context, a Application) error {
	key, err := c.config.Device.Public().Marshal()
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	var reply IdentityRegisterReply
	return c.callOnce(ctx, "identity-register", "", &request{make: func(o *opened) (any, error) {
		made := IdentityRegisterRequest{
			Name: a.Name, IDNo: a.IDNo, CardNo: a.CardNo, Phone: a.Phone, OTP: a.OTP, DevicePublicKey: key,
		}
		for _, p := range []struct {
			clear  string
			sealed *[]byte
		}{
			{a.CardPassword, &made.CardPassword}, {a.LoginPassword, &made.LoginPassword}, {a.TradePassword, &made.TradePassword},
		} {
			var err error
			if *p.sealed, err = o.seal(p.clear); err != nil {
				return nil, err
			}
		}
		return made, nil
	}}, &reply)
}

// Login logs in with password and code, and binds the device's key.
func (c *Client) Login(ctx context.Context, phone, password, otp string) (IdentityLoginReply, error) {
	var reply IdentityLoginReply
	key, err := c.config.Device.Public().Marshal()
	if err != nil {
		return reply, fmt.Errorf("client: %w", err)
	}
	err = c.call(ctx, "identity-login", &request{make: func(o *opened) (any, error) {
		sealed, err := o.seal(password)
		return IdentityLoginRequest{Phone: phone, Password: sealed, OTP: otp, DevicePublicKey: key}, err
	}}, &reply)
	return reply, err
}

// OTPProof returns the proof by a one-time code.
func OTPProof(code string) StepupProof { return StepupProof{Factor: "sms_otp", Code: code} }

// SignProof returns the proof by the device's key: a signature over the intent's
// text.
func (c *Client) SignProof(text string) (StepupProof, error) {
	signature, err := sm.Sign(c.config.Device, []byte(text))
	if err != nil {
		return StepupProof{}, fmt.Errorf("client: %w", err)
	}
	return StepupProof{Factor: "device_key", Signature: signature}, nil
}

// PasswordProof returns the proof by the trade password.
func (c *Client) PasswordProof(ctx context.Context, password string) (StepupProof, error) {
	sealed, err := c.SealPassword(ctx, password)
	return StepupProof{Factor: "trade_password", Password: sealed}, err
}
