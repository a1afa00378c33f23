package read_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	messageread "github.com/tidebank/tidebank/functions/message/read"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

type fixture struct {
	bank.Pair
	mine       []uuid.UUID
	somebodies uuid.UUID
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	w := fixture{Pair: bank.NewPair(t, 0)}
	w.mine = []uuid.UUID{w.Message(t, w.Payer.ID, "", bank.Start), w.Message(t, w.Payer.ID, "", bank.Start)}
	w.somebodies = w.Message(t, w.Payee.ID, "", bank.Start)
	return w
}

// readAt is when a message was read; zero if it was not.
func (w fixture) readAt(t *testing.T, id uuid.UUID) time.Time {
	t.Helper()
	if at := check.Value[*time.Time](t, w.Host.DB.Pool(), "SELECT read_at FROM message WHERE id = $1", id); at != nil {
		return *at
	}
	return time.Time{}
}

func (w fixture) read(t *testing.T, request any) bank.Reply {
	t.Helper()
	return w.Phone.Call(t, messageread.Function, "", request)
}

func TestReadingAgainChangesNothing(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for range 3 {
		w.read(t, map[string]any{"message_id": w.mine[0]}).Want(t, "")
		w.Advance(time.Minute)
	}
	w.read(t, map[string]any{"all": true}).Want(t, "")
	all := w.Clock.Now()
	w.Advance(time.Minute)
	reply := w.read(t, map[string]any{"all": true})
	if reply.Want(t, ""); string(reply.Body) != `{"read":true}` {
		t.Errorf("%s", reply.Body)
	}
	for i, want := range []time.Time{bank.Start, all} {
		if got := w.readAt(t, w.mine[i]); !got.Equal(want) {
			t.Errorf("message %d read at %v, want %v", i, got, want)
		}
	}
	if got := w.readAt(t, w.somebodies); !got.IsZero() {
		t.Errorf("somebody else's message was read at %v", got)
	}
}

func TestForeignAndNoMessageAreOneAnswer(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	foreign := w.read(t, map[string]any{"message_id": w.somebodies})
	none := w.read(t, map[string]any{"message_id": uuid.New()})
	foreign.Want(t, "OBJECT_NOT_FOUND")
	bank.WantSame(t, "a foreign message", foreign, none)
	if got := w.readAt(t, w.somebodies); !got.IsZero() {
		t.Errorf("somebody else's message was read at %v", got)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for name, request := range map[string]any{
		"nothing":       map[string]any{},
		"one and all":   map[string]any{"message_id": w.mine[0], "all": true},
		"not all":       map[string]any{"all": false},
		"no uuid":       map[string]any{"message_id": "x"},
		"unknown field": map[string]any{"all": true, "customer_id": w.Payee.ID},
	} {
		if got := w.read(t, request); got.Code != "INPUT_INVALID" {
			t.Errorf("%s: %d %q", name, got.Status, got.Code)
		}
	}
	w.Device(t, "stranger").Call(t, messageread.Function, "", map[string]any{"all": true}).Want(t, "SESSION_REQUIRED")
	if got := w.readAt(t, w.mine[0]); !got.IsZero() {
		t.Errorf("a refused request read a message at %v", got)
	}
}

func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.Host.DB = pgtest.Broken(t)
	w.read(t, map[string]any{"all": true}).Want(t, "SERVICE_UNAVAILABLE")
	w.read(t, map[string]any{"message_id": w.mine[0]}).Want(t, "SERVICE_UNAVAILABLE")
}
