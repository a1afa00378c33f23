package queue_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/events/queue"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/test/check"
)

const consumer = "audit-on-event"

// message is a message in the queue of memory.
type message struct {
	id, body string
	visible  time.Time
	receives int
	gone     bool
}

// memory is SQS with the queue of one consumer, and its dead letters.
type memory struct {
	queue.API
	mu       sync.Mutex
	messages []*message
	dead     map[string]string // body to reason
	deadDown bool              // SendMessage fails
	stubborn map[string]int    // how often a message is not deleted
	deletes  int               // calls
	lost     int               // receives that fail first
}

var errDown = errors.New("SQS is down")

func (m *memory) GetQueueUrl(_ context.Context, in *sqs.GetQueueUrlInput, _ ...func(*sqs.Options)) (*sqs.GetQueueUrlOutput, error) {
	return &sqs.GetQueueUrlOutput{QueueUrl: aws.String("http://sqs/" + *in.QueueName)}, nil
}

func (m *memory) ReceiveMessage(
	ctx context.Context, in *sqs.ReceiveMessageInput, _ ...func(*sqs.Options),
) (*sqs.ReceiveMessageOutput, error) {
	m.mu.Lock()
	failed := m.lost > 0
	m.lost--
	m.mu.Unlock()
	if failed {
		return nil, errDown
	}
	end := time.Now().Add(time.Duration(in.WaitTimeSeconds) * time.Second)
	for {
		if out := m.take(int(in.MaxNumberOfMessages), time.Duration(in.VisibilityTimeout)*time.Second); len(out) > 0 {
			return &sqs.ReceiveMessageOutput{Messages: out}, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
		if time.Now().After(end) {
			return &sqs.ReceiveMessageOutput{}, nil
		}
	}
}

func (m *memory) take(most int, hidden time.Duration) (out []types.Message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, x := range m.messages {
		if x.gone || x.visible.After(time.Now()) || len(out) == most {
			continue
		}
		x.receives++
		x.visible = time.Now().Add(hidden)
		out = append(out, types.Message{
			MessageId: &x.id, Body: &x.body, ReceiptHandle: &x.id,
			Attributes: map[string]string{"ApproximateReceiveCount": strconv.Itoa(x.receives)},
		})
	}
	return out
}

func (m *memory) find(receipt string) *message {
	return m.messages[slices.IndexFunc(m.messages, func(x *message) bool { return x.id == receipt })]
}

func (m *memory) ChangeMessageVisibility(
	_ context.Context, in *sqs.ChangeMessageVisibilityInput, _ ...func(*sqs.Options),
) (*sqs.ChangeMessageVisibilityOutput, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.find(*in.ReceiptHandle).visible = time.Now().Add(time.Duration(in.VisibilityTimeout) * time.Second)
	return &sqs.ChangeMessageVisibilityOutput{}, nil
}

func (m *memory) DeleteMessageBatch(
	_ context.Context, in *sqs.DeleteMessageBatchInput, _ ...func(*sqs.Options),
) (*sqs.DeleteMessageBatchOutput, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deletes++
	out := &sqs.DeleteMessageBatchOutput{}
	for _, entry := range in.Entries {
		if m.stubborn[*entry.ReceiptHandle] > 0 {
			m.stubborn[*entry.ReceiptHandle]--
			out.Failed = append(out.Failed, types.BatchResultErrorEntry{Id: entry.Id, Code: aws.String("InternalError")})
			continue
		}
		m.find(*entry.ReceiptHandle).gone = true
		out.Successful = append(out.Successful, types.DeleteMessageBatchResultEntry{Id: entry.Id})
	}
	return out, nil
}

func (m *memory) SendMessage(_ context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.deadDown {
		return nil, errDown
	}
	if *in.QueueUrl != "http://sqs/tidebank-"+consumer+"-dead" {
		return nil, fmt.Errorf("sent to %s", *in.QueueUrl)
	}
	m.dead[*in.MessageBody] = *in.MessageAttributes["reason"].StringValue
	return &sqs.SendMessageOutput{}, nil
}

// left are the messages that are still in the queue.
func (m *memory) left() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	ids := []string{}
	for _, x := range m.messages {
		if !x.gone {
			ids = append(ids, x.id)
		}
	}
	return ids
}

