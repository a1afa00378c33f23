package client

import (
	"context"

	"github.com/google/uuid"
)

// SendIntentCall asks for a call that tells a code for an intent. The code proves more than that of a
// text: VoiceProof.
func (c *Client) SendIntentCall(ctx context.Context, intent uuid.UUID) error {
	_, err := c.OTPSend(ctx, OTPSendRequest{Purpose: "intent", Way: "voice", IntentID: &intent})
	return err
}

// Uplink asks for a text that the customer sends to the bank's number, from the reserved number:
// UplinkText to UplinkNumber. UplinkProof is the proof, after IntentStatus has told "arrived".
func (c *Client) Uplink(ctx context.Context, intent uuid.UUID) (OTPSendReply, error) {
	return c.OTPSend(ctx, OTPSendRequest{Purpose: "intent", Way: "uplink", IntentID: &intent})
}

// IntentStatus asks what has become of an intent's code, by the way "", "voice" or "uplink".
func (c *Client) IntentStatus(ctx context.Context, intent uuid.UUID, way string) (OTPStatusReply, error) {
	return c.OTPStatus(ctx, OTPStatusRequest{Purpose: "intent", Way: way, IntentID: &intent})
}

// VoiceProof returns the proof by a code that a call has told.
func VoiceProof(code string) StepupProof { return StepupProof{Factor: "voice_otp", Code: code} }

// UplinkProof returns the proof by a text that the bank has got from the customer.
func UplinkProof() StepupProof { return StepupProof{Factor: "uplink_sms"} }
