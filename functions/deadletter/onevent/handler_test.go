package onevent_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	auditonevent "github.com/tidebank/tidebank/functions/audit/onevent"
	deadletteronevent "github.com/tidebank/tidebank/functions/deadletter/onevent"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

const (
	notify = "http://notify-on-transfer.tidebank.svc.cluster.local"
	audit  = "http://audit-on-event.tidebank.svc.cluster.local"
)

type fixture struct{ *bank.Bank }

// published writes an event as the relay leaves it and returns it.
func (w fixture) published(t *testing.T, age time.Duration) cloudevent.Event {
	t.Helper()
	data := events.TransferPosted{TransferID: uuid.NewString(), PayerCustomerID: uuid.NewString()}
	var unit pg.Unit
	check.Must(t, events.Emit(t.Context(), &unit, "x", uuid.Nil, data))
	check.Must(t, w.Host.DB.Commit(t.Context(), &unit))
	stored := w.Outbox(t, events.TypeTransferPosted)
	last := stored[len(stored)-1]
	w.Exec(t, "UPDATE outbox SET published_at = now(), created_at = now() - $2::interval WHERE id = $1", last.ID, age)
	e, err := last.CloudEvent(w.Host.Keys)
	check.Must(t, err)
	return e
}

// dies delivers the event as the broker's dead letter of the consumer at an address.
func (w fixture) dies(t *testing.T, e cloudevent.Event, address, status string, want int) {
	t.Helper()
	e = e.Clone()
	if address != "" {
		e.SetExtension("knativeerrordest", address)
	}
	if status != "" {
		e.SetExtension("knativeerrorcode", status)
	}
	if got := w.Deliver(t, deadletteronevent.Function, e); got != want {
		t.Errorf("%s at %q: %d, want %d", status, address, got, want)
	}
}

func (w fixture) letters(t *testing.T) []events.Letter {
	t.Helper()
	list, err := events.Letters(t.Context(), w.Host.DB, 100)
	check.Must(t, err)
	for i := range list {
		list[i].FailedAt = time.Time{}
	}
	return list
}

func (w fixture) replay(t *testing.T, id string) (n int64) {
	t.Helper()
	check.Must(t, w.Host.DB.InTx(t.Context(), func(ctx context.Context, tx pg.Tx) (err error) {
		n, err = events.ReplayLetters(ctx, tx, id)
		return err
	}))
	return n
}

func (w fixture) waiting(t *testing.T) int {
	t.Helper()
	return w.Count(t, "SELECT count(*) FROM outbox WHERE published_at IS NULL AND next_at <= now()")
}

// Each consumer that fails makes a letter of its own under the event's id. A replay gives
// the event back to the relay once, whatever the number of letters. If the consumer fails
// again, there is a letter again.
func TestLettersAreKeptAndReplayed(t *testing.T) {
	t.Parallel()
	w := fixture{bank.New(t)}
	one, two := w.published(t, 0), w.published(t, 0)
	w.dies(t, one, notify, "503", http.StatusAccepted)
	w.dies(t, one, notify, "503", http.StatusAccepted)
	w.dies(t, one, audit, "", http.StatusAccepted)
	w.Advance(time.Minute)
	w.dies(t, two, notify, "400", http.StatusAccepted)
	kind := events.TypeTransferPosted
	second := events.Letter{EventID: two.ID, Type: kind, Consumer: "notify-on-transfer", Status: 400, Deaths: 1}
	want := []events.Letter{
		{EventID: one.ID, Type: kind, Consumer: "audit-on-event", Deaths: 1},
		{EventID: one.ID, Type: kind, Consumer: "notify-on-transfer", Status: 503, Deaths: 2},
		second,
	}
	if diff := cmp.Diff(want, w.letters(t)); diff != "" {
		t.Errorf("letters (-want +got):\n%s", diff)
	}
	if n := w.replay(t, one.ID); n != 2 || w.waiting(t) != 1 {
		t.Errorf("%d letters were replayed, %d events wait; want 2 and 1", n, w.waiting(t))
	}
	if diff := cmp.Diff([]events.Letter{second}, w.letters(t)); diff != "" {
		t.Errorf("letters after a replay (-want +got):\n%s", diff)
	}
	if n := w.replay(t, one.ID); n != 0 {
		t.Errorf("%d letters were replayed again", n)
	}
	w.Advance(time.Minute)
	w.dies(t, one, notify, "503", http.StatusAccepted)
	again := events.Letter{EventID: one.ID, Type: kind, Consumer: "notify-on-transfer", Status: 503, Deaths: 3}
	if diff := cmp.Diff([]events.Letter{second, again}, w.letters(t)); diff != "" {
		t.Errorf("letters after it failed again (-want +got):\n%s", diff)
	}
	if n := w.replay(t, ""); n != 2 || len(w.letters(t)) != 0 || w.waiting(t) != 2 {
		t.Errorf("%d of all letters were replayed, %d are left, %d events wait", n, len(w.letters(t)), w.waiting(t))
	}
}

// A letter about an old event is kept, but no replay sends what consumers would refuse.
func TestAnOldEventStaysADeadLetter(t *testing.T) {
	t.Parallel()
	w := fixture{bank.New(t)}
	old := w.published(t, events.Freshness)
	w.Advance(2 * events.Freshness)
	w.dies(t, old, notify, "400", http.StatusAccepted)
	if n := w.replay(t, ""); n != 0 || len(w.letters(t)) != 1 || w.waiting(t) != 0 {
		t.Errorf("%d replayed, letters %v", n, w.letters(t))
	}
}

// The seal does not cover what the broker adds, so only a function's name passes.
func TestWhatIsNoDeadLetter(t *testing.T) {
	t.Parallel()
	w := fixture{bank.New(t)}
	e := w.published(t, 0)
	for _, address := range []string{
		"", "notify-on-transfer", "http://10.0.0.1/x", "http://[::1", "http://Notify_On.tidebank", "http://'; DROP TABLE outbox",
		"http://" + strings.Repeat("notify-", 6) + "x.tidebank",
	} {
		w.dies(t, e, address, "503", http.StatusBadRequest)
	}
	forged := e.Clone()
	forged.ID = uuid.NewString()
	w.dies(t, forged, notify, "503", http.StatusBadRequest)
	if list := w.letters(t); len(list) != 0 {
		t.Errorf("kept %v", list)
	}
	for _, status := range []string{"5xx", "-50", "99999", "<b>"} {
		w.dies(t, e, notify, status, http.StatusAccepted)
		if list := w.letters(t); len(list) != 1 || list[0].Status < 0 || list[0].Status > 999 {
			t.Errorf("status %s: %v", status, list)
		}
	}
	w.Host.DB = pgtest.Broken(t)
	w.dies(t, e, notify, "503", http.StatusServiceUnavailable)
}

// A consumer that has had its effect has no second one when an event comes again because
// another consumer failed.
func TestAReplayHasNoSecondEffect(t *testing.T) {
	t.Parallel()
	w := fixture{bank.New(t)}
	e := w.published(t, 0)
	w.dies(t, e, audit, "503", http.StatusAccepted)
	for range 2 { // before, and after the replay
		if got := w.Deliver(t, auditonevent.Function, e); got != http.StatusAccepted {
			t.Errorf("delivery answered %d", got)
		}
		w.replay(t, "")
	}
	if n := w.Count(t, "SELECT count(*) FROM audit_record WHERE event_id = $1", e.ID); n != 1 {
		t.Errorf("%d records", n)
	}
}
