// Package peer signs requests to a service of a partner that shares a secret with the bank:
// the SMS gateway, the certificate authority, the face engine.
//
// A request is JSON. Its headers hold the time in Unix seconds and the HMAC-SM3 of time and
// body (Sign). Signed checks both, for simulators of such services. The signature of an answer
// has the request's signature in place of the time, so the answer belongs to one request
// (SignAnswer, Answers). The functions are safe for concurrent use. Source: KEY-009.
package peer

import (
	"bytes"
	"context"
	"crypto/hmac"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/tidebank/tidebank/shared/sm"
)

// The headers of a request. A signed answer has the second one.
const (
	HeaderTimestamp = "X-Timestamp" // Unix seconds
	HeaderSignature = "X-Signature" // Sign
	MaxSkew         = 5 * time.Minute
)

// Sign returns a request's signature in lower-case hex: the HMAC-SM3 of timestamp and
// body under the secret, each preceded by its length in four bytes.
func Sign(secret, timestamp string, body []byte) string {
	return hex.EncodeToString(sm.MAC([]byte(secret), []byte(timestamp), body))
}

// Signed reports whether the holder of the secret has signed the request within the last
// minutes.
func Signed(secret string, header http.Header, body []byte, now time.Time) bool {
	at := header.Get(HeaderTimestamp)
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > MaxSkew {
		return false
	}
	return hmac.Equal([]byte(Sign(secret, at, body)), []byte(header.Get(HeaderSignature)))
}

// Post makes a signed request that posts a value as JSON.
func Post(ctx context.Context, url, secret string, at time.Time, value any) (*http.Request, error) {
	body, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("signed request: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("signed request: %w", err)
	}
	seconds := strconv.FormatInt(at.Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(HeaderTimestamp, seconds)
	req.Header.Set(HeaderSignature, Sign(secret, seconds, body))
	return req, nil
}

// SignAnswer writes the signature of the answer to a request into the answer's header.
func SignAnswer(answer http.Header, secret string, request http.Header, body []byte) {
	answer.Set(HeaderSignature, Sign(secret, request.Get(HeaderSignature), body))
}

// Answers reports whether the holder of the secret has signed the answer to the request.
func Answers(answer http.Header, secret string, request http.Header, body []byte) bool {
	want := Sign(secret, request.Get(HeaderSignature), body)
	return hmac.Equal([]byte(want), []byte(answer.Get(HeaderSignature)))
}

// Client returns a client of a partner's service: it waits for an answer no longer than the
// timeout, and sends requests only to their own address.
func Client(timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
