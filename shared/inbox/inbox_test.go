package inbox_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/inbox"
	"github.com/tidebank/tidebank/shared/page"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

var now = time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)

// fixture is a database with two customers.
type fixture struct {
	db       *pg.DB
	wang, li uuid.UUID
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	b := fixture{db: pgtest.New(t)}
	b.wang, b.li = pgtest.Customers(t, b.db)
	return b
}

func (b fixture) put(t *testing.T, customer uuid.UUID, event string, at time.Time) {
	t.Helper()
	m := inbox.Message{CustomerID: customer, EventID: event, Kind: "transfer.in", Title: "提醒", Body: event, CreatedAt: at}
	pgtest.Commit(t, b.db, func(u *pg.Unit) error { return inbox.Put(t.Context(), u, m) })
}

// read is a page as its messages' events.
func (b fixture) read(t *testing.T, q inbox.Query) (events []string, messages []inbox.Message, unread int) {
	t.Helper()
	messages, unread, err := inbox.Page(t.Context(), b.db.Reader(), q)
	check.Must(t, err)
	for _, m := range messages {
		events = append(events, m.EventID)
	}
	return events, messages, unread
}

func TestPages(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	for n := range 5 {
		b.put(t, b.wang, fmt.Sprint(n), now.Add(time.Duration(n)*time.Second))
	}
	b.put(t, b.li, "another's", now)
	all, messages, unread := b.read(t, inbox.Query{CustomerID: b.wang, Limit: 10})
	if !slices.Equal(all, []string{"4", "3", "2", "1", "0"}) || unread != 5 {
		t.Errorf("%v, %d unread", all, unread)
	}
	m := messages[4]
	want := inbox.Message{ID: m.ID, CustomerID: b.wang, EventID: "0", Kind: "transfer.in", Title: "提醒", Body: "0", CreatedAt: m.CreatedAt}
	if m != want || !m.CreatedAt.Equal(now) || m.ID == uuid.Nil {
		t.Errorf("%+v", m)
	}
	rest, _, _ := b.read(t, inbox.Query{CustomerID: b.wang, Before: messages[1].Place(), Limit: 2})
	if !slices.Equal(rest, []string{"2", "1"}) {
		t.Errorf("after the second: %v", rest)
	}
	if none, _, unread := b.read(t, inbox.Query{CustomerID: uuid.New(), Before: page.Place{}, Limit: 2}); none != nil || unread != 0 {
		t.Errorf("a stranger has %v, %d unread", none, unread)
	}
}

func TestAnEventGivesOneMessage(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	b.put(t, b.wang, "1", now)
	b.put(t, b.wang, "1", now.Add(time.Hour))
	b.put(t, b.li, "1", now)
	b.put(t, uuid.New(), "1", now) // a customer who is gone
	one, messages, _ := b.read(t, inbox.Query{CustomerID: b.wang, Limit: 10})
	other, _, _ := b.read(t, inbox.Query{CustomerID: b.li, Limit: 10})
	if len(one) != 1 || !messages[0].CreatedAt.Equal(now) || len(other) != 1 {
		t.Errorf("%+v; the other has %v", messages, other)
	}
	if n := check.Count(t, b.db.Pool(), "SELECT count(*) FROM message"); n != 2 {
		t.Errorf("%d messages in all, want 2", n)
	}
}

func (b fixture) mark(t *testing.T, customer, id uuid.UUID, at time.Time) error {
	t.Helper()
	var unit pg.Unit
	err := inbox.MarkRead(t.Context(), b.db.Reader(), &unit, inbox.Mark{CustomerID: customer, MessageID: id, At: at})
	return errors.Join(err, b.db.Commit(t.Context(), &unit))
}

func TestMarking(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	for n := range 3 {
		b.put(t, b.wang, fmt.Sprint(n), now.Add(time.Duration(n)*time.Second))
	}
	b.put(t, b.li, "another's", now)
	_, messages, _ := b.read(t, inbox.Query{CustomerID: b.wang, Limit: 10})
	check.Must(t, b.mark(t, b.wang, messages[1].ID, now.Add(time.Minute)))
	check.Must(t, b.mark(t, b.wang, messages[1].ID, now.Add(time.Hour)))
	left, _, unread := b.read(t, inbox.Query{CustomerID: b.wang, UnreadOnly: true, Limit: 10})
	if !slices.Equal(left, []string{"2", "0"}) || unread != 2 {
		t.Errorf("unread: %v (%d)", left, unread)
	}
	for _, id := range []uuid.UUID{uuid.New(), messages[0].ID} {
		if err := b.mark(t, b.li, id, now); !errors.Is(err, bankerr.ErrNotFound) {
			t.Errorf("marked another's: %v", err)
		}
	}
	pgtest.Commit(t, b.db, func(u *pg.Unit) error { return inbox.MarkAllRead(t.Context(), u, b.wang, now.Add(2*time.Hour)) })
	_, messages, unread = b.read(t, inbox.Query{CustomerID: b.wang, Limit: 10})
	for i, after := range []time.Duration{2 * time.Hour, time.Minute, 2 * time.Hour} {
		if at := messages[i].ReadAt; at == nil || !at.Equal(now.Add(after)) {
			t.Errorf("message %d was read at %v, want %v later", i, at, after)
		}
	}
	if _, _, others := b.read(t, inbox.Query{CustomerID: b.li, Limit: 10}); unread != 0 || others != 1 {
		t.Errorf("%d unread; another customer has %d", unread, others)
	}
}

func TestWithoutADatabase(t *testing.T) {
	t.Parallel()
	db := pgtest.Broken(t)
	_, _, page := inbox.Page(t.Context(), db.Reader(), inbox.Query{})
	for i, err := range []error{
		page, inbox.MarkRead(t.Context(), db.Reader(), new(pg.Unit), inbox.Mark{CustomerID: uuid.New(), MessageID: uuid.New(), At: now}),
	} {
		if !errors.Is(err, bankerr.ErrUnavailable) {
			t.Errorf("%d: %v", i, err)
		}
	}
}
