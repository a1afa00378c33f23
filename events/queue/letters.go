package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/cloudevent"
)

// Letters reads the dead letters of all consumers, and replays them, for an operator. SQS
// shows a message only to one who receives it, so what Take returns is invisible to others
// until Release, Replay, or two minutes later.
type Letters struct {
	SQS           API
	Subscriptions events.Subscriptions
}

// Letter is a message that its consumer did not take.
type Letter struct {
	Consumer  string
	MessageID string
	EventID   string // empty if the message holds no CloudEvent
	Type      string
	Reason    string
	SentAt    time.Time // into the queue where it is now

	body, receipt, dead string
}

// letterHold is how long a letter stays invisible that nobody releases.
const letterHold = 2 * time.Minute

// errNotDeleted reports that SQS kept a message.
var errNotDeleted = errors.New("SQS has not deleted the message")

// Take receives dead letters: those of one event, or all if id is empty, and at most so
// many.
func (l Letters) Take(ctx context.Context, id string, most int) (list []Letter, err error) {
	var others []Letter
	defer func() {
		if err != nil {
			others = append(others, list...)
			list = nil
		}
		err = errors.Join(err, l.Release(ctx, others))
	}()
	for _, s := range l.Subscriptions {
		found, err := l.SQS.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(DeadName(s.Consumer))})
		if err != nil {
			return list, fmt.Errorf("%s: %w", DeadName(s.Consumer), err)
		}
		taken, passed, err := l.takeOf(ctx, s.Consumer, aws.ToString(found.QueueUrl), id, most-len(list))
		list, others = append(list, taken...), append(others, passed...)
		if err != nil {
			return list, err
		}
	}
	return list, nil
}

// takeOf receives the dead letters of one consumer, until its queue is empty or it has as
// many as it may take. It also returns those that it has received and does not take.
func (l Letters) takeOf(ctx context.Context, consumer, dead, id string, most int) (taken, passed []Letter, err error) {
	seen := map[string]bool{} // a message may come twice
	for len(taken) < most {
		got, err := l.receive(ctx, consumer, dead)
		if err != nil || len(got) == 0 {
			return taken, passed, err
		}
		for _, letter := range got {
			switch {
			case seen[letter.MessageID]:
			case len(taken) < most && (id == "" || id == letter.EventID || id == letter.MessageID):
				taken = append(taken, letter)
			default:
				passed = append(passed, letter)
			}
			seen[letter.MessageID] = true
		}
	}
	return taken, passed, nil
}

func (l Letters) receive(ctx context.Context, consumer, dead string) (list []Letter, err error) {
	got, err := l.SQS.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &dead, MaxNumberOfMessages: inOneCall, WaitTimeSeconds: 1, VisibilityTimeout: int32(letterHold / time.Second),
		MessageAttributeNames:       []string{reasonAttribute},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameSentTimestamp},
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", DeadName(consumer), err)
	}
	for _, m := range got.Messages {
		letter := Letter{
			Consumer: consumer, MessageID: aws.ToString(m.MessageId), Reason: "received too often", dead: dead,
			body: aws.ToString(m.Body), receipt: aws.ToString(m.ReceiptHandle),
		}
		if said, ok := m.MessageAttributes[reasonAttribute]; ok {
			letter.Reason = aws.ToString(said.StringValue)
		}
		var sent int64
		if _, err := fmt.Sscan(m.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], &sent); err == nil {
			letter.SentAt = time.UnixMilli(sent)
		}
		var e cloudevent.Event
		if json.Unmarshal([]byte(letter.body), &e) == nil && e.Validate() == nil {
			letter.EventID, letter.Type = e.ID, e.Type
		}
		list = append(list, letter)
	}
	return list, nil
}

// Release shows letters to others again.
func (l Letters) Release(ctx context.Context, list []Letter) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settling)
	defer cancel()
	var errs []error
	for _, letter := range list {
		_, err := l.SQS.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
			QueueUrl: &letter.dead, ReceiptHandle: &letter.receipt, VisibilityTimeout: 0,
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("release: %w", err))
		}
	}
	return errors.Join(errs...)
}

// Replay sends a letter to the queue of its consumer again, with all its receives, and
// deletes it. After an error between the two, the consumer gets the event and the letter
// stays: a second replay has no second effect.
func (l Letters) Replay(ctx context.Context, letter Letter) error {
	found, err := l.SQS.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(Name(letter.Consumer))})
	if err != nil {
		return fmt.Errorf("%s: %w", Name(letter.Consumer), err)
	}
	if _, err := l.SQS.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: found.QueueUrl, MessageBody: &letter.body}); err != nil {
		return fmt.Errorf("%s: %w", Name(letter.Consumer), err)
	}
	done, err := l.SQS.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{
		QueueUrl: &letter.dead, Entries: []types.DeleteMessageBatchRequestEntry{{Id: aws.String("0"), ReceiptHandle: &letter.receipt}},
	})
	if err == nil && len(done.Failed) > 0 {
		err = errNotDeleted
	}
	if err != nil {
		return fmt.Errorf("%s: %w", DeadName(letter.Consumer), err)
	}
	return nil
}
