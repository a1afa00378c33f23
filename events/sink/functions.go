package sink

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
)

// Functions are event functions behind one address, such as OpenFaaS' gateway: the
// function audit-on-event is at URL/audit-on-event. They are no Sink, because each
// consumer answers by itself; events/broker keeps the answers.
type Functions struct {
	URL    string
	Client *http.Client
}

// Deliver posts the event in binary mode to one function, and returns its status.
func (f Functions) Deliver(ctx context.Context, consumer string, e cloudevents.Event) (int, error) {
	req, err := cehttp.NewHTTPRequestFromEvent(ctx, strings.TrimSuffix(f.URL, "/")+"/"+consumer, e)
	if err != nil {
		return 0, fmt.Errorf("deliver: %w", err)
	}
	resp, err := f.Client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("deliver: %w", err)
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, drained)) // so that the connection can be used again
	_ = resp.Body.Close()                                          // the status has been read
	return resp.StatusCode, nil
}

// drained is how much of an answer Deliver reads; event functions answer nothing or a
// short problem.
const drained = 4 << 10
