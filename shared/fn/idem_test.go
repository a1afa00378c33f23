package fn_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/idem"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

type note struct {
	Note string `json:"note"`
}

// once is an idempotent function. Every run makes another reply, so that one which
// ran again shows; before its commit a run waits for the others of a race.
func once(name string, audience fn.Audience, wait func(context.Context) error) fn.Function {
	return command(name, func(s *fn.Spec) {
		s.Idempotent, s.Audience, s.Timeout, s.Emits = true, audience, patience, []string{typeEffect}
	}, func(ctx context.Context, _ *fn.Call, request note, unit *pg.Unit) (receipt, error) {
		if err := effect(ctx, unit, request.Note); err != nil {
			return receipt{}, err
		}
		return receipt{ID: uuid.NewString(), Note: request.Note}, wait(ctx)
	})
}

func TestTheSameRequestRunsOnce(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LOGIC-013.1", "LOGIC-013.2")
	b := bank.New(t)
	f := once("test-once", fn.Public, gate(1))
	phone, other := b.Device(t, "phone"), b.Device(t, "other")
	first := phone.Call(t, f, "key", note{"a"})
	first.Want(t, "")
	again := phone.Call(t, f, "key", note{"a"})
	phone.Reopen(t) // an app that was closed asks again
	later := phone.Call(t, f, "key", note{"a"})
	for _, r := range []bank.Reply{again, later} {
		if r.Status != http.StatusOK || string(r.Body) != string(first.Body) {
			t.Errorf("%d %s, want the first answer %s", r.Status, r.Body, first.Body)
		}
	}
	if n := effects(t, b, "a"); n != 1 {
		t.Errorf("%d effects", n)
	}
	reused := phone.Call(t, f, "key", note{"b"})
	if reused.Want(t, "IDEMPOTENCY_KEY_REUSED"); reused.Status != http.StatusConflict {
		t.Errorf("status %d", reused.Status)
	}
	if n := effects(t, b, "b"); n != 0 {
		t.Errorf("the reused key had %d effects", n)
	}
	stale := phone.FrameAt(t, f, b.Clock.Now().Add(-6*time.Minute), clear(t, "key", note{"a"}))
	phone.Send(t, f, stale).Want(t, "FRAME_REJECTED")

	// Keys are a device's, or a customer's, and a function's own.
	other.Call(t, f, "key", note{"c"}).Want(t, "")
	phone.Call(t, f, "another key", note{"d"}).Want(t, "")
	phone.Call(t, once("test-once-more", fn.Public, gate(1)), "key", note{"e"}).Want(t, "")
	for _, subject := range []string{"c", "d", "e"} {
		if n := effects(t, b, subject); n != 1 {
			t.Errorf("%s: %d effects", subject, n)
		}
	}
}

// An idempotency key belongs to its customer: it is the same on another phone, and
// another customer on the same phone does not share it.
func TestKeysBelongToTheCustomer(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	f := once("test-once", fn.Customer, gate(1))
	phone, tablet, wang := b.Device(t, "phone"), b.Device(t, "tablet"), uuid.New()
	check.Must(t, b.Host.Sessions.Start(t.Context(), phone.Channel, wang))
	first := phone.Call(t, f, "key", note{"a"})
	first.Want(t, "")
	check.Must(t, b.Host.Sessions.Start(t.Context(), tablet.Channel, wang))
	if again := tablet.Call(t, f, "key", note{"a"}); string(again.Body) != string(first.Body) {
		t.Errorf("%s, want %s", again.Body, first.Body)
	}
	check.Must(t, b.Host.Sessions.Start(t.Context(), phone.Channel, uuid.New()))
	if li := phone.Call(t, f, "key", note{"a"}); string(li.Body) == string(first.Body) {
		t.Error("another customer got the answer")
	}
	if n := effects(t, b, "a"); n != 2 {
		t.Errorf("%d effects", n)
	}
}

// The duplicates are concurrent: each has passed the look-up before any commits.
func TestConcurrentDuplicatesRunOnce(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LOGIC-013.1", "LOGIC-013.2")
	const many = 5
	for _, tt := range []struct {
		name string
		body func(i int) note
		want string // what the losers get
	}{
		{"the same", func(int) note { return note{"n0"} }, ""},
		{"others", func(i int) note { return note{"n" + string(rune('0'+i))} }, "IDEMPOTENCY_KEY_REUSED"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := bank.New(t)
			f := once("test-duplicates", fn.Public, gate(many))
			phone := b.Device(t, "phone")
			replies := make([]bank.Reply, many)
			var wait sync.WaitGroup
			for i := range replies {
				wait.Go(func() { replies[i] = phone.Call(t, f, "key", tt.body(i)) })
			}
			wait.Wait()
			var winner []byte
			won := 0
			for _, r := range replies {
				if r.Code == "" {
					won, winner = won+1, r.Body
				} else if r.Code != tt.want {
					t.Errorf("a duplicate got %q", r.Code)
				}
			}
			total := 0
			for i := range many {
				total += effects(t, b, note{"n" + string(rune('0'+i))}.Note)
			}
			if want := map[string]int{"": many}[tt.want]; total != 1 || tt.want == "" && won != want || tt.want != "" && won != 1 {
				t.Fatalf("%d effects, %d answers", total, won)
			}
			for _, r := range replies {
				if r.Code == "" && string(r.Body) != string(winner) {
					t.Errorf("duplicates got %s and %s", r.Body, winner)
				}
			}
		})
	}
}