func event(t *testing.T, id string) string {
	t.Helper()
	e := cloudevent.Event{ID: id, Type: events.TypeTransferPosted, Source: events.Source}
	return string(check.JSON(t, e))
}

func filled(t *testing.T, ids ...string) *memory {
	t.Helper()
	m := &memory{dead: map[string]string{}, stubborn: map[string]int{}}
	for _, id := range ids {
		m.messages = append(m.messages, &message{id: id, body: event(t, id)})
	}
	return m
}

// receiver answers each event with a status, and counts the deliveries.
type receiver struct {
	mu     sync.Mutex
	calls  map[string]int
	answer func(ctx context.Context, id string, times int) (int, error)
}

func (r *receiver) deliver(ctx context.Context, to string, e cloudevent.Event) (int, error) {
	r.mu.Lock()
	r.calls[e.ID]++
	n := r.calls[e.ID]
	r.mu.Unlock()
	if to != consumer {
		return 0, fmt.Errorf("delivered to %s", to)
	}
	return r.answer(ctx, e.ID, n)
}

func (r *receiver) counts() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[string]int{}
	for id, n := range r.calls {
		all[id] = n
	}
	return all
}

func answering(answer func(ctx context.Context, id string, times int) (int, error)) *receiver {
	return &receiver{calls: map[string]int{}, answer: answer}
}

// during runs a worker for a time, then ends it and waits until it has ended.
func during(t *testing.T, m *memory, r *receiver, d time.Duration) *prometheus.Registry {
	t.Helper()
	registry := prometheus.NewRegistry()
	w := &queue.Worker{
		SQS: m, Log: slog.New(slog.DiscardHandler), Deliver: r.deliver,
		Subscriptions: events.Subscriptions{{Consumer: consumer, Types: []string{events.TypeTransferPosted}}},
	}
	check.Must(t, w.Observe(registry))
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	w.Run(ctx)
	return registry
}

// Each status has its outcome: a message is deleted only after a 2xx, or after it is
// among the dead letters. A message without an event does not stop the others.
func TestEachAnswerHasItsOutcome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		statuses := map[string]int{"200": 200, "202": 202, "204": 204, "400": 400, "413": 413, "422": 422, "404": 404, "429": 429, "503": 503}
		m := filled(t, "200", "202", "204", "400", "413", "422", "404", "429", "503", "error")
		poison := []string{"no json", `{"specversion":"1.0"}`, "[]"}
		for i, body := range poison {
			m.messages = append([]*message{{id: fmt.Sprint("poison", i), body: body}}, m.messages...)
		}
		r := answering(func(_ context.Context, id string, times int) (int, error) {
			if status := statuses[id]; times == 1 && status != 0 {
				return status, nil
			}
			if times == 1 {
				return 0, errDown
			}
			return 200, nil
		})
		registry := during(t, m, r, time.Minute)
		if diff := cmp.Diff([]string{}, m.left()); diff != "" {
			t.Errorf("left (-want +got):\n%s", diff)
		}
		want := map[string]int{"200": 1, "202": 1, "204": 1, "400": 1, "413": 1, "422": 1, "404": 2, "429": 2, "503": 2, "error": 2}
		if diff := cmp.Diff(want, r.counts()); diff != "" {
			t.Errorf("deliveries (-want +got):\n%s", diff)
		}
		dead := map[string]string{event(t, "400"): "answered 400", event(t, "413"): "answered 413", event(t, "422"): "answered 422"}
		for _, body := range poison {
			dead[body] = "not a CloudEvent"
		}
		if diff := cmp.Diff(dead, m.dead); diff != "" {
			t.Errorf("dead letters (-want +got):\n%s", diff)
		}
		if n, err := testutil.GatherAndCount(registry, "tidebank_queue_messages_total"); n != 3 || err != nil {
			t.Errorf("%d outcomes are counted, %v", n, err)
		}
	})
}

