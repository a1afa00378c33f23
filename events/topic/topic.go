// Package topic publishes events to an SNS topic.
//
// The message is the event in structured mode (JSON). The attribute `type` is the event's
// type: each consumer's subscription has a filter policy on it.
package topic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/cloudevent"
)

// API is the part of SNS that a Sink uses.
type API interface {
	PublishBatch(context.Context, *sns.PublishBatchInput, ...func(*sns.Options)) (*sns.PublishBatchOutput, error)
}

// Sink is a relay.Sink. After nil, SNS has taken the event for every subscription.
type Sink struct {
	ARN string
	SNS API
}

// ErrNotTaken reports that SNS did not take an event; a later try may succeed.
var ErrNotTaken = errors.New("topic: not taken")

// Limits of SNS, and of this sink.
const (
	batchEvents = 10
	batchBytes  = 256 << 10 // of all messages and attributes together
	inFlight    = 8
	timeout     = 5 * time.Second // below the relay's lease

	attribute = "type"
)

// invalid lists the codes by which SNS refuses a message itself. After other codes, such
// as a missing right, the same message may be taken later.
var invalid = []string{"InvalidParameter", "InvalidParameterValue", "ParameterValueInvalid", "InvalidMessageContents"}

// message is an event with its place in the relay's batch.
type message struct {
	place int
	entry types.PublishBatchRequestEntry
	size  int
}

// Publish publishes the events in batches of SNS' size, several at a time. It returns the
// result of each event: events.ErrRefused if SNS refuses it for good or it is too large,
// events.ErrNotTried if the time was over before.
func (s Sink) Publish(ctx context.Context, batch []cloudevent.Event) []error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	results := make([]error, len(batch))
	slots := make(chan struct{}, inFlight)
	var wait sync.WaitGroup
	for _, group := range groups(batch, results) {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			for _, m := range group {
				results[m.place] = events.ErrNotTried
			}
			continue
		}
		wait.Go(func() {
			defer func() { <-slots }()
			s.publish(ctx, group, results)
		})
	}
	wait.Wait()
	return results
}

// groups makes batches for SNS. An event that can be in none gets its result.
func groups(batch []cloudevent.Event, results []error) (list [][]message) {
	var group []message
	bytes := 0
	for i, e := range batch {
		m, err := encode(i, e)
		if err != nil {
			results[i] = err
			continue
		}
		if len(group) == batchEvents || bytes+m.size > batchBytes {
			list, group, bytes = append(list, group), nil, 0
		}
		group, bytes = append(group, m), bytes+m.size
	}
	if len(group) > 0 {
		list = append(list, group)
	}
	return list
}

func encode(place int, e cloudevent.Event) (message, error) {
	body, err := json.Marshal(e)
	if err != nil {
		return message{}, fmt.Errorf("%w: %w", events.ErrRefused, err)
	}
	const kind = "String"
	m := message{place: place, size: len(body) + len(attribute) + len(kind) + len(e.Type)}
	if m.size > batchBytes {
		return message{}, fmt.Errorf("%w: %d bytes are more than SNS takes", events.ErrRefused, m.size)
	}
	m.entry = types.PublishBatchRequestEntry{
		Id: aws.String(strconv.Itoa(place)), Message: aws.String(string(body)),
		MessageAttributes: map[string]types.MessageAttributeValue{
			attribute: {DataType: aws.String(kind), StringValue: aws.String(e.Type)},
		},
	}
	return m, nil
}

// publish publishes one batch of SNS, and writes the results of its events.
func (s Sink) publish(ctx context.Context, group []message, results []error) {
	entries := make([]types.PublishBatchRequestEntry, len(group))
	for i, m := range group {
		entries[i] = m.entry
	}
	out, err := s.SNS.PublishBatch(ctx, &sns.PublishBatchInput{TopicArn: &s.ARN, PublishBatchRequestEntries: entries})
	if err != nil {
		for _, m := range group {
			results[m.place] = fmt.Errorf("%w: %w", ErrNotTaken, err)
		}
		return
	}
	for _, m := range group {
		results[m.place] = result(aws.ToString(m.entry.Id), out)
	}
}

// result finds the result of one event. An event that the answer does not name counts as
// not taken.
func result(id string, out *sns.PublishBatchOutput) error {
	for _, taken := range out.Successful {
		if aws.ToString(taken.Id) == id {
			return nil
		}
	}
	for _, failed := range out.Failed {
		if aws.ToString(failed.Id) != id {
			continue
		}
		code := aws.ToString(failed.Code)
		if failed.SenderFault && slices.Contains(invalid, code) {
			return fmt.Errorf("%w: %s", events.ErrRefused, code)
		}
		return fmt.Errorf("%w: %s", ErrNotTaken, code)
	}
	return fmt.Errorf("%w: the answer does not name it", ErrNotTaken)
}
