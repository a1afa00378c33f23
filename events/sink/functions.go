package sink

import (
	"context"
	"net/http"
	"strings"
	"time"

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

// NewClient returns a client for events. It refuses redirects, so that events go only to
// the configured address. It keeps a connection for each event that is under way, because
// all events go to one host.
func NewClient() *http.Client {
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 32, IdleConnTimeout: 90 * time.Second}
	return &http.Client{CheckRedirect: stay, Transport: transport}
}
