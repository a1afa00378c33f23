package sink

import (
	"context"
	"net/http"
	"strings"

	"github.com/tidebank/tidebank/shared/cloudevent"
)

// Functions are event functions behind one address, such as OpenFaaS' gateway: the
// function audit-on-event is at URL/audit-on-event. They are no Sink, because each
// consumer answers by itself; events/broker keeps the answers.
type Functions struct {
	URL    string
	Client *http.Client
}

// Deliver posts the event in binary mode to one function, and returns its status.
func (f Functions) Deliver(ctx context.Context, consumer string, e cloudevent.Event) (int, error) {
	return post(ctx, f.Client, strings.TrimSuffix(f.URL, "/")+"/"+consumer, e)
}