// The function may take longer than the queue's time-out: the message stays invisible,
// and the event comes once. After a minute without an answer, the message comes again.
func TestALongDelivery(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		takes time.Duration
		times int
	}{"fifty seconds": {50 * time.Second, 1}, "an hour": {time.Hour, 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := filled(t, "a")
				r := answering(func(ctx context.Context, _ string, times int) (int, error) {
					if times == 2 {
						return 200, nil
					}
					select {
					case <-ctx.Done():
						return 0, ctx.Err()
					case <-time.After(tt.takes):
						return 200, nil
					}
				})
				during(t, m, r, 2*time.Minute)
				if diff := cmp.Diff(map[string]int{"a": tt.times}, r.counts()); diff != "" || len(m.left()) != 0 {
					t.Errorf("left %v, deliveries (-want +got):\n%s", m.left(), diff)
				}
			})
		})
	}
}

// At its end, a worker lets deliveries that have begun end, and takes no message any more. A
// delivery that hangs is given up after ten seconds; its message is visible at once.
func TestTheEndOfAWorker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := filled(t, "short", "hangs")
		r := answering(func(ctx context.Context, id string, _ int) (int, error) {
			hang := time.Hour
			if id == "short" {
				hang = 6 * time.Second
			}
			select {
			case <-ctx.Done():
				return 0, ctx.Err()
			case <-time.After(hang):
				return 200, nil
			}
		})
		start := time.Now()
		go func() {
			time.Sleep(4 * time.Second)
			m.mu.Lock()
			defer m.mu.Unlock()
			m.messages = append(m.messages, &message{id: "late", body: event(t, "late")})
		}()
		during(t, m, r, 3*time.Second)
		if took := time.Since(start); took < 13*time.Second || took > 14*time.Second {
			t.Errorf("it ended after %v", took)
		}
		if diff := cmp.Diff([]string{"hangs", "late"}, m.left()); diff != "" {
			t.Errorf("left (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]int{"short": 1, "hangs": 1}, r.counts()); diff != "" {
			t.Errorf("deliveries (-want +got):\n%s", diff)
		}
		if wait := time.Until(m.find("hangs").visible); wait > 0 {
			t.Errorf("another worker must wait %v", wait)
		}
	})
}

// SQS may delete some messages of a batch and others not. Those are deleted later, and no
// event is delivered again for it.
func TestDeletionsThatFail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := filled(t, "a", "b", "c", "never")
		m.lost = 2
		m.stubborn = map[string]int{"b": 2, "never": 3}
		r := answering(func(context.Context, string, int) (int, error) { return 200, nil })
		during(t, m, r, 20*time.Second)
		if diff := cmp.Diff([]string{"never"}, m.left()); diff != "" {
			t.Errorf("left (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]int{"a": 1, "b": 1, "c": 1, "never": 1}, r.counts()); diff != "" {
			t.Errorf("deliveries (-want +got):\n%s", diff)
		}
		if m.deletes > 4 {
			t.Errorf("%d calls delete four messages", m.deletes)
		}
	})
}

// Without the queue of dead letters, a message that is refused stays in its queue.
func TestNoDeadLetterIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := filled(t, "a")
		m.deadDown = true
		r := answering(func(context.Context, string, int) (int, error) { return 400, nil })
		during(t, m, r, 20*time.Second)
		if diff := cmp.Diff([]string{"a"}, m.left()); diff != "" {
			t.Errorf("left (-want +got):\n%s", diff)
		}
		if n := r.counts()["a"]; n < 2 || n > 8 {
			t.Errorf("delivered %d times in 20 seconds: the pauses do not grow", n)
		}
	})
}

// A worker takes only as many messages as can run at once; the others stay for others.
func TestMessagesAtOnceAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ids []string
		for n := range 40 {
			ids = append(ids, fmt.Sprint("m", n))
		}
		m := filled(t, ids...)
		var mu sync.Mutex
		now, most := 0, 0
		r := answering(func(context.Context, string, int) (int, error) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			now--
			mu.Unlock()
			return 200, nil
		})
		during(t, m, r, 10*time.Second)
		if most != 16 || len(m.left()) != 0 {
			t.Errorf("%d at once, left %v", most, m.left())
		}
		for id, n := range r.counts() {
			if n != 1 {
				t.Errorf("%s came %d times", id, n)
			}
		}
	})
}
