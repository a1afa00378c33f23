package client

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/sm"
)

// LearnPins returns the bank's current and next channel keys. The app stores them and
// passes them to later clients as NextPins, so that it still knows the bank after the
// bank has changed its key. An app calls it, for example, once a day.
func (c *Client) LearnPins(ctx context.Context) ([]*sm.PublicKey, error) {
	told, err := c.ChannelCertificates(ctx)
	if err != nil {
		return nil, err
	}
	var pins []*sm.PublicKey
	for _, t := range told.Certificates {
		public, err := sm.ParsePublicKey(t.PublicKey)
		if err != nil {
			return nil, fmt.Errorf("client: %w", err)
		}
		pins = append(pins, public)
	}
	return pins, nil
}

// SendOTP asks for a code: purpose register or login, for a phone. It proves the device's
// key, as Register and Login do: the code is for the caller who proved the same key. The
// bank asks a device that it does not know for a graphic code (Config.Captcha).
func (c *Client) SendOTP(ctx context.Context, purpose, phone string, solved Captcha) error {
	return c.solving(ctx, solved, func(solved Captcha) error {
		var reply OTPSendReply
		return c.call(ctx, "otp-send", &request{make: func(o *opened) (any, error) {
			key, signature, err := c.possession(o)
			return OTPSendRequest{
				Purpose: purpose, Phone: phone, CaptchaID: solved.ID, CaptchaAnswer: solved.Answer,
				DevicePublicKey: key, DeviceSignature: signature,
			}, err
		}}, &reply)
	})
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
	Captcha                                      Captcha // after CAPTCHA_REQUIRED; see Config.Captcha
}

// Register signs up for mobile banking and binds the device's key.
func (c *Client) Register(ctx context.Context, a Application) error {
	if c.config.Device == nil {
		return ErrNoDevice
	}
	once := uuid.NewString()
	return c.solving(ctx, a.Captcha, func(solved Captcha) error {
		a.Captcha = solved
		var reply IdentityRegisterReply
		return c.callOnce(ctx, "identity-register", once, &request{make: func(o *opened) (any, error) {
			return c.application(o, a)
		}}, &reply)
	})
}

// application makes the request of a sign-up for a channel.
func (c *Client) application(o *opened, a Application) (IdentityRegisterRequest, error) {
	made := IdentityRegisterRequest{
		Name: a.Name, IDNo: a.IDNo, CardNo: a.CardNo, Phone: a.Phone, OTP: a.OTP,
		CaptchaID: a.Captcha.ID, CaptchaAnswer: a.Captcha.Answer,
	}
	var err error
	if made.DevicePublicKey, made.DeviceSignature, err = c.possession(o); err != nil {
		return made, err
	}
	for _, p := range []struct {
		clear  string
		sealed *[]byte
	}{
		{a.CardPassword, &made.CardPassword}, {a.LoginPassword, &made.LoginPassword}, {a.TradePassword, &made.TradePassword},
	} {
		if *p.sealed, err = o.seal(p.clear); err != nil {
			return made, err
		}
	}
	return made, nil
}

// Login logs in with password and code. The device proves its key; the reply tells
// whether this key is bound.
func (c *Client) Login(ctx context.Context, phone, password, otp string) (IdentityLoginReply, error) {
	return c.LoginBinding(ctx, Credentials{Phone: phone, Password: password, OTP: otp})
}

// Credentials log a customer in. With TradePassword and CardNo, the login also binds the
// device's key. The passwords are in clear; the client seals them.
type Credentials struct {
	Phone, Password, OTP, TradePassword, CardNo string
	OldDevice                                   *sm.PrivateKey // the device's earlier key, which Config.Device replaces
	Captcha                                     Captcha        // after CAPTCHA_REQUIRED; see Config.Captcha
}

// LoginBinding logs in, and binds the device's key if the credentials hold the step-up or
// the device's earlier key.
func (c *Client) LoginBinding(ctx context.Context, with Credentials) (IdentityLoginReply, error) {
	var reply IdentityLoginReply
	if c.config.Device == nil && (with.TradePassword != "" || with.OldDevice != nil) {
		return reply, ErrNoDevice
	}
	err := c.solving(ctx, with.Captcha, func(solved Captcha) error {
		with.Captcha = solved
		return c.call(ctx, "identity-login", &request{make: func(o *opened) (any, error) {
			return c.credentials(o, with)
		}}, &reply)
	})
	return reply, err
}

// credentials makes the request of a login for a channel.
func (c *Client) credentials(o *opened, with Credentials) (IdentityLoginRequest, error) {
	made := IdentityLoginRequest{
		Phone: with.Phone, OTP: with.OTP, CardNo: with.CardNo,
		CaptchaID: with.Captcha.ID, CaptchaAnswer: with.Captcha.Answer,
	}
	var err error
	if made.DevicePublicKey, made.DeviceSignature, err = c.possession(o); err != nil {
		return made, err
	}
	report, err := c.findings(o, nil, "")
	if err != nil {
		return made, err
	}
	made.Environment = &report
	if with.OldDevice != nil {
		text := device.Text(o.id, c.config.DeviceID, made.DevicePublicKey)
		if made.OldKeySignature, err = sm.Sign(with.OldDevice, text); err != nil {
			return made, fmt.Errorf("client: %w", err)
		}
	}
	if made.Password, err = o.seal(with.Password); err != nil || with.TradePassword == "" {
		return made, err
	}
	made.TradePassword, err = o.seal(with.TradePassword)
	return made, err
}

// possession returns the device's public key, and the signature by which the device
// proves it on the channel. An app without a device key proves none.
func (c *Client) possession(o *opened) (key, signature []byte, err error) {
	if c.config.Device == nil {
		return nil, nil, nil
	}
	if key, err = c.config.Device.Public().Marshal(); err != nil {
		return nil, nil, fmt.Errorf("client: %w", err)
	}
	if signature, err = sm.Sign(c.config.Device, device.Text(o.id, c.config.DeviceID, key)); err != nil {
		return nil, nil, fmt.Errorf("client: %w", err)
	}
	return key, signature, nil
}

// OTPProof returns the proof by a one-time code.
func OTPProof(code string) StepupProof { return StepupProof{Factor: "sms_otp", Code: code} }

// SignProof returns the proof by the device's key: a signature over the intent's
// text.
func (c *Client) SignProof(text string) (StepupProof, error) {
	if c.config.Device == nil {
		return StepupProof{}, ErrNoDevice
	}
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
