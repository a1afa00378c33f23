// Package relay publishes the bank's events from the outbox to the platform's sink.
//
//	outbox → K_SINK or SINK_URL (a Knative Broker, or any CloudEvents receiver)
//
// It publishes each event at least once, in batches; events/relay describes the
// details. Any number of relays may run. RELAY_LEASE must be longer than the sink's
// time-out of 5 s. In the local bank the sink is the local broker.
package relay

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/tidebank/tidebank/events/relay"
	"github.com/tidebank/tidebank/events/sink"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
)

// Worker declares the worker. The registry and its main are generated from it.
var Worker = fn.Worker(fn.Spec{
	Name: "events-relay", Summary: "Publish the bank's events to the sink", Keys: []keys.Purpose{keys.Event},
}, wire)

// Config holds the address of the sink, and the size and lease of batches.
type Config struct {
	KSink   string        `envconfig:"K_SINK" form:"http"` // a Knative SinkBinding sets it
	SinkURL string        `envconfig:"SINK_URL" form:"http" secret:"true"`
	Lease   time.Duration `envconfig:"RELAY_LEASE" default:"10s" min:"6s" max:"10m"`
	Batch   int           `envconfig:"RELAY_BATCH" default:"200" max:"5000"`

	Sink relay.Sink `ignored:"true"` // the local bank sets it instead of an address
}

// Errors of the configuration.
var (
	ErrSinks = errors.New("set either K_SINK or SINK_URL, and not both: the relay needs one sink")
)

func (c Config) sink() (relay.Sink, error) {
	if c.Sink != nil {
		return c.Sink, nil
	}
	if (c.KSink == "") == (c.SinkURL == "") {
		return nil, ErrSinks
	}
	return sink.HTTP{URL: c.KSink + c.SinkURL, Client: &http.Client{CheckRedirect: stay}}, nil
}

// stay refuses redirects, so that events go only to the configured address.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func wire(_ context.Context, lent *fn.WorkerLent, config Config) (fn.Work, error) {
	to, err := config.sink()
	if err != nil {
		return nil, err
	}
	r := &relay.Relay{
		DB: lent.DB, Ring: lent.Keys, Sink: to, Log: lent.Log, Lease: config.Lease, Batch: config.Batch,
	}
	r.Observe(lent.Metrics) //nolint:contextcheck // a scrape has its own time-out
	return r.Run, nil
}
