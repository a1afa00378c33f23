package client

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/sm"
)

// Quick logs a customer in on a device whose key is bound: by a gesture in clear, which the
// client seals, or by a key that the phone has unlocked by the customer's finger or face.
type Quick struct {
	Phone, Alias string // one of them
	Method       device.Method
	Gesture      string         // for device.ByGesture: its points, 1 to 9 by rows
	Unlocked     *sm.PrivateKey // for device.ByFingerprint and device.ByFace
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
	if with.Unlocked == nil {
		made.Gesture, err = o.seal(with.Gesture)
		return made, err
	}
	if made.Assertion, err = sm.Sign(with.Unlocked, text); err != nil {
		return made, fmt.Errorf("client: %w", err)
	}
	return made, nil
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
