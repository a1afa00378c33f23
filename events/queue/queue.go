// Package queue takes events from SQS queues and posts each to its event function.
//
//	topic tidebank-events → queue tidebank-<consumer> → function <consumer>
//	                                    └──▶ tidebank-<consumer>-dead
//
// Each consumer has a queue, so a consumer that fails delays no other. A message is
// deleted after the function has taken its event (2xx). Meanwhile it stays invisible,
// also if the function takes longer than the queue's time-out. After 400, 413 or 422, or
// if the message holds no CloudEvent, the message goes to the dead letters at once: no
// later try can succeed. After every other answer it becomes visible again, after a
// growing pause; SQS moves it to the dead letters after MaxReceives receives.
//
// Messages may come twice and out of order. Consumers take each event once
// (events.Claim). Any number of workers may run.
package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/cloudevent"
)

// Topic is the name of the topic of all events.
const Topic = "tidebank-events"

// Figures of every queue.
const (
	MaxReceives = 12               // with the pauses below: about twenty minutes
	Visibility  = 30 * time.Second // after a receive; a worker that dies costs this time
)

// reasonAttribute tells in a dead letter why a worker has put it there.
const reasonAttribute = "reason"

// Name is the name of the consumer's queue.
func Name(consumer string) string { return "tidebank-" + consumer }

// DeadName is the name of the queue of the consumer's dead letters.
func DeadName(consumer string) string { return Name(consumer) + "-dead" }

// API is the part of SQS that a Worker uses.
type API interface {
	GetQueueUrl(context.Context, *sqs.GetQueueUrlInput, ...func(*sqs.Options)) (*sqs.GetQueueUrlOutput, error)
	ReceiveMessage(context.Context, *sqs.ReceiveMessageInput, ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error)
	DeleteMessageBatch(context.Context, *sqs.DeleteMessageBatchInput, ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error)
	ChangeMessageVisibility(
		context.Context, *sqs.ChangeMessageVisibilityInput, ...func(*sqs.Options),
	) (*sqs.ChangeMessageVisibilityOutput, error)
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
}

// Worker serves the queues of some consumers.
type Worker struct {
	SQS           API
	Log           *slog.Logger
	Subscriptions events.Subscriptions
	// Deliver hands an event to a consumer and returns its HTTP status.
	Deliver func(ctx context.Context, consumer string, e cloudevent.Event) (status int, err error)

	messages *prometheus.CounterVec
}

const (
	atOnce    = 16 // messages of one queue that are under way in one worker
	inOneCall = 10 // the most messages that SQS gives or deletes at once
	longPoll  = 20 * time.Second
	answer    = time.Minute      // a function must answer; it may start from zero first
	ending    = 10 * time.Second // after the end of the worker's context, a delivery may still take this long
	settling  = 5 * time.Second  // bounds each call that settles a message
	pauseBase = time.Second
	pauseMax  = 5 * time.Minute
	deletions = 3                     // tries to delete a message
	linger    = 50 * time.Millisecond // a deletion waits for others
)

// Run serves the queues until ctx ends, and then settles the messages that it has taken.
func (w *Worker) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, s := range w.Subscriptions {
		all.Go(func() { w.serve(ctx, s.Consumer) })
	}
	all.Wait()
}

// Observe registers the metric of the messages by consumer and outcome.
func (w *Worker) Observe(registry prometheus.Registerer) error {
	w.messages = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tidebank_queue_messages_total", Help: "Messages of the platform's queues by consumer and outcome: taken, again or dead.",
	}, []string{"consumer", "outcome"})
	if err := registry.Register(w.messages); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

// source is the queue of one consumer.
type source struct {
	*Worker
	consumer  string
	url, dead string
	handled   chan string // receipts of messages that must be deleted
}

func (w *Worker) serve(ctx context.Context, consumer string) {
	q := &source{Worker: w, consumer: consumer, handled: make(chan string, atOnce)}
	for try := 1; !q.find(ctx); try++ {
		if !sleep(ctx, pause(try)) {
			return
		}
	}
	var deleted, messages sync.WaitGroup
	deleted.Go(func() { q.deleteHandled(context.WithoutCancel(ctx)) })
	q.receiveAll(ctx, &messages)
	messages.Wait()
	close(q.handled)
	deleted.Wait()
}

