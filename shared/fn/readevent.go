package fn

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"

	handler "github.com/openfaas/templates-sdk/go-http"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/cloudevent"
)

var errNoEvent = errors.New("neither a CloudEvent nor a connector's delivery of one")

// delivered is one event of a delivery, or the reason why it is none.
type delivered struct {
	event cloudevent.Event
	err   error
}

// read reads the events of a delivery. A delivery that can't be read at all is an
// error. In a batch, an element that is no event has an error of its own.
func (h *eventHandler) read(req handler.Request) ([]delivered, error) {
	if req.Method != http.MethodPost {
		return nil, ErrMethod
	}
	if int64(len(req.Body)) > h.host.Limits.BodyBytes {
		return nil, ErrTooLarge
	}
	if isBatch(req.Header) {
		return readBatch(req.Body)
	}
	event, err := readEvent(req)
	if err != nil {
		return nil, bankerr.ErrInput.Because(err)
	}
	return []delivered{{event: event}}, nil
}

func isBatch(header http.Header) bool {
	media, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	return err == nil && media == cloudevent.BatchJSON
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
func readEvent(req handler.Request) (cloudevent.Event, error) {
	header := req.Header
	if header.Get("X-Topic") != "" && header.Get("Ce-Id") == "" {
		header = header.Clone()
		header.Set("Content-Type", cloudevent.JSON)
	}
	event, err := cloudevent.FromHTTP(header, req.Body)
	if err != nil {
		return event, errors.Join(errNoEvent, err)
	}
	return event, nil
}
