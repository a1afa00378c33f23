package aws

import (
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/events/queue"
	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
)

// bury puts a dead letter into the queue of a consumer, as the worker does.
func bury(t *testing.T, c cloudOf, consumer, body, reason string) {
	t.Helper()
	client := sqs.NewFromConfig(c.sdk)
	url, err := client.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: sdk.String(queue.DeadName(consumer))})
	check.Must(t, err)
	_, err = client.SendMessage(t.Context(), &sqs.SendMessageInput{
		QueueUrl: url.QueueUrl, MessageBody: &body,
		MessageAttributes: map[string]types.MessageAttributeValue{"reason": {DataType: sdk.String("String"), StringValue: &reason}},
	})
	check.Must(t, err)
}

// told is what an operator reads of a letter.
type told struct{ Consumer, Event, Type, Reason string }

// An operator takes all dead letters, or that of one event. Nobody else gets them
// meanwhile; afterwards others see them again. A replayed letter is in its consumer's queue.
func TestDeadLettersOfTheQueues(t *testing.T) {
	t.Parallel()
	c := provisioned(t, nil, nil)
	e := made(t, keytest.New(t), 1)[0]
	bury(t, c, "notify-on-transfer", string(check.JSON(t, e)), "answered 400")
	bury(t, c, "fraud-on-transfer", string(check.JSON(t, e)), "answered 422")
	bury(t, c, "fraud-on-transfer", "no event", "not a CloudEvent")
	letters := queue.Letters{SQS: sqs.NewFromConfig(c.sdk), Subscriptions: functions.Subscriptions()}
	take := func(id string, most int) (list []queue.Letter, all map[told]bool) {
		list, err := letters.Take(t.Context(), id, most)
		check.Must(t, err)
		all = map[told]bool{}
		for _, l := range list {
			if l.SentAt.IsZero() || l.MessageID == "" {
				t.Errorf("%+v", l)
			}
			all[told{l.Consumer, l.EventID, l.Type, l.Reason}] = true
		}
		return list, all
	}
	notified := told{"notify-on-transfer", e.ID, e.Type, "answered 400"}
	scored := told{"fraud-on-transfer", e.ID, e.Type, "answered 422"}
	everything, got := take("", 10)
	want := map[told]bool{notified: true, scored: true, {"fraud-on-transfer", "", "", "not a CloudEvent"}: true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("all letters (-want +got):\n%s", diff)
	}
	if hidden, _ := take("", 10); len(hidden) > 0 {
		t.Errorf("another operator takes %+v", hidden)
	}
	check.Must(t, letters.Release(t.Context(), everything))
	if few, _ := take("", 2); len(few) != 2 {
		t.Errorf("%d letters, want two at most", len(few))
	} else {
		check.Must(t, letters.Release(t.Context(), few))
	}
	one, got := take(e.ID, 10)
	if diff := cmp.Diff(map[told]bool{notified: true, scored: true}, got); diff != "" {
		t.Errorf("letters of one event (-want +got):\n%s", diff)
	}
	for _, l := range one {
		check.Must(t, letters.Replay(t.Context(), l))
	}
	for name, holds := range map[string]string{
		"tidebank-notify-on-transfer": "1+0", "tidebank-fraud-on-transfer": "1+0",
		"tidebank-notify-on-transfer-dead": "0+0", "tidebank-fraud-on-transfer-dead": "1+0",
	} {
		if got := count(t, c, name); got != holds {
			t.Errorf("%s holds %s, want %s", name, got, holds)
		}
	}
}

// replaysLetters puts an event of the bank into the dead letters of audit-on-event. The
// operator's command lists it and replays it; then audit has it, and an access record of
// the order.
func (b *bank) replaysLetters() {
	t := b.t
	t.Helper()
	const consumer, reason = "audit-on-event", "the record is whole again"
	ring, err := keys.Open(t.Context(), keys.Config{File: b.keyFile}, keys.Event)
	check.Must(t, err)
	e, err := events.Stored{
		ID: uuid.NewString(), Type: events.TypeTransferPosted, CreatedAt: time.Now(),
		Data: check.Value[[]byte](t, b.db.Pool(), `SELECT convert_to(data::text, 'UTF8') FROM outbox WHERE type = $1 LIMIT 1`, events.TypeTransferPosted),
	}.CloudEvent(ring)
	check.Must(t, err)
	bury(t, b.cloudOf, consumer, string(check.JSON(t, e)), "answered 400")
	if listed := b.run("tide", "events", "list", "--dead", "--sqs"); !strings.Contains(listed, e.ID) ||
		!strings.Contains(listed, consumer) || !strings.Contains(listed, "answered 400") {
		t.Errorf("the list: %s", listed)
	}
	said := b.run("tide", "events", "replay", "--dead", "--sqs", "--id", e.ID, "--reason", reason, "--operator", "wang")
	if !strings.Contains(said, "1 will be published again.") {
		t.Errorf("the replay: %s", said)
	}
	check.UntilCount(t, 1, b.db.Pool(), `SELECT count(*) FROM event_consumed WHERE id::text = $1 AND consumer = $2`, e.ID, consumer)
	b.settled()
	if n := check.Count(t, b.db.Pool(), `SELECT count(*) FROM outbox WHERE data->>'reason' = $1`, "replayed by wang: "+reason); n != 1 {
		t.Errorf("%d access records of the order", n)
	}
}
