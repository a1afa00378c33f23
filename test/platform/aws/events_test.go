package aws

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/events/queue"
	"github.com/tidebank/tidebank/events/topic"
	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/infra/aws"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
)

// receivers are the event functions of a test. They count what comes, by consumer and id.
type receivers struct {
	t      *testing.T
	ring   *keys.Ring
	mu     sync.Mutex
	got    map[string]int
	answer func(consumer string, e cloudevent.Event, times int) int
}

func (r *receivers) deliver(_ context.Context, consumer string, e cloudevent.Event) (int, error) {
	if err := events.Verify(r.ring, e); err != nil {
		r.t.Errorf("%s to %s: %v", e.ID, consumer, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	key := consumer + " " + e.ID
	r.got[key]++
	return r.answer(consumer, e, r.got[key]), nil
}

func (r *receivers) counts() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.got)
}

// consuming runs a worker for every queue until the test's end.
func consuming(t *testing.T, c cloudOf, r *receivers) {
	t.Helper()
	w := &queue.Worker{
		SQS: sqs.NewFromConfig(c.sdk), Log: slog.New(slog.DiscardHandler), Subscriptions: functions.Subscriptions(), Deliver: r.deliver,
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
}

// made makes an event of each type, several times.
func made(t *testing.T, ring *keys.Ring, times int) (list []cloudevent.Event) {
	t.Helper()
	for n := range times {
		for i, kind := range events.Types() {
			e, err := events.Stored{
				ID: fmt.Sprintf("%d-%d", n, i), Type: kind, Subject: "x", CreatedAt: time.Now(), Data: []byte(`{"payee_masked":"*四 <&>"}`),
				Traceparent: "00-00000000000000000000000000000001-0000000000000002-01", CustomerHash: "bd86d988df236586",
			}.CloudEvent(ring)
			check.Must(t, err)
			list = append(list, e)
		}
	}
	return list
}

// count is how many messages a queue holds, visible or not.
func count(t *testing.T, c cloudOf, name string) string {
	t.Helper()
	client := sqs.NewFromConfig(c.sdk)
	url, err := client.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
	check.Must(t, err)
	got, err := client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: url.QueueUrl, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	check.Must(t, err)
	return got.Attributes["ApproximateNumberOfMessages"] + "+" + got.Attributes["ApproximateNumberOfMessagesNotVisible"]
}

// Each consumer gets the events of its types, each once, with the bank's MAC unbroken. A
// consumer that fails gets its event again, and the others do not. An event that a consumer
// refuses goes to this consumer's dead letters; so does a message without an event.
func TestEventsReachTheirConsumers(t *testing.T) {
	t.Parallel()
	c := provisioned(t, nil, nil)
	ring := keytest.New(t)
	r := &receivers{t: t, ring: ring, got: map[string]int{}, answer: func(consumer string, e cloudevent.Event, times int) int {
		switch {
		case consumer == "fraud-on-transfer" && times == 1:
			return http.StatusServiceUnavailable
		case consumer == "notify-on-transfer" && e.ID[0] == '0':
			return http.StatusBadRequest
		}
		return http.StatusAccepted
	}}
	poison(t, c, "tidebank-notify-on-otp")
	consuming(t, c, r)
	sent := made(t, ring, 3)
	check.Must(t, errors.Join(topic.Sink{ARN: c.made.Topic, SNS: sns.NewFromConfig(c.sdk)}.Publish(t.Context(), sent)...))
	want := map[string]int{}
	for _, e := range sent {
		for _, consumer := range functions.Subscriptions().Consumers(e.Type) {
			want[consumer+" "+e.ID] = 1
			if consumer == "fraud-on-transfer" {
				want[consumer+" "+e.ID] = 2
			}
		}
	}
	check.Until(t, "the messages", func() bool { return cmp.Equal(want, r.counts()) })
	for _, consumer := range c.list.Consumers {
		check.Until(t, "the messages", func() bool { return count(t, c, consumer.Queue) == "0+0" })
		dead := map[string]string{"notify-on-transfer": "1+0", "notify-on-otp": "1+0"}[consumer.Name]
		if got := count(t, c, consumer.DeadLetterQueue); got != max(dead, "0+0") {
			t.Errorf("%s holds %s", consumer.DeadLetterQueue, got)
		}
	}
	if diff := cmp.Diff(want, r.counts()); diff != "" {
		t.Errorf("deliveries (-want +got):\n%s", diff)
	}
}

// poison puts a message without an event into a queue.
func poison(t *testing.T, c cloudOf, name string) {
	t.Helper()
	client := sqs.NewFromConfig(c.sdk)
	url, err := client.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
	check.Must(t, err)
	_, err = client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: url.QueueUrl, MessageBody: sdk.String("no event")})
	check.Must(t, err)
}

// A message that no worker settles goes to the dead letters after max_receives, by SQS
// itself.
func TestMessagesThatNobodySettles(t *testing.T) {
	t.Parallel()
	const name = "tidebank-notify-on-otp"
	c := provisioned(t, nil, func(list *aws.Inventory) {
		for i := range list.Consumers {
			list.Consumers[i].MaxReceives = 2
		}
	})
	poison(t, c, name)
	client := sqs.NewFromConfig(c.sdk)
	url, err := client.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: sdk.String(name)})
	check.Must(t, err)
	for range 3 {
		_, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: url.QueueUrl, VisibilityTimeout: 0, WaitTimeSeconds: 1})
		check.Must(t, err)
		_, err = client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: url.QueueUrl, VisibilityTimeout: 1})
		check.Must(t, err)
	}
	check.Until(t, "the messages", func() bool {
		_, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: url.QueueUrl, VisibilityTimeout: 1, WaitTimeSeconds: 1})
		check.Must(t, err)
		return count(t, c, name+"-dead") == "1+0"
	})
}

// A topic that does not exist takes no event, and says so of each.
func TestATopicThatIsGone(t *testing.T) {
	t.Parallel()
	c := provisioned(t, nil, nil)
	results := topic.Sink{ARN: c.made.Topic + "x", SNS: sns.NewFromConfig(c.sdk)}.Publish(t.Context(), made(t, keytest.New(t), 2))
	for _, err := range results {
		if !errors.Is(err, topic.ErrNotTaken) {
			t.Errorf("%v", err)
		}
	}
}
