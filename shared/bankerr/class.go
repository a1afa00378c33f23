package bankerr

import "slices"

// Class sorts the outcomes of calls for metrics and alerts.
type Class string

// The classes.
const (
	ClassOK      Class = "ok"
	ClassRefused Class = "refused" // by a rule; the client or the customer can cure it
	ClassLimited Class = "limited" // by a rate, a quota, a budget or a limit of amounts
	ClassProof   Class = "proof"   // a proof of identity did not hold, or is locked
	ClassLeft    Class = "left"    // the caller left before its answer, and nothing was committed
	ClassFailed  Class = "failed"  // the bank could not answer: only this class counts against availability
)

// Classes lists the classes.
func Classes() []Class {
	return []Class{ClassOK, ClassRefused, ClassLimited, ClassProof, ClassLeft, ClassFailed}
}

// proofs are the codes by which the bank refuses a proof.
var proofs = []string{
	"CAPTCHA_REJECTED", "FACE_REJECTED", "FACE_SUSPENDED", "LOGIN_FAILED", "LOGIN_PASSWORD_LOCKED", "PROOF_REJECTED",
	"REGISTRATION_REFUSED", "RESET_REFUSED", "STEPUP_STRONGER", "TOKEN_LOCKED", "TRADE_PASSWORD_FROZEN", "TRADE_PASSWORD_LOCKED",
}

// ClassOf returns the class of a call's outcome; nil is ClassOK.
func ClassOf(err error) Class {
	if err == nil {
		return ClassOK
	}
	e := From(err)
	switch {
	case e.kind == Internal || e.kind == Unavailable:
		return ClassFailed
	case e.kind == Left:
		return ClassLeft
	case e.kind == TooMany || e.code == "LIMIT_EXCEEDED":
		return ClassLimited
	case slices.Contains(proofs, e.code):
		return ClassProof
	}
	return ClassRefused
}
