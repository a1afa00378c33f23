package fn_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/req"
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
		batch.Queue("INSERT INTO otp_quota (quota, sent, last_at) VALUES ('x', '{}', now())")
		return call.CountAttempts(ctx, batch)
	}
	for name, tt := range map[string]struct {
		change func(*fn.Spec)
		do     fn.CommandOperation[note, note]
	}{
		"an event": {quiet, func(ctx context.Context, _ *fn.Call, _ note, unit *pg.Unit) (note, error) {
			return note{}, effect(ctx, unit, "undeclared")
		}},
		"an event without its wake-up": {quiet, func(ctx context.Context, _ *fn.Call, _ note, unit *pg.Unit) (note, error) {
			return note{}, events.Emit(ctx, silent{unit}, "undeclared", uuid.Nil, done{})
		}},
		"a session": {quiet, func(_ context.Context, call *fn.Call, _ note, _ *pg.Unit) (note, error) {
			call.StartSession(uuid.New(), "", session.NoDuty)
			return note{}, nil
		}},
		"no session": {func(s *fn.Spec) { s.Session = fn.SessionStarts }, func(context.Context, *fn.Call, note, *pg.Unit) (note, error) {
			return note{}, nil
		}},
		"an end of sessions": {quiet, func(_ context.Context, call *fn.Call, _ note, _ *pg.Unit) (note, error) {
			call.EndSessions(uuid.New())
			return note{}, nil
		}},
		"no end of sessions": {
			func(s *fn.Spec) { s.Session = fn.SessionEndsAll },
			func(context.Context, *fn.Call, note, *pg.Unit) (note, error) { return note{}, nil },
		},
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

// silent is a writer that drops what wakes the relay.
type silent struct{ *pg.Unit }

func (s silent) Write(ctx context.Context, statement pg.Statement) error {
	statement.Notify = ""
	return s.Unit.Write(ctx, statement)
}

// An effect that sends an event which its Spec does not declare is rolled back.
func TestAnEffectSendsDeclaredEventsOnly(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	spec := fn.Spec{Name: "test-on-heard", Summary: "Of a test", Requirements: []string{"AUDIT-001"}}
	hears(&spec)
	f := fn.Event(spec, func(context.Context, *fn.Lent, struct{}) (fn.Reaction[heard], error) { return counting, nil })
	id := uuid.NewString()
	if got := b.Deliver(t, f, b.Event(t, id, typeHeard, "subject", heard{})); got != http.StatusServiceUnavailable {
		t.Errorf("%d, want 503", got)
	}
	if n := effects(t, b, id) + b.Count(t, "SELECT count(*) FROM event_consumed"); n != 0 {
		t.Errorf("%d effects and records", n)
	}
}

// What an operation writes into its call, or takes out of what it is lent, reaches no
// other customer's session and no access record.
func TestAnOperationCannotPoseAsAnother(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	wang, li := b.Customer(t, "王小明"), b.Customer(t, "李四")
	f := fn.Command(specOf("test-pose", func(s *fn.Spec) { s.Audience, s.Audit = fn.Customer, fn.AuditRead }),
		func(_ context.Context, lent *fn.Lent, _ struct{}) (fn.CommandOperation[note, note], error) {
			if _, reached := lent.Channels.(*session.Store); reached {
				return nil, errors.New("the session store is lent whole")
			}
			return func(_ context.Context, call *fn.Call, request note, _ *pg.Unit) (note, error) {
				call.CustomerID, call.DeviceID, call.IP = li.ID, "another", "9.9.9.9"
				return request, nil
			}, nil
		})
	phone := b.Device(t, "phone-of-wang")
	phone.LoginAs(t, wang)
	phone.Call(t, f, "", note{"x"}).Want(t, "")
	for _, recorded := range req.AtLeast(t, 1, records(t, b)) {
		if recorded.CustomerID != wang.ID.String() || recorded.DeviceID == "another" || recorded.IP == "9.9.9.9" {
			t.Errorf("recorded: %+v", recorded)
		}
	}
}

// A configuration that says where the stores or keys are would let an operation open
// its own. Such a function can't be declared.
func TestAConfigurationOpensNothing(t *testing.T) {
	t.Parallel()
	type inner struct {
		Keys keys.Config
	}
	for name, declare := range map[string]func(){
		"a database": func() { configured[pg.Config]() },
		"keys":       func() { configured[struct{ Part inner }]() },
		"the key of another's": func() {
			configured[struct {
				Where string `envconfig:"REDIS_URL"`
			}]()
		},
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, "where a store or the keys are") {
					t.Errorf("%s: %s", name, got)
				}
			}()
			declare()
		}()
	}
	configured[struct {
		URL string `envconfig:"SMS_URL"`
	}]()
}

func configured[C any]() {
	fn.Query(specOf("test-configured", nil), func(context.Context, *fn.Lent, C) (fn.QueryOperation[note, note], error) {
		return nil, errors.New("never opened")
	})
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
