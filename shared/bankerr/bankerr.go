// Package bankerr decides what a refusal looks like from outside.
//
// Every refusal is an *Error with a kind, which fixes the HTTP status, and a
// code, which fixes the customer's text (catalogue.go). The cause travels in
// the chain for one log line and never reaches a client (ERR-001, ERR-002).
// Errors are values declared once, in the package whose rule they state, and
// are safe for concurrent use.
package bankerr

import (
	"errors"
	"net/http"
	"time"
)

// Kind says how a client should take a refusal; it alone fixes the status.
type Kind int

// The kinds, from the most harmless for the bank to the least.
const (
	Invalid         Kind = iota + 1 // the request is malformed
	Unauthenticated                 // nobody, or not sure who
	Forbidden                       // known, and not allowed
	NotFound                        // does not exist, or not for this caller
	Conflict                        // collides with another request or state
	Refused                         // well formed, and against a business rule
	TooMany                         // too often; see RetryAfter
	Unavailable                     // something behind us is down
	Internal                        // our fault; nothing is told but a trace id
)

// Status is the kind's HTTP status.
func (k Kind) Status() int {
	switch k {
	case Invalid:
		return http.StatusBadRequest
	case Unauthenticated:
		return http.StatusUnauthorized
	case Forbidden:
		return http.StatusForbidden
	case NotFound:
		return http.StatusNotFound
	case Conflict:
		return http.StatusConflict
	case Refused:
		return http.StatusUnprocessableEntity
	case TooMany:
		return http.StatusTooManyRequests
	case Unavailable:
		return http.StatusServiceUnavailable
	case Internal:
		return http.StatusInternalServerError
	}
	return http.StatusInternalServerError
}

// Error is a refusal. Two Errors are the same refusal when their codes are.
type Error struct {
	kind       Kind
	code       string
	retryAfter time.Duration
	cause      error
}

// New declares a refusal; code is NOUN_PROBLEM and must stand in the catalogue.
func New(kind Kind, code string) *Error { return &Error{kind: kind, code: code} }

// Error is for logs: the code and the cause, if one was given.
func (e *Error) Error() string {
	if e.cause == nil {
		return e.code
	}
	return e.code + ": " + e.cause.Error()
}

// Kind returns the refusal's kind.
func (e *Error) Kind() Kind { return e.kind }

// Code returns the refusal's code, as clients see it.
func (e *Error) Code() string { return e.code }

// RetryAfter returns how long a client should wait; 0 means nothing is known.
func (e *Error) RetryAfter() time.Duration { return e.retryAfter }

// Because returns the same refusal carrying its cause.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// WithRetryAfter returns the same refusal telling the client when to try again.
func (e *Error) WithRetryAfter(wait time.Duration) *Error {
	c := *e
	c.retryAfter = wait
	return &c
}

// Is reports whether target is the same refusal, whatever caused either.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.code == e.code
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// Refusals of the platform itself, which every function may give.
var (
	ErrInternal    = New(Internal, "INTERNAL_ERROR")
	ErrUnavailable = New(Unavailable, "SERVICE_UNAVAILABLE")
	ErrNotFound    = New(NotFound, "OBJECT_NOT_FOUND")
	ErrInput       = New(Invalid, "INPUT_INVALID")
)

// From finds the refusal in err's chain. An error that is none becomes
// ErrInternal with err as its cause, so that it tells a stranger nothing.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return ErrInternal.Because(err)
}
