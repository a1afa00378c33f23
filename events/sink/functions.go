package sink

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/tidebank/tidebank/shared/cloudevent"
)

// Functions are event functions, at the addresses that Address makes of URL. They are no
// Sink, because each consumer answers by itself; events/broker keeps the answers.
type Functions struct {
	URL    string
	Client *http.Client
}

// Deliver posts the event in binary mode to one function, and returns its status.
func (f Functions) Deliver(ctx context.Context, consumer string, e cloudevent.Event) (int, error) {
	return post(ctx, f.Client, Address(f.URL, consumer), e)
}

// Address is the address of a function. The word FUNCTION in the text stands for the name,
// as on Knative: http://FUNCTION.tidebank.svc.cluster.local. Without this word, the name
// comes after it, as behind OpenFaaS' gateway.
func Address(text, function string) string {
	if address := strings.ReplaceAll(text, "FUNCTION", function); address != text {
		return address
	}
	return strings.TrimSuffix(text, "/") + "/" + function
}

// NewClient returns a client for events. It refuses redirects, so that events go only to
// the configured address. It keeps a connection for each event that is under way, because
// all events go to one host.
func NewClient() *http.Client {
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 32, IdleConnTimeout: 90 * time.Second}
	return &http.Client{CheckRedirect: stay, Transport: transport}
}
