package client

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/passkey"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Authenticator is a browser's authenticator (navigator.credentials): it recognises the customer, and makes
// and uses the passkey of the bank's site.
type Authenticator interface {
	Register(challenge []byte) (passkey.Registration, error)
	Assert(challenge []byte) (passkey.Assertion, error)
}

// UKey is a key in the phone with a certificate of the bank's authority.
type UKey struct {
	Key         *sm.PrivateKey
	Certificate *sm.Certificate
}

// Quick logs a customer in on a device whose key is bound: by a gesture or PIN in clear, which the
// client seals, by a soft UKey beside the PIN, by a key that the phone has unlocked by the customer's finger
// or face, or by the passkey of the browser.
type Quick struct {
	Phone, Alias string // one of them
	Method       device.Method
	Gesture      string         // for device.ByGesture: its points, 1 to 9 by rows
	PIN          string         // for device.ByPIN and device.BySoftUKey: six digits
	UKey         *UKey          // for device.BySoftUKey
	Unlocked     *sm.PrivateKey // for device.ByFingerprint and device.ByFace
	Passkey      Authenticator  // for device.ByPasskey
	Captcha      Captcha        // after CAPTCHA_REQUIRED; see Config.Captcha
}

// QuickLogin logs in on a bound device. It first asks for the challenge that the keys sign.
func (c *Client) QuickLogin(ctx context.Context, with Quick) (IdentityQuickLoginReply, error) {
	var reply IdentityQuickLoginReply
	if c.config.Device == nil {
		return reply, ErrNoDevice
	}
	err := c.solving(ctx, with.Captcha, func(solved Captcha) error {
		with.Captcha = solved
		return c.call(ctx, "identity-quick-login", &request{make: func(o *opened) (any, error) {
			return c.quick(ctx, o, with)
		}}, &reply)
	})
	return reply, err
}

// quick makes the request of a quick login for a channel. A challenge is good once, and on its
// channel.
func (c *Client) quick(ctx context.Context, o *opened, with Quick) (IdentityQuickLoginRequest, error) {
	made := IdentityQuickLoginRequest{
		Phone: with.Phone, Alias: with.Alias, Method: string(with.Method), CaptchaID: with.Captcha.ID, CaptchaAnswer: with.Captcha.Answer,
	}
	var told IdentityQuickChallengeReply
	if err := c.send(ctx, o, "identity-quick-challenge", "", fixed(struct{}{}), &told); err != nil {
		return made, err
	}
	made.Challenge = told.Challenge
	report, err := c.findings(o, nil, "")
	if err != nil {
		return made, err
	}
	made.Environment = &report
	if made.DevicePublicKey, err = c.config.Device.Public().Marshal(); err != nil {
		return made, fmt.Errorf("client: %w", err)
	}
	from := device.Origin{DeviceID: c.config.DeviceID, Public: made.DevicePublicKey}
	text := device.QuickText(o.id, from, made.Challenge, with.Method)
	if made.DeviceSignature, err = sm.Sign(c.config.Device, text); err != nil {
		return made, fmt.Errorf("client: %w", err)
	}
	err = prove(o, with, &made, from)
	return made, err
}

// prove adds the second factor to the request.
func prove(o *opened, with Quick, made *IdentityQuickLoginRequest, from device.Origin) (err error) {
	text := device.QuickText(o.id, from, made.Challenge, with.Method)
	if with.Gesture != "" {
		if made.Gesture, err = o.seal(with.Gesture); err != nil {
			return err
		}
	}
	if with.PIN != "" {
		if made.PIN, err = o.seal(with.PIN); err != nil {
			return err
		}
	}
	switch {
	case with.Unlocked != nil:
		made.Assertion, err = sm.Sign(with.Unlocked, text)
	case with.UKey != nil:
		made.SignedData, err = sm.NewSignedData(with.UKey.Key, with.UKey.Certificate, text)
	case with.Passkey != nil:
		var signed passkey.Assertion
		signed, err = with.Passkey.Assert(device.PasskeyLogin(o.id, from, made.Challenge))
		made.Passkey = wireAssertion(signed)
	}
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	return nil
}