// A call whose concurrent duplicate has committed, but left no record, can't answer yet.
func TestADuplicateThatVanished(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	f := command("test-vanished", func(s *fn.Spec) { s.Idempotent = true },
		func(_ context.Context, _ *fn.Call, _ note, unit *pg.Unit) (receipt, error) {
			unit.Add(pg.Statement{
				SQL: `
INSERT INTO idempotency (caller, operation, key, body_hash, reply)
SELECT 'x', 'x', g::text, '', '' FROM generate_series(1, 2) g, generate_series(1, 2)`,
				Refuse: map[string]error{"idempotency_key_unique": idem.ErrRepeated},
			})
			return receipt{}, nil
		})
	got := b.Device(t, "phone").Call(t, f, "key", note{"a"})
	if got.Want(t, "REQUEST_IN_PROGRESS"); got.Header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", got.Header.Get("Retry-After"))
	}
}

// A run that failed leaves no record: the client may use the key again.
func TestAFailedRunKeepsNoRecord(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	var broken atomic.Bool
	broken.Store(true)
	f := once("test-again", fn.Public, func(context.Context) error {
		if broken.Load() {
			return context.DeadlineExceeded
		}
		return nil
	})
	phone := b.Device(t, "phone")
	phone.Call(t, f, "key", note{"a"}).Want(t, "SERVICE_UNAVAILABLE")
	broken.Store(false)
	phone.Call(t, f, "key", note{"a"}).Want(t, "")
	if n := effects(t, b, "a"); n != 1 {
		t.Errorf("%d effects", n)
	}
}

// A concurrent duplicate commits during the look-up. The call then gets the stored reply,
// and not INTENT_EXPIRED.
func TestADuplicateThatCommitsDuringTheLookUp(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LOGIC-013.1")
	b := bank.New(t)
	arrived, proceed := make(chan struct{}), make(chan struct{})
	u := newUser(t, b, everythingAfter("test-everything", func(context.Context) error {
		close(arrived)
		<-proceed
		return nil
	}))
	request, foreign := u.order(t), u.order(t)

	// One connection is left, and a first call prepares the statements on it. Without
	// this, the second call would wait before all statements, and not between them.
	held := make([]*pgxpool.Conn, b.Host.DB.Pool().Config().MaxConns-1)
	for i := range held {
		var err error
		held[i], err = b.Host.DB.Pool().Acquire(t.Context())
		check.Must(t, err)
		defer held[i].Release()
	}
	foreign.IntentID = uuid.New()
	u.call(t, foreign).Want(t, "OBJECT_NOT_FOUND")

	replies := make(chan bank.Reply)
	go func() { replies <- u.call(t, request) }()
	select {
	case <-arrived:
	case refused := <-replies:
		t.Fatalf("the first call did not reach its commit: %s", refused.Body)
	}
	lock, err := held[0].Begin(t.Context())
	check.Must(t, err)
	check.Exec(t, lock, "LOCK TABLE device")
	go func() { replies <- u.call(t, request) }()
	held[1].Release()
	pgtest.AwaitLocks(t, b.Host.DB, 1)
	close(proceed)
	first := <-replies
	check.Must(t, lock.Rollback(t.Context()))
	second := <-replies
	first.Want(t, "")
	if second.Want(t, ""); string(second.Body) != string(first.Body) {
		t.Errorf("duplicates got %s and %s", first.Body, second.Body)
	}
}

// A client may ask for a lost answer with fresh proofs, also with proofs that don't hold.
// The intent fixes the effect, so there is no second effect.
func TestAnAnswerIsRepeatedToFreshProofs(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	u := newUser(t, b, everything("test-everything"))
	first := u.call(t, u.order(t))
	first.Want(t, "")
	fresh := u.order(t) // SM2 signs with a random number: no two signatures are the same
	none := u.order(t)
	none.Proofs = []stepup.Proof{}
	for _, request := range []order{fresh, none} {
		again := u.call(t, request)
		if again.Want(t, ""); string(again.Body) != string(first.Body) {
			t.Errorf("%s, want %s", again.Body, first.Body)
		}
	}
	changed := u.order(t)
	changed.Note = "y"
	u.call(t, changed).Want(t, "IDEMPOTENCY_KEY_REUSED")
	used := u.intent.ID.String()
	u.intent = u.prepare(t)
	u.call(t, u.order(t)).Want(t, "IDEMPOTENCY_KEY_REUSED")
	if n := effects(t, b, used) + effects(t, b, u.intent.ID.String()); n != 1 {
		t.Errorf("%d effects", n)
	}
}
