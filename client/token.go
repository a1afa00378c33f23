package client

import (
	"time"

	"github.com/tidebank/tidebank/shared/token"
)

// Token is a dynamic token as the bank hands it out, in software: for tests and the demo. A
// customer's token is a device of its own, and its seed never leaves it.
type Token struct {
	token.Token
	Now func() time.Time // the token's clock, which may drift
}

// Screen returns the lines of an intent's text that the token shows to the customer.
func (t Token) Screen(text string) []string { return token.Screen(text) }

// Response returns the response to the challenge of the intent with this text. The customer
// has compared the screen with what is wanted.
func (t Token) Response(text string) string { return t.Answer(token.Challenge(text)) }

// Answer returns the response to a challenge that the customer has typed; the empty challenge
// gives the code that sets the clock (identity-token-sync).
func (t Token) Answer(challenge string) string {
	return token.Response(t.Algorithm, t.Seed, t.Now(), challenge)
}

// TokenProof returns the proof by a response of the customer's dynamic token.
func TokenProof(response string) StepupProof { return StepupProof{Factor: "token", Code: response} }
