// Package identity holds the rules for signing up, logging in and logging out.
//
// Before login, no answer shows whether a number or a person is known: every failure
// of one kind has one refusal and costs the same work (AUTH-009). The bank counts an
// attempt before it compares the guess. After three wrong attempts it asks for a
// graphic code. After five in a row it locks the number for 30 minutes. After ten in
// a day it freezes the number (AUTH-010, AUTH-011). Refusals: LOGIN_FAILED,
// REGISTRATION_REFUSED, PASSWORD_WEAK, CAPTCHA_REQUIRED, CAPTCHA_REJECTED.
package identity

import "github.com/tidebank/tidebank/shared/bankerr"

// Refusals.
var (
	ErrLoginFailed         = bankerr.New(bankerr.Unauthenticated, "LOGIN_FAILED")
	ErrRegistrationRefused = bankerr.New(bankerr.Refused, "REGISTRATION_REFUSED")
	ErrCaptchaRequired     = bankerr.New(bankerr.Unauthenticated, "CAPTCHA_REQUIRED")
	ErrCaptchaRejected     = bankerr.New(bankerr.Unauthenticated, "CAPTCHA_REJECTED")
)