// wireAssertion is a passkey's answer as a request holds it.
func wireAssertion(a passkey.Assertion) *PasskeyAssertion {
	return &PasskeyAssertion{
		CredentialID: a.CredentialID, ClientData: a.ClientData, AuthenticatorData: a.AuthenticatorData, Signature: a.Signature,
	}
}

// PasskeyProof returns the proof by the passkey of the browser: it answers a challenge that is derived from the
// digest of the intent's text.
func PasskeyProof(by Authenticator, digest []byte) (StepupProof, error) {
	signed, err := by.Assert(stepup.PasskeyChallenge(digest))
	if err != nil {
		return StepupProof{}, fmt.Errorf("client: %w", err)
	}
	return StepupProof{Factor: "passkey", Passkey: wireAssertion(signed)}, nil
}

// SetPasskey confirms the intent that registers a passkey of the browser. digest is that of the intent's text.
func (c *Client) SetPasskey(ctx context.Context, intent uuid.UUID, digest []byte, by Authenticator, proofs ...StepupProof) error {
	var reply IdentityPasskeySetReply
	return c.callOnce(ctx, "identity-passkey-set", uuid.NewString(), &request{make: func(o *opened) (any, error) {
		made, err := by.Register(device.PasskeyRegistration(o.id, c.config.DeviceID, digest))
		if err != nil {
			return nil, fmt.Errorf("client: %w", err)
		}
		return IdentityPasskeySetRequest{IntentID: intent, Proofs: proofs, Passkey: PasskeyRegistration{
			CredentialID: made.CredentialID, ClientData: made.ClientData, Attestation: made.Attestation,
		}}, nil
	}}, &reply)
}

// SetPIN confirms the intent that sets the PIN of this device.
func (c *Client) SetPIN(ctx context.Context, intent uuid.UUID, pin string, proofs ...StepupProof) error {
	var reply IdentityPinSetReply
	return c.callOnce(ctx, "identity-pin-set", uuid.NewString(), &request{make: func(o *opened) (any, error) {
		sealed, err := o.seal(pin)
		return IdentityPinSetRequest{IntentID: intent, Proofs: proofs, PIN: sealed}, err
	}}, &reply)
}

// UnlockProof returns the proof by a key that the phone has unlocked by finger or face: a
// signature over the intent's text.
func UnlockProof(unlocked *sm.PrivateKey, text string) (StepupProof, error) {
	signature, err := sm.Sign(unlocked, []byte(text))
	if err != nil {
		return StepupProof{}, fmt.Errorf("client: %w", err)
	}
	return StepupProof{Factor: "unlock_key", Signature: signature}, nil
}

// SetGesture confirms the intent that sets the gesture of this device.
func (c *Client) SetGesture(ctx context.Context, intent uuid.UUID, gesture string, proofs ...StepupProof) error {
	var reply IdentityGestureSetReply
	return c.callOnce(ctx, "identity-gesture-set", uuid.NewString(), &request{make: func(o *opened) (any, error) {
		sealed, err := o.seal(gesture)
		return IdentityGestureSetRequest{IntentID: intent, Proofs: proofs, Gesture: sealed}, err
	}}, &reply)
}

// SetUnlockKey confirms the intent that registers a key which the phone unlocks by finger or
// face. The private key never leaves the phone's key store.
func (c *Client) SetUnlockKey(
	ctx context.Context, intent uuid.UUID, by device.Method, key *sm.PrivateKey, proofs ...StepupProof,
) error {
	public, err := key.Public().Marshal()
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	var reply IdentityUnlockKeySetReply
	return c.callOnce(ctx, "identity-unlock-key-set", uuid.NewString(), &request{make: func(o *opened) (any, error) {
		made := IdentityUnlockKeySetRequest{IntentID: intent, Proofs: proofs, PublicKey: public}
		var err error
		if made.Signature, err = sm.Sign(key, device.UnlockText(o.id, c.config.DeviceID, by, public)); err != nil {
			return nil, fmt.Errorf("client: %w", err)
		}
		return made, nil
	}}, &reply)
}
