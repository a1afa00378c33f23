package fn_test

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
)

// A reply that holds a phone number is refused at each repetition, and its operation
// commits nothing: no effect and no record, and the intent stays open.
func TestALeakCommitsNothing(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	u := newUser(t, b, everything("test-leaks"))
	leak := u.order(t)
	leak.Note = phoneNo
	for range 3 {
		reply := u.call(t, leak)
		if reply.Want(t, "INTERNAL_ERROR"); strings.Contains(string(reply.Body), phoneNo) {
			t.Fatalf("it got out: %s", reply.Body)
		}
		if n := effects(t, b, u.intent.ID.String()); n != 0 {
			t.Fatalf("%d effects", n)
		}
		if n := b.Count(t, "SELECT count(*) FROM idempotency"); n != 0 {
			t.Fatalf("%d records", n)
		}
		if n := b.Count(t, "SELECT count(*) FROM intent WHERE id = $1 AND state = 'open'", u.intent.ID); n != 1 {
			t.Fatal("the intent is not open any more")
		}
	}
	u.call(t, u.order(t)).Want(t, "") // the same key and intent, without the leak
	if n := effects(t, b, u.intent.ID.String()); n != 1 {
		t.Errorf("%d effects of the good call", n)
	}
}

// The runtime records the reply and consumes the intent, also of an operation that only
// answers.
func TestTheRuntimeRecordsAndConsumes(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	wire := func(context.Context, *fn.Lent, struct{}) (fn.ConfirmOperation[struct{}, order, receipt], error) {
		return func(_ context.Context, _ *fn.Call, _ order, confirmed fn.Confirmed[struct{}], _ *pg.Unit) (receipt, error) {
			if len(confirmed.Factors) != 1 || confirmed.Factors[0] != stepup.DeviceKey || confirmed.Text == "" {
				return receipt{}, errors.New("not what was confirmed")
			}
			return receipt{ID: confirmed.IntentID.String() + uuid.NewString()}, nil
		}, nil
	}
	f := fn.Confirm(specOf("test-idle", nil), wire)
	u := newUser(t, b, f)
	first := u.call(t, u.order(t))
	first.Want(t, "")
	if again := u.call(t, u.order(t)); string(again.Body) != string(first.Body) {
		t.Errorf("again: %s, want %s", again.Body, first.Body)
	}
	u.Call(t, f, "another key", u.order(t)).Want(t, "INTENT_USED")
}

// An operation that does what its Spec does not declare has no effect.
func TestUndeclaredDoings(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	quiet := func(*fn.Spec) {}
	attempt := func(ctx context.Context, call *fn.Call) error {
		batch := &pgx.Batch{}
		batch.Queue("INSERT INTO otp_quota (phone_bidx, day, sent, last_at) VALUES ('x', '2026-01-01', 1, '{}')")
		return call.CountAttempts(ctx, batch)
	}
	for name, tt := range map[string]struct {
		change func(*fn.Spec)
		do     fn.CommandOperation[note, note]
	}{
		"an event": {quiet, func(ctx context.Context, _ *fn.Call, _ note, unit *pg.Unit) (note, error) {
			return note{}, effect(ctx, unit, "undeclared")
		}},
		"a session": {quiet, func(_ context.Context, call *fn.Call, _ note, _ *pg.Unit) (note, error) {
			call.StartSession(uuid.New())
			return note{}, nil
		}},
		"no session": {func(s *fn.Spec) { s.Session = fn.SessionStarts }, func(context.Context, *fn.Call, note, *pg.Unit) (note, error) {
			return note{}, nil
		}},
		"attempts": {quiet, func(ctx context.Context, call *fn.Call, _ note, _ *pg.Unit) (note, error) {
			return note{}, attempt(ctx, call)
		}},
	} {
		f := command("test-undeclared", func(s *fn.Spec) { s.Idempotent = true; tt.change(s) }, tt.do)
		b.Forget(f)
		reply := b.Device(t, "phone-"+uuid.NewString()).Call(t, f, "key", note{"x"})
		if reply.Code != "INTERNAL_ERROR" {
			t.Errorf("%s: %q", name, reply.Code)
		}
	}
	n := effects(t, b, "undeclared") +
		b.Count(t, "SELECT count(*) FROM idempotency") + b.Count(t, "SELECT count(*) FROM otp_quota")
	if n != 0 {
		t.Errorf("%d effects", n)
	}
}

// What an operation gets has no way to commit: each of these lines does not compile.
func TestAnOperationCannotCommit(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "build", "-gcflags=-e", "./testdata/cannotcommit").CombinedOutput()
	if err == nil {
		t.Fatal("testdata/cannotcommit compiles")
	}
	for _, want := range []string{
		"lent.DB.Commit undefined", "lent.DB.InTx undefined", "lent.DB.Pool undefined", "call.Commit undefined",
		"unit.Commit undefined", "tx.Commit undefined", "tx.Rollback undefined", "undefined: fn.RecordReply",
		"lent.Sessions undefined",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}
