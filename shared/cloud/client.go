package cloud

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Client calls services that speak AWS' JSON protocol.
type Client struct {
	config      Config
	http        *http.Client
	signer      *v4.Signer
	credentials aws.CredentialsProvider
	now         func() time.Time
}

// Error is the refusal of a service.
type Error struct {
	Status int
	Code   string // such as ResourceNotFoundException; empty if the answer names none
}

func (e *Error) Error() string {
	if e.Code == "" {
		return fmt.Sprintf("cloud: answered %d", e.Status)
	}
	return "cloud: " + e.Code
}

const (
	tries      = 3
	callTime   = 10 * time.Second // for a call with all its tries
	tryTime    = 4 * time.Second
	pauseBase  = 100 * time.Millisecond
	answerSize = 1 << 20
)

// operation is one operation of a service.
type operation struct {
	service, region, target string
}

// call posts the request, and decodes the answer. It tries again after an answer that may
// be better later, and ends after ten seconds at most.
func (c *Client) call(ctx context.Context, op operation, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("cloud: %w", err)
	}
	for try := range tries {
		if try > 0 {
			select {
			case <-ctx.Done():
				return err
			case <-time.After(pauseBase<<try + time.Duration(rand.Int64N(int64(pauseBase)))): //nolint:gosec // jitter, not a secret
			}
		}
		if err = c.once(ctx, op, body, out); err == nil || !again(err) {
			return err
		}
	}
	return err
}

// again reports whether a later try may succeed.
func again(err error) bool {
	var refused *Error
	if !errors.As(err, &refused) {
		return !errors.Is(err, errCredentials) && !errors.Is(err, ErrNoRegion)
	}
	return refused.Status >= http.StatusInternalServerError || refused.Status == http.StatusTooManyRequests ||
		strings.HasPrefix(refused.Code, "Throttl")
}

func (c *Client) once(ctx context.Context, op operation, body []byte, out any) error {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	address, err := c.config.address(op.service, op.region)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return errors.New("cloud: AWS_ENDPOINT_URL is no address") //nolint:err113 // it must not show the address
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", op.target)
	proof, err := c.credentials.Retrieve(ctx)
	if err != nil {
		return fmt.Errorf("cloud: %w", err)
	}
	digest := sha256.Sum256(body) // the digest that signature version 4 asks for
	if err := c.signer.SignHTTP(ctx, proof, req, hex.EncodeToString(digest[:]), op.service, op.region, c.now()); err != nil {
		return fmt.Errorf("cloud: sign: %w", err)
	}
	status, raw, err := fetch(c.http, req)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return refusal(status, raw)
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return errors.New("cloud: the answer is no JSON of this operation") //nolint:err113 // it must not show the answer
	}
	return nil
}

// refusal reads the code of an answer, such as
// "com.amazonaws.kms#NotFoundException" or "NotFoundException".
func refusal(status int, raw []byte) error {
	var told struct {
		Type string `json:"__type"`
	}
	_ = json.Unmarshal(raw, &told) // without a code, the status must do
	return &Error{Status: status, Code: told.Type[strings.LastIndex(told.Type, "#")+1:]}
}

// fetch sends a request, and reads its answer up to a bound. Its errors name no address
// with a password.
func fetch(client *http.Client, req *http.Request) (int, []byte, error) {
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("cloud: %s: %w", req.URL.Hostname(), errors.Unwrap(err))
	}
	defer resp.Body.Close() // the answer has been read
	raw, err := io.ReadAll(io.LimitReader(resp.Body, answerSize))
	if err != nil {
		return 0, nil, fmt.Errorf("cloud: %s: %w", req.URL.Hostname(), err)
	}
	return resp.StatusCode, raw, nil
}
