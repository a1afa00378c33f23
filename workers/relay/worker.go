// Package relay publishes the bank's events from the outbox to the platform's sink.
//
//	outbox → K_SINK or SINK_URL (a Knative Broker, or any CloudEvents receiver)
//	outbox → SNS_TOPIC_ARN (AWS; docs/aws.md)
//	outbox → table delivery → FUNCTIONS_URL/<consumer>, where the platform has no broker
//
// It publishes each event at least once, in batches; events/relay describes the
// details. With FUNCTIONS_URL, the relay brings the bank's own broker (events/broker): it
// keeps one row for each consumer of an event, and posts the event to each until it has
// taken it. So a consumer that fails delays no other. Any number of relays may run.
// RELAY_LEASE must be longer than the sink's time-out of 5 s. In the local bank the sink
// is the local broker.
package relay

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/events/broker"
	"github.com/tidebank/tidebank/events/relay"
	"github.com/tidebank/tidebank/events/sink"
	"github.com/tidebank/tidebank/events/topic"
	"github.com/tidebank/tidebank/shared/cloud"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/downstream"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
)

// Worker declares the worker. The registry and its main are generated from it.
var Worker = fn.Worker(fn.Spec{
	Name: "events-relay", Summary: "Publish the bank's events to the sink", Keys: []keys.Purpose{keys.Event},
	Listens: true,
}, wire)

// Config holds the address of the sink, and the size and lease of batches.
type Config struct {
	KSink string `envconfig:"K_SINK" form:"http"` // a Knative SinkBinding sets it
	// Token is the file in which the SinkBinding mounts the token by which the broker knows the
	// relay: bindingToken if it is empty. There is none if the broker asks for no identity.
	Token   string `envconfig:"K_SINK_TOKEN_FILE"`
	SinkURL string `envconfig:"SINK_URL" form:"http" secret:"true"`
	// Topic is the ARN of the SNS topic that takes every event (docs/aws.md).
	Topic string `envconfig:"SNS_TOPIC_ARN"`
	AWS   cloud.Config
	// FunctionsURL is the address below which event functions are, such as
	// http://gateway.openfaas:8080/function.
	FunctionsURL string `envconfig:"FUNCTIONS_URL" form:"http" secret:"true"`
	// Consumers are the event functions that are deployed, with commas between them. If
	// it is empty, all of them are.
	Consumers string        `envconfig:"FUNCTIONS_CONSUMERS"`
	Lease     time.Duration `envconfig:"RELAY_LEASE" default:"10s" min:"6s" max:"10m"`
	Batch     int           `envconfig:"RELAY_BATCH" default:"200" max:"5000"`

	Sink relay.Sink `ignored:"true"` // the local bank sets it instead of an address
}

// bindingToken is where a SinkBinding mounts the token.
const bindingToken = "/oidc/token"

// ErrSinks reports that the relay has no sink, or more than one.
var ErrSinks = errors.New(
	"set one of K_SINK, SINK_URL, SNS_TOPIC_ARN and FUNCTIONS_URL, and no other: the relay needs one sink")

// sink returns the address's sink; nil if the events go to functions.
func (c Config) sink(timer func(downstream.Name) *downstream.Timer) (relay.Sink, error) {
	if c.Sink != nil {
		return c.Sink, nil
	}
	given := slices.DeleteFunc([]string{c.KSink, c.SinkURL, c.Topic, c.FunctionsURL}, func(s string) bool { return s == "" })
	if len(given) != 1 {
		return nil, ErrSinks
	}
	if c.Topic != "" {
		return c.topic()
	}
	if c.FunctionsURL != "" {
		return nil, nil //nolint:nilnil // the caller makes the broker
	}
	to := sink.NewClient()
	if c.KSink != "" {
		to.Transport = sink.Bearer{File: cmp.Or(c.Token, bindingToken), Base: to.Transport}
	}
	return sink.HTTP{URL: given[0], Client: to, Timer: timer(downstream.Broker)}, nil
}

// topic is the SNS topic as a sink.
func (c Config) topic() (relay.Sink, error) {
	config, err := c.AWS.SDK()
	if err != nil {
		return nil, err
	}
	return topic.Sink{ARN: c.Topic, SNS: sns.NewFromConfig(config)}, nil
}

// own is the bank's own broker as a sink. It names Publish, so that the generator of the
// database roles finds its statement.
type own struct{ broker *broker.Broker }

func (o own) Publish(ctx context.Context, batch []cloudevent.Event) []error {
	return o.broker.Publish(ctx, batch)
}

func wire(_ context.Context, lent *fn.WorkerLent, config Config) (fn.Work, error) {
	to, err := config.sink(lent.Downstream)
	if err != nil {
		return nil, err
	}
	r := &relay.Relay{
		DB: lent.DB, Ring: lent.Keys, Sink: to, Log: lent.Log, Lease: config.Lease, Batch: config.Batch,
	}
	r.Observe(lent.Metrics) //nolint:contextcheck // a scrape has its own time-out
	if to != nil {
		return r.Run, nil
	}
	table, err := events.Declared().Only(config.Consumers)
	if err != nil {
		return nil, err
	}
	b := &broker.Broker{
		DB: lent.DB, Log: lent.Log, Subscriptions: table,
		Deliver: sink.Functions{URL: config.FunctionsURL, Client: sink.NewClient()}.Deliver,
	}
	b.Observe(lent.Metrics) //nolint:contextcheck // a scrape has its own time-out
	r.Sink = own{b}
	return func(ctx context.Context) {
		var both sync.WaitGroup
		both.Go(func() { r.Run(ctx) })
		both.Go(func() { b.Run(ctx) })
		both.Wait()
	}, nil
}