// find asks for the addresses of the queue and of its dead letters.
func (q *source) find(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	for name, into := range map[string]*string{Name(q.consumer): &q.url, DeadName(q.consumer): &q.dead} {
		found, err := q.SQS.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(name)})
		if err != nil {
			q.Log.WarnContext(ctx, "queue", slog.String("queue", name), slog.Any("cause", err))
			return false
		}
		*into = aws.ToString(found.QueueUrl)
	}
	return true
}

// receiveAll takes messages until ctx ends. It asks only for as many as can run at once:
// the others stay for other workers.
func (q *source) receiveAll(ctx context.Context, messages *sync.WaitGroup) {
	slots := make(chan struct{}, atOnce)
	for failures := 0; ctx.Err() == nil; {
		slots <- struct{}{}
		free := 1
		for free < inOneCall && len(slots) < atOnce {
			slots <- struct{}{}
			free++
		}
		got, err := q.receive(ctx, free)
		for range free - len(got) {
			<-slots
		}
		for _, m := range got {
			messages.Go(func() {
				defer func() { <-slots }()
				q.handle(ctx, m)
			})
		}
		if err == nil {
			failures = 0
			continue
		}
		failures++
		if ctx.Err() == nil {
			q.Log.WarnContext(ctx, "queue", slog.String("consumer", q.consumer), slog.Any("cause", err))
			sleep(ctx, pause(failures))
		}
	}
}

func (q *source) receive(ctx context.Context, most int) ([]types.Message, error) {
	limited, cancel := context.WithTimeout(ctx, longPoll+settling)
	defer cancel()
	got, err := q.SQS.ReceiveMessage(limited, &sqs.ReceiveMessageInput{
		QueueUrl: &q.url, MaxNumberOfMessages: int32(most), WaitTimeSeconds: int32(longPoll / time.Second),
		VisibilityTimeout:           int32(Visibility / time.Second),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameApproximateReceiveCount},
	})
	if err != nil {
		return nil, fmt.Errorf("receive: %w", err)
	}
	return got.Messages, nil
}

// handle delivers the event of one message and settles the message.
func (q *source) handle(ctx context.Context, m types.Message) {
	own, done := outlive(ctx)
	defer done()
	var e cloudevent.Event
	err := json.Unmarshal([]byte(aws.ToString(m.Body)), &e)
	if err == nil {
		err = e.Validate()
	}
	if err != nil { // the error may show parts of the body
		q.bury(own, m, "not a CloudEvent")
		return
	}
	status, err := q.deliver(own, m, e)
	switch {
	case err == nil && status/100 == 2:
		q.count("taken")
		q.handled <- aws.ToString(m.ReceiptHandle)
		return
	case err == nil && events.Permanent(status):
		q.bury(own, m, fmt.Sprintf("answered %d", status))
		return
	case err == nil:
		err = fmt.Errorf("answered %d", status) //nolint:err113 // only for the log
	}
	wait := pause(receives(m))
	if ctx.Err() != nil {
		wait = 0 // this worker ends: another one takes the message at once
	}
	q.count("again")
	q.Log.WarnContext(own, "event not taken", slog.String("id", e.ID), slog.String("type", e.Type),
		slog.String("consumer", q.consumer), slog.Int("receives", receives(m)), slog.Any("cause", err))
	q.hide(own, m, wait)
}

// deliver posts the event, and keeps the message invisible meanwhile.
func (q *source) deliver(ctx context.Context, m types.Message, e cloudevent.Event) (int, error) {
	working, stop := context.WithCancel(ctx)
	var hidden sync.WaitGroup
	hidden.Go(func() {
		for sleep(working, Visibility/3) {
			q.hide(ctx, m, Visibility)
		}
	})
	defer hidden.Wait()
	defer stop()
	return q.Deliver(ctx, q.consumer, e)
}

