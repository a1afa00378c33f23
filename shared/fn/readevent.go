package fn

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	handler "github.com/openfaas/templates-sdk/go-http"

	"github.com/tidebank/tidebank/shared/bankerr"
)

var errNoEvent = errors.New("neither a CloudEvent nor a connector's delivery of one")

// delivered is one event of a delivery, or the reason why it is none.
type delivered struct {
	event cloudevents.Event
	err   error
}

// read reads the events of a delivery. A delivery that can't be read at all is an
// error. In a batch, an element that is no event has an error of its own.
func (h *eventHandler) read(ctx context.Context, req handler.Request) ([]delivered, error) {
	if req.Method != http.MethodPost {
		return nil, ErrMethod
	}
	if int64(len(req.Body)) > h.host.Limits.BodyBytes {
		return nil, ErrTooLarge
	}
	if isBatch(req.Header) {
		return readBatch(req.Body)
	}
	event, err := readEvent(ctx, req)
	if err != nil {
		return nil, bankerr.ErrInput.Because(err)
	}
	return []delivered{{event: event}}, nil
}

func isBatch(header http.Header) bool {
	media, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	return err == nil && media == cloudevents.ApplicationCloudEventsBatchJSON
}

// readBatch reads a JSON array of events; the empty array holds no event.
func readBatch(body []byte) ([]delivered, error) {
	var elements []json.RawMessage
	if err := json.Unmarshal(body, &elements); err != nil || elements == nil {
		return nil, bankerr.ErrInput.Because(errors.Join(errNoEvent, err))
	}
	batch := make([]delivered, len(elements))
	for i, element := range elements {
		err := json.Unmarshal(element, &batch[i].event)
		if err == nil {
			err = batch[i].event.Validate()
		}
		if err != nil {
			batch[i] = delivered{err: bankerr.ErrInput.Because(fmt.Errorf("event %d of the batch: %w", i, err))}
		}
	}
	return batch, nil
}

// readEvent reads a CloudEvent in binary or structured mode. OpenFaaS connectors
// send the structured event raw under X-Topic.
func readEvent(ctx context.Context, req handler.Request) (cloudevents.Event, error) {
	header := req.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if header.Get("X-Topic") != "" && header.Get("Ce-Id") == "" {
		header.Set("Content-Type", cloudevents.ApplicationCloudEventsJSON)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "/", bytes.NewReader(req.Body))
	if err != nil {
		return cloudevents.Event{}, fmt.Errorf("event request: %w", err)
	}
	r.Header = header
	event, err := cehttp.NewEventFromHTTPRequest(r)
	if err != nil || event == nil {
		return cloudevents.Event{}, errors.Join(errNoEvent, err)
	}
	if err := event.Validate(); err != nil {
		return cloudevents.Event{}, fmt.Errorf("event: %w", err)
	}
	return *event, nil
}
