// Package sink publishes events to an address of the platform.
package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/downstream"
)

// HTTP posts each event in binary mode to one address, such as a Knative Broker
// (K_SINK). Any 2xx means that the receiver has taken the event.
type HTTP struct {
	URL    string
	Client *http.Client
	Timer  *downstream.Timer // times the posts; nil times nothing
}

// ErrNotTaken reports that the address did not take an event; a later try may succeed.
var ErrNotTaken = errors.New("sink: not taken")

const (
	inFlight = 16
	timeout  = 5 * time.Second // below the relay's lease
)

// Publish posts the batch, several events at a time. It returns the result of each
// event: events.ErrRefused if the receiver refuses it for good, events.ErrNotTried if
// receivers that did not answer used up the time.
func (h HTTP) Publish(ctx context.Context, batch []cloudevent.Event) []error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	slots := make(chan struct{}, inFlight)
	results := make([]error, len(batch))
	var wait sync.WaitGroup
	for i, e := range batch {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			results[i] = events.ErrNotTried
			continue
		}
		wait.Go(func() {
			defer func() { <-slots }()
			results[i] = h.post(ctx, e)
		})
	}
	wait.Wait()
	return results
}

func (h HTTP) post(ctx context.Context, e cloudevent.Event) error {
	ctx, call := h.Timer.Begin(ctx, "post event")
	status, err := post(ctx, h.Client, h.URL, e)
	call.End(err != nil || status >= http.StatusInternalServerError)
	switch {
	case err != nil:
		return err
	case status/100 == 2:
		return nil
	case events.Permanent(status) || status == http.StatusUnsupportedMediaType: // a receiver that is no function of ours
		return fmt.Errorf("%w: answered %d", events.ErrRefused, status)
	}
	return fmt.Errorf("%w: answered %d", ErrNotTaken, status)
}

// drained is how much of an answer post reads; receivers of events answer nothing or a
// short problem.
const drained = 4 << 10

// post posts the event in binary mode to an address, and returns the status.
func post(ctx context.Context, client *http.Client, url string, e cloudevent.Event) (status int, err error) {
	req, err := cloudevent.NewRequest(ctx, url, e)
	if err != nil {
		return 0, fmt.Errorf("sink: %w", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("sink: %w", err)
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, drained)) // so that the connection can be used again
	_ = resp.Body.Close()                                          // the status has been read
	return resp.StatusCode, nil
}
