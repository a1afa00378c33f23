// Package identity holds the rules of signing up, logging in and out.
//
// Before login no answer tells whether a number or a person is known: every
// failure of one kind has one refusal and costs the same work (AUTH-009).
// Attempts are counted before the guess is looked at: three wrong ask for a
// graphic code, five in a row lock for 30 minutes, ten in a day freeze
// (AUTH-010, AUTH-011). Refusals: LOGIN_FAILED, REGISTRATION_REFUSED,
// PASSWORD_WEAK, CAPTCHA_REQUIRED, CAPTCHA_REJECTED.
package identity

import "github.com/tidebank/tidebank/shared/bankerr"

// Refusals.
var (
	ErrLoginFailed         = bankerr.New(bankerr.Unauthenticated, "LOGIN_FAILED")
	ErrRegistrationRefused = bankerr.New(bankerr.Refused, "REGISTRATION_REFUSED")
	ErrCaptchaRequired     = bankerr.New(bankerr.Unauthenticated, "CAPTCHA_REQUIRED")
	ErrCaptchaRejected     = bankerr.New(bankerr.Unauthenticated, "CAPTCHA_REJECTED")
)
