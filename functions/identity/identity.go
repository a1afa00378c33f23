// Package identity holds the rules for signing up, logging in and logging out.
//
// Before login, no answer shows whether a number or a person is known: every failure
// of one kind has one refusal and costs the same work (AUTH-009). The bank counts an
// attempt before it compares the guess, by number and origin (the device id with the key
// that the caller proved, shared/device). After three wrong
// attempts in a row it asks for a graphic code. After five it locks the number on this
// device for 30 minutes. Attempts with the right code count for the number on all
// devices: five lock it for 30 minutes, ten in a day freeze it (AUTH-010, AUTH-011).
//
// On a bound device, a customer may also log in by the device's key and a gesture, a finger or a
// face. Wrong gestures count by customer and device.
//
// A customer who is logged in prepares a change of a password as an intent, and confirms it
// with two factors. A customer who forgot the login password resets it before login, with
// registered data and a one-time code. Refusals: LOGIN_FAILED, REGISTRATION_REFUSED,
// RESET_REFUSED, RESET_BRANCH_ONLY.
package identity

import "github.com/tidebank/tidebank/shared/bankerr"

// Refusals.
var (
	ErrLoginFailed         = bankerr.New(bankerr.Unauthenticated, "LOGIN_FAILED")
	ErrRegistrationRefused = bankerr.New(bankerr.Refused, "REGISTRATION_REFUSED")
	ErrResetRefused        = bankerr.New(bankerr.Refused, "RESET_REFUSED")
	ErrBranchOnly          = bankerr.New(bankerr.Refused, "RESET_BRANCH_ONLY")
)