// bury sends the message to the dead letters, and deletes it afterwards. If that fails,
// the message comes again, and at last SQS moves it.
func (q *source) bury(ctx context.Context, m types.Message, reason string) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), settling)
	defer cancel()
	_, err := q.SQS.SendMessage(limited, &sqs.SendMessageInput{
		QueueUrl: &q.dead, MessageBody: m.Body,
		MessageAttributes: map[string]types.MessageAttributeValue{
			reasonAttribute: {DataType: aws.String("String"), StringValue: &reason},
		},
	})
	if err != nil {
		q.Log.WarnContext(ctx, "queue", slog.String("consumer", q.consumer), slog.Any("cause", err))
		q.hide(ctx, m, pause(receives(m)))
		return
	}
	q.count("dead")
	q.Log.ErrorContext(ctx, "dead letter", slog.String("message", aws.ToString(m.MessageId)),
		slog.String("consumer", q.consumer), slog.String("reason", reason))
	q.handled <- aws.ToString(m.ReceiptHandle)
}

// hide makes the message visible again after a time. If that fails, the message becomes
// visible by itself.
func (q *source) hide(ctx context.Context, m types.Message, wait time.Duration) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), settling)
	defer cancel()
	_, err := q.SQS.ChangeMessageVisibility(limited, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &q.url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: int32(wait / time.Second),
	})
	if err != nil {
		q.Log.WarnContext(ctx, "queue", slog.String("consumer", q.consumer), slog.Any("cause", err))
	}
}

// deleteHandled deletes messages until the channel is closed, several at a time.
func (q *source) deleteHandled(ctx context.Context) {
	for receipt := range q.handled {
		batch := q.gather([]string{receipt})
		for try := 1; len(batch) > 0 && try <= deletions; try++ {
			batch = q.remove(ctx, batch)
		}
		if len(batch) > 0 { // they come again, and have no second effect
			q.Log.WarnContext(ctx, "messages not deleted", slog.String("consumer", q.consumer), slog.Int("messages", len(batch)))
		}
	}
}

// gather adds the messages that are handled soon.
func (q *source) gather(batch []string) []string {
	timer := time.NewTimer(linger)
	defer timer.Stop()
	for len(batch) < inOneCall {
		select {
		case receipt, open := <-q.handled:
			if !open {
				return batch
			}
			batch = append(batch, receipt)
		case <-timer.C:
			return batch
		}
	}
	return batch
}

// remove deletes a batch, and returns the messages that SQS has not deleted.
func (q *source) remove(ctx context.Context, batch []string) (left []string) {
	limited, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	var entries []types.DeleteMessageBatchRequestEntry
	for i, receipt := range batch {
		entries = append(entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(receipt)})
	}
	result, err := q.SQS.DeleteMessageBatch(limited, &sqs.DeleteMessageBatchInput{QueueUrl: &q.url, Entries: entries})
	if err != nil {
		q.Log.WarnContext(ctx, "queue", slog.String("consumer", q.consumer), slog.Any("cause", err))
		return batch
	}
	for _, failed := range result.Failed {
		if i, err := strconv.Atoi(aws.ToString(failed.Id)); err == nil && i >= 0 && i < len(batch) {
			left = append(left, batch[i])
		}
	}
	return left
}

func (q *source) count(outcome string) {
	if q.messages != nil {
		q.messages.WithLabelValues(q.consumer, outcome).Inc()
	}
}

// receives is how often the message has been received, this time included.
func receives(m types.Message) int {
	n, err := strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
	if err != nil || n < 1 {
		return 1
	}
	return n
}

// pause is the time after so many failed tries.
func pause(tries int) time.Duration { return events.Pause(pauseBase, pauseMax, tries-1) }

// sleep reports whether the time has passed before ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// outlive returns a context for one delivery. It outlives ctx for a while, so that a
// delivery that has begun may end.
func outlive(ctx context.Context) (own context.Context, done func()) {
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), answer)
	stop := context.AfterFunc(ctx, func() {
		if sleep(own, ending) {
			cancel()
		}
	})
	return own, func() {
		stop()
		cancel()
	}
}
