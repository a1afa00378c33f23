package topic_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/events/topic"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
)

const arn = "arn:aws:sns:eu-central-1:123456789012:tidebank-events"

// memory is SNS. It keeps the calls; answer decides about each event.
type memory struct {
	mu     sync.Mutex
	calls  []*sns.PublishBatchInput
	answer func(ctx context.Context, e cloudevent.Event) *types.BatchResultErrorEntry
	fails  error
	silent bool // the answer names no event
}

func (m *memory) PublishBatch(ctx context.Context, in *sns.PublishBatchInput, _ ...func(*sns.Options)) (*sns.PublishBatchOutput, error) {
	m.mu.Lock()
	m.calls = append(m.calls, in)
	m.mu.Unlock()
	out := &sns.PublishBatchOutput{}
	for _, entry := range in.PublishBatchRequestEntries {
		var e cloudevent.Event
		if err := json.Unmarshal([]byte(*entry.Message), &e); err != nil {
			return nil, err
		}
		if m.answer != nil {
			if failed := m.answer(ctx, e); failed != nil {
				failed.Id = entry.Id
				out.Failed = append(out.Failed, *failed)
				continue
			}
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !m.silent {
			out.Successful = append(out.Successful, types.PublishBatchResultEntry{Id: entry.Id})
		}
	}
	return out, m.fails
}

// batch makes authenticated events whose ids count from 1, with so many bytes of data.
func batch(t *testing.T, ring *keys.Ring, count, bytes int) (list []cloudevent.Event) {
	t.Helper()
	for n := range count {
		e, err := events.Stored{
			ID: fmt.Sprint(n + 1), Type: events.TypeTransferPosted, Subject: "transfer-1", CreatedAt: time.Now(),
			Data: fmt.Appendf(nil, `{"payee_masked":"*四%s"}`, strings.Repeat("x", bytes)),
		}.CloudEvent(ring)
		check.Must(t, err)
		list = append(list, e)
	}
	return list
}

func TestEventsArePublishedInBatches(t *testing.T) {
	t.Parallel()
	ring := keytest.New(t)
	for _, tt := range []struct {
		count, bytes int
		want         []int // events of each call
	}{
		{0, 0, nil}, {1, 0, []int{1}}, {10, 0, []int{10}}, {23, 0, []int{3, 10, 10}}, {3, 100 << 10, []int{1, 2}}, {2, 200 << 10, []int{1, 1}},
	} {
		m := &memory{}
		sent := batch(t, ring, tt.count, tt.bytes)
		check.Must(t, errors.Join(topic.Sink{ARN: arn, SNS: m}.Publish(t.Context(), sent)...))
		var sizes []int
		arrived := map[string]int{}
		for _, call := range m.calls {
			sizes = append(sizes, len(call.PublishBatchRequestEntries))
			bytes := 0
			for _, entry := range call.PublishBatchRequestEntries {
				var e cloudevent.Event
				check.Must(t, json.Unmarshal([]byte(*entry.Message), &e))
				check.Must(t, events.Verify(ring, e))
				arrived[e.ID]++
				bytes += len(*entry.Message)
				if kind := entry.MessageAttributes["type"]; aws.ToString(kind.StringValue) != e.Type || aws.ToString(kind.DataType) != "String" {
					t.Errorf("the attribute is %v", kind)
				}
			}
			if bytes > 256<<10 || *call.TopicArn != arn {
				t.Errorf("%d bytes to %s", bytes, *call.TopicArn)
			}
		}
		slices.Sort(sizes)
		if diff := cmp.Diff(tt.want, sizes); diff != "" || len(arrived) != tt.count {
			t.Errorf("%d of %d bytes: %d arrived; calls (-want +got):\n%s", tt.count, tt.bytes, len(arrived), diff)
		}
	}
}

// Each event has its own result: SNS refuses an event for good, or a later try may succeed.
func TestEachEventHasItsResult(t *testing.T) {
	t.Parallel()
	ring := keytest.New(t)
	for _, tt := range []struct {
		code   string
		sender bool
		want   error
	}{
		{"InvalidParameter", true, events.ErrRefused},
		{"InvalidParameter", false, topic.ErrNotTaken},
		{"AuthorizationError", true, topic.ErrNotTaken},
		{"Throttled", true, topic.ErrNotTaken},
		{"InternalError", false, topic.ErrNotTaken},
	} {
		m := &memory{answer: func(_ context.Context, e cloudevent.Event) *types.BatchResultErrorEntry {
			if e.ID != "12" {
				return nil
			}
			return &types.BatchResultErrorEntry{Code: &tt.code, SenderFault: tt.sender}
		}}
		for i, err := range (topic.Sink{ARN: arn, SNS: m}).Publish(t.Context(), batch(t, ring, 23, 0)) {
			if i != 11 && err != nil || i == 11 && !errors.Is(err, tt.want) {
				t.Errorf("%s: event %d: %v, want %v", tt.code, i+1, err, tt.want)
			}
		}
	}
	large := batch(t, ring, 3, 0)
	large[1] = batch(t, ring, 1, 256<<10)[0]
	results := topic.Sink{ARN: arn, SNS: &memory{}}.Publish(t.Context(), large)
	if results[0] != nil || !errors.Is(results[1], events.ErrRefused) || results[2] != nil {
		t.Errorf("an event that is too large: %v", results)
	}
	for name, m := range map[string]*memory{"a failed call": {fails: errors.New("down")}, "an answer without results": {silent: true}} {
		for _, err := range (topic.Sink{ARN: arn, SNS: m}).Publish(t.Context(), batch(t, ring, 2, 0)) {
			if !errors.Is(err, topic.ErrNotTaken) || errors.Is(err, events.ErrRefused) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// The time is the batch's, however many events are in it.
func TestABatchThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{answer: func(ctx context.Context, _ cloudevent.Event) *types.BatchResultErrorEntry {
			<-ctx.Done()
			return nil
		}}
		start := time.Now()
		results := topic.Sink{ARN: arn, SNS: m}.Publish(t.Context(), batch(t, keytest.New(t), 100, 0))
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("after %v", took)
		}
		for i, err := range results { // eight calls were tried
			if want := i < 80; want != errors.Is(err, topic.ErrNotTaken) || want == errors.Is(err, events.ErrNotTried) {
				t.Errorf("%d: %v", i, err)
			}
		}
	})
}
