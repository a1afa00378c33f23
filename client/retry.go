package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/google/uuid"
)

// CallOnce calls a function so that it has its effect at most once. The key
// identifies the request, and the bank answers a repetition with the first answer.
// CallOnce makes a fresh key if key is empty.
func (c *Client) CallOnce(ctx context.Context, function, key string, request, reply any) error {
	return c.callOnce(ctx, function, key, fixed(request), reply)
}

func (c *Client) callOnce(ctx context.Context, function, key string, request *request, reply any) error {
	if key == "" {
		key = uuid.NewString()
	}
	for try := 1; ; try++ {
		err := c.withChannel(ctx, func(o *opened) error { return c.send(ctx, o, function, key, request, reply) })
		if err == nil || try == c.config.Tries || !repeatable(err) {
			return err
		}
		pause := c.pause(err, try)
		if pause > maxPause {
			return err // the customer decides whether to wait so long
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(pause):
		}
	}
}

// repeatable reports whether the outcome is unknown or temporary. FRAME_REPLAYED is
// unknown: the network may have sent the frame twice, or many concurrent calls have
// overtaken this call.
func repeatable(err error) bool {
	var p *Problem
	if !errors.As(err, &p) {
		return !errors.Is(err, ErrBank) && !errors.Is(err, ErrNotHybrid) // the network failed
	}
	return p.Status == http.StatusServiceUnavailable || p.Status == http.StatusTooManyRequests ||
		p.Status == http.StatusBadGateway || p.Status == http.StatusGatewayTimeout ||
		p.Code == "REQUEST_IN_PROGRESS" || p.Code == "FRAME_REPLAYED"
}

const (
	// maxPause is the longest wait between two tries.
	maxPause = time.Minute
	// maxHint is the longest wait that the client takes from an answer in clear, which
	// anyone on the way may have written.
	maxHint = 5 * time.Second
)

// pause is the wait that the bank asks for in a sealed reply. Without one, it is a
// growing pause, or a hint in clear of at most maxHint.
func (c *Client) pause(err error, try int) time.Duration {
	var p *Problem
	if errors.As(err, &p) && p.RetryAfter > 0 {
		wait := time.Duration(min(p.RetryAfter, 1<<20)) * time.Second
		if p.sealed {
			return wait
		}
		return min(wait, maxHint)
	}
	full := c.config.Pause << min(try-1, 6)
	return full/2 + time.Duration(rand.Int64N(int64(full)/2+1)) //nolint:gosec // jitter, not a secret
}

// withChannel runs a call on the open channel. If the bank has forgotten the channel,
// withChannel runs the call once more on a fresh channel: the bank has refused the
// first call unread. On each channel it runs the call once more if the device's clock was
// wrong.
func (c *Client) withChannel(ctx context.Context, call func(*opened) error) error {
	o, err := c.current(ctx, nil)
	if err != nil {
		return err
	}
	err = c.inTime(o, call)
	if !errors.Is(err, &Problem{Code: "CHANNEL_EXPIRED"}) {
		return err
	}
	if o, err = c.current(ctx, o); err != nil {
		return err
	}
	return c.inTime(o, call)
}

// inTime runs a call. If the bank refuses the frame's time, inTime takes the bank's time
// from the sealed refusal and runs the call once more: the bank has refused the first
// call unread.
func (c *Client) inTime(o *opened, call func(*opened) error) error {
	err := call(o)
	var p *Problem
	if !errors.As(err, &p) || !p.sealed || p.Code != "FRAME_REJECTED" {
		return err
	}
	c.skew.Store(int64(p.at.Sub(c.config.Now())))
	return call(o)
}

// now is the bank's time, as far as the client knows it.
func (c *Client) now() time.Time { return c.config.Now().Add(time.Duration(c.skew.Load())) }
