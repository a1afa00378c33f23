// Package bankerr defines the refusals that clients see.
//
// Every refusal is an *Error with a kind and a code. The kind fixes the HTTP status;
// the code fixes the customer's text (catalogue.go). An Error wraps its cause for one
// log line; the cause never reaches a client (ERR-001, ERR-002). Each package
// declares the Errors of its own rules, once. Errors are safe for concurrent use.
package bankerr

import (
	"errors"
	"net/http"
	"time"
)

// Kind is the class of a refusal. It fixes the HTTP status.
type Kind int

// The kinds, from the most harmless to the most serious.
const (
	Left            Kind = iota + 1 // the caller has left; nobody reads the answer
	Invalid                         // the request is malformed
	Method                          // the request has a method that the function does not take
	TooLarge                        // the request is larger than the function takes
	Unauthenticated                 // the caller is not logged in, or not proven
	Forbidden                       // the caller is known and not allowed
	NotFound                        // the object does not exist, or not for this caller
	Conflict                        // the request collides with another request or a state
	Refused                         // the request is well formed and breaks a business rule
	TooMany                         // the caller calls too often; see RetryAfter
	Unavailable                     // a service that the bank needs is down
	Internal                        // the bank has a fault; the client sees a trace id only
)

// Status is the kind's HTTP status.
func (k Kind) Status() int {
	switch k {
	case Left:
		return statusLeft
	case Invalid:
		return http.StatusBadRequest
	case Method:
		return http.StatusMethodNotAllowed
	case TooLarge:
		return http.StatusRequestEntityTooLarge
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

// statusLeft is what proxies log for a client that closed its connection. No client gets
// it, and net/http has no name for it.
const statusLeft = 499

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

// RetryAfter returns the time after which a repetition may succeed. 0 means that time
// alone does not cure the refusal, or that the bank does not tell the time.
func (e *Error) RetryAfter() time.Duration { return e.retryAfter }

// Because returns the same refusal carrying its cause.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// WithRetryAfter returns the same refusal with the time that is left until a repetition
// may succeed: until a lock ends, or until a count of the day starts anew. Give each
// refusal its own time. A constant would make clients wait too long or too short.
func (e *Error) WithRetryAfter(wait time.Duration) *Error {
	c := *e
	c.retryAfter = wait
	return &c
}

// Is reports whether target is the same refusal. Causes do not matter.
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
	ErrLeft        = New(Left, "CALLER_LEFT") // for logs and metrics only
)

// From finds the refusal in err's chain. If the chain holds no refusal, From returns
// ErrInternal with err as its cause, so the client learns nothing about err.
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
