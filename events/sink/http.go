// Package sink publishes events to an address of the platform.
package sink

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
)

// HTTP posts each event in binary mode to one address, such as a Knative Broker
// (K_SINK). Any 2xx means that the receiver has taken the event.
type HTTP struct {
	URL    string
	Client *http.Client
}

// ErrRefused reports that the address did not accept an event.
var ErrRefused = errors.New("sink: not accepted")

const (
	inFlight = 16
	timeout  = 5 * time.Second // below the relay's lease
)

// Publish posts the batch, several events at a time. It returns the first failure,
// and the relay then publishes the whole batch again.
func (h HTTP) Publish(ctx context.Context, batch []cloudevents.Event) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	slots := make(chan struct{}, inFlight)
	failed := make([]error, len(batch))
	var wait sync.WaitGroup
	for i, e := range batch {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			failed[i] = h.post(ctx, e)
		})
	}
	wait.Wait()
	return errors.Join(failed...)
}

func (h HTTP) post(ctx context.Context, e cloudevents.Event) error {
	req, err := cehttp.NewHTTPRequestFromEvent(ctx, h.URL, e)
	if err != nil {
		return fmt.Errorf("sink: %w", err)
	}
	resp, err := h.Client.Do(req)
	if err != nil {
		return fmt.Errorf("sink: %w", err)
	}
	if err := resp.Body.Close(); err != nil {
		return fmt.Errorf("sink: %w", err)
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%w: %s answered %d", ErrRefused, e.ID(), resp.StatusCode)
	}
	return nil
}
