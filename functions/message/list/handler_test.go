package list_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	messagelist "github.com/tidebank/tidebank/functions/message/list"
	messageread "github.com/tidebank/tidebank/functions/message/read"
	"github.com/tidebank/tidebank/shared/inbox"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

type fixture struct{ bank.Pair }

func newFixture(t *testing.T) fixture {
	t.Helper()
	return fixture{bank.NewPair(t, 0)}
}

func (w fixture) page(t *testing.T, query map[string]any) messagelist.Response {
	t.Helper()
	var page messagelist.Response
	w.Phone.Call(t, messagelist.Function, "", query).Into(t, &page)
	return page
}

func titles(page messagelist.Response) []string {
	names := []string{}
	for _, m := range page.Messages {
		names = append(names, m.Title)
	}
	return names
}

func TestInbox(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	old := w.Message(t, w.Payer.ID, "old", bank.Start.Add(-time.Hour))
	w.Message(t, w.Payer.ID, "new", bank.Start)
	w.Message(t, w.Payee.ID, "not mine", bank.Start)
	w.Phone.Call(t, messageread.Function, "", map[string]any{"message_id": old}).Want(t, "")

	page := w.page(t, map[string]any{})
	if diff := cmp.Diff([]string{"new", "old"}, titles(page)); diff != "" {
		t.Errorf("inbox (-want +got):\n%s", diff)
	}
	if page.Unread != 1 || page.NextCursor != "" {
		t.Errorf("unread %d, cursor %q", page.Unread, page.NextCursor)
	}
	start := bank.Start
	want := messagelist.Message{
		MessageID: old, Kind: inbox.TransferIn, Title: "old", Body: "正文", CreatedAt: bank.Start.Add(-time.Hour), ReadAt: &start,
	}
	same := cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })
	if diff := cmp.Diff(want, page.Messages[1], same); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"new"}, titles(w.page(t, map[string]any{"unread_only": true}))); diff != "" {
		t.Errorf("unread (-want +got):\n%s", diff)
	}
}

// The reply's schema names every kind of message.
func TestKindsAreThoseOfTheInbox(t *testing.T) {
	t.Parallel()
	field, _ := reflect.TypeFor[messagelist.Message]().FieldByName("Kind")
	var kinds []inbox.Kind
	for kind := range strings.SplitSeq(field.Tag.Get("enum"), ",") {
		kinds = append(kinds, inbox.Kind(kind))
	}
	if diff := cmp.Diff(inbox.Kinds(), kinds); diff != "" {
		t.Errorf("kinds (-inbox +schema):\n%s", diff)
	}
}

func TestNoMessagesAreAnEmptyList(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.Message(t, w.Payee.ID, "not mine", bank.Start)
	reply := w.Phone.Call(t, messagelist.Function, "", map[string]any{})
	if reply.Want(t, ""); string(reply.Body) != `{"messages":[],"unread":0,"next_cursor":""}` {
		t.Fatalf("%s", reply.Body)
	}
}

func TestPagesJoinWithoutGapOrRepeat(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	const messages = 45
	for i := range messages { // five share each instant
		w.Message(t, w.Payer.ID, fmt.Sprint(i), bank.Start.Add(time.Duration(i/5)*time.Second))
	}
	seen := map[string]bool{}
	query := map[string]any{}
	for _, want := range []int{20, 20, 5} {
		page := w.page(t, query)
		if len(page.Messages) != want {
			t.Fatalf("a page of %d, want %d", len(page.Messages), want)
		}
		for _, name := range titles(page) {
			if seen[name] {
				t.Fatalf("message %s again", name)
			}
			seen[name] = true
		}
		if (page.NextCursor == "") != (len(seen) == messages) {
			t.Fatalf("cursor %q after %d messages", page.NextCursor, len(seen))
		}
		query = map[string]any{"cursor": page.NextCursor}
		w.Message(t, w.Payer.ID, "later", bank.Start.Add(time.Hour))
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for _, tt := range []struct {
		name  string
		query map[string]any
		want  string
	}{
		{"one", map[string]any{"limit": 1}, ""},
		{"100", map[string]any{"limit": 100}, ""},
		{"101", map[string]any{"limit": 101}, "INPUT_INVALID"},
		{"fewer than none", map[string]any{"limit": -1}, "INPUT_INVALID"},
		{"cursor", map[string]any{"cursor": "x"}, "INPUT_INVALID"},
		{"unknown field", map[string]any{"customer_id": w.Payee.ID}, "INPUT_INVALID"},
		{"wrong type", map[string]any{"unread_only": "yes"}, "INPUT_INVALID"},
	} {
		if got := w.Phone.Call(t, messagelist.Function, "", tt.query); got.Code != tt.want {
			t.Errorf("%s: %d %q, want %q", tt.name, got.Status, got.Code, tt.want)
		}
	}
	w.Device(t, "stranger").Call(t, messagelist.Function, "", map[string]any{}).Want(t, "SESSION_REQUIRED")
}

func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.Host.DB = pgtest.Broken(t)
	w.Phone.Call(t, messagelist.Function, "", map[string]any{}).Want(t, "SERVICE_UNAVAILABLE")
}

// An app that only asks for new messages does not keep its session: the idle time of ten
// minutes goes on.
func TestAPollIsNoActivity(t *testing.T) {
	t.Parallel()
	req.Covers(t, "SESSION-001.4")
	w := newFixture(t)
	for range 9 {
		w.Advance(time.Minute)
		w.page(t, map[string]any{})
	}
	w.Advance(time.Minute)
	w.Phone.Call(t, messagelist.Function, "", map[string]any{}).Want(t, "SESSION_REQUIRED")
	w.Phone.LoginAs(t, w.Payer)
	for range 12 { // the customer uses the app between the polls
		w.Advance(time.Minute)
		w.page(t, map[string]any{})
		w.Phone.Call(t, messageread.Function, "", map[string]any{"all": true}).Want(t, "")
	}
}
