// Package queues takes the bank's events from SQS and posts each to its event function.
//
//	queue tidebank-<consumer> → the consumer at FUNCTIONS_URL
//
// It runs only where SNS and SQS are the broker (docs/aws.md); events/queue describes the
// details. It has no database and no keys: an event carries the bank's MAC, and the
// function checks it. Any number of workers may run. After SIGTERM it takes no message
// any more, and lets deliveries that have begun end.
package queues

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/events/queue"
	"github.com/tidebank/tidebank/events/sink"
	"github.com/tidebank/tidebank/shared/cloud"
	"github.com/tidebank/tidebank/shared/fn"
)

// Worker declares the worker. The registry and its main are generated from it.
var Worker = fn.Worker(fn.Spec{
	Name: "events-queues", Summary: "Take events from SQS queues to the event functions", NoDatabase: true, Queues: true,
}, wire)

// Config holds the addresses of the functions and of AWS.
type Config struct {
	// FunctionsURL is the address of the event functions (sink.Address).
	FunctionsURL string `envconfig:"FUNCTIONS_URL" form:"http" secret:"true"`
	// Consumers are the event functions that are deployed, with commas between them. If
	// it is empty, all of them are.
	Consumers string `envconfig:"FUNCTIONS_CONSUMERS"`
	AWS       cloud.Config
}

// ErrFunctions reports that the worker does not know where the functions are.
var ErrFunctions = errors.New("FUNCTIONS_URL is empty: it is the address of the event functions")

func wire(_ context.Context, lent *fn.WorkerLent, config Config) (fn.Work, error) {
	table, err := events.Declared().Only(config.Consumers)
	if err != nil {
		return nil, err
	}
	if config.FunctionsURL == "" {
		return nil, ErrFunctions
	}
	sdk, err := config.AWS.SDK()
	if err != nil {
		return nil, err
	}
	w := &queue.Worker{
		SQS: sqs.NewFromConfig(sdk), Log: lent.Log, Subscriptions: table,
		Deliver: sink.Functions{URL: config.FunctionsURL, Client: sink.NewClient()}.Deliver,
	}
	if err := w.Observe(lent.Metrics); err != nil {
		return nil, err
	}
	return w.Run, nil
}
