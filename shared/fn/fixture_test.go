package fn_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	handler "github.com/openfaas/templates-sdk/go-http"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// typeEffect is the event that a test's operations emit, so that effects can be counted.
const typeEffect = "com.tidebank.test.effect.v1"

// patience is a timeout that no test reaches, also on a busy machine.
const patience = time.Minute

// phoneNo must be in no reply and no log line.
const phoneNo = "13812345678"

// given is what a test's operation gets: its call and what the runtime lends it.
type given struct {
	*fn.Call
	lent *fn.Lent
}

func specOf(name string, change func(*fn.Spec)) fn.Spec {
	spec := fn.Spec{Name: name, Summary: "Of a test", Audience: fn.Public, Requirements: []string{"LOGIC-001"}}
	if change != nil {
		change(&spec)
	}
	return spec
}

// declare makes a query from a policy and an operation. Unless changed it is public
// and has a secure channel.
func declare[Req, Resp any](
	name string, change func(*fn.Spec), do func(context.Context, given, Req) (Resp, error),
) fn.Function {
	return fn.Query(specOf(name, change),
		func(_ context.Context, lent *fn.Lent, _ struct{}) (fn.QueryOperation[Req, Resp], error) {
			return func(ctx context.Context, call *fn.Call, request Req) (Resp, error) {
				return do(ctx, given{call, lent}, request)
			}, nil
		})
}

// command makes a function that changes what is stored.
func command[Req, Resp any](name string, change func(*fn.Spec), do fn.CommandOperation[Req, Resp]) fn.Function {
	return fn.Command(specOf(name, change),
		func(context.Context, *fn.Lent, struct{}) (fn.CommandOperation[Req, Resp], error) { return do, nil })
}

func plain(s *fn.Spec) { s.NoChannel = true }

// order is the request of everything.
type order struct {
	stepup.Confirmation
	Note string `json:"note"`
}

// Validate refuses an empty note.
func (o order) Validate() error {
	if o.Note == "" {
		return fn.InvalidField("note", "empty")
	}
	return nil
}

type receipt struct {
	ID   string `json:"id"`
	Note string `json:"note"`
}

// everything is a function with every part of a policy. Its operation checks nothing
// itself, so a test fails if the runtime misses a check.
func everything(name string) fn.Function {
	return everythingAfter(name, func(context.Context) error { return nil })
}

// everythingAfter waits before the runtime commits.
func everythingAfter(name string, wait func(context.Context) error) fn.Function {
	return fn.Confirm(specOf(name, func(s *fn.Spec) {
		s.Rate, s.Risk, s.Audit = fn.RateSend, risk.SceneTransfer, fn.AuditMoney
		s.Timeout = patience
		s.Emits = []string{typeEffect}
		s.Refusals = []*bankerr.Error{bankerr.ErrNotFound}
	}), func(context.Context, *fn.Lent, struct{}) (fn.ConfirmOperation[struct{}, order, receipt], error) {
		return func(
			ctx context.Context, _ *fn.Call, request order, _ fn.Confirmed[struct{}], unit *pg.Unit,
		) (receipt, error) {
			if request.Note == refusedNote {
				return receipt{}, errPoor
			}
			if err := effect(ctx, unit, request.IntentID.String()); err != nil {
				return receipt{}, err
			}
			return receipt{ID: uuid.NewString(), Note: request.Note}, wait(ctx)
		}, nil
	})
}

// refusedNote is what everything's operation refuses.
const refusedNote = "more than there is"

var errPoor = bankerr.New(bankerr.Refused, "FUNDS_INSUFFICIENT")

// leaving ends its caller's session.
func leaving(name string) fn.Function {
	return command(name, func(s *fn.Spec) { s.Audience, s.Session = fn.Customer, fn.SessionEnds },
		func(context.Context, *fn.Call, note, *pg.Unit) (note, error) { return note{"bye"}, nil })
}

// entering starts a session for the customer that its request names.
func entering(name string) fn.Function {
	return command(name, func(s *fn.Spec) { s.Session = fn.SessionStarts },
		func(_ context.Context, call *fn.Call, request note, _ *pg.Unit) (note, error) {
			call.StartSession(uuid.MustParse(request.Note), "", session.NoDuty)
			return request, nil
		})
}

// done is what a test's operation did.
type done struct{}

// EventType is typeEffect.
func (done) EventType() string { return typeEffect }

func effect(ctx context.Context, unit *pg.Unit, subject string) error {
	return events.Emit(ctx, unit, subject, uuid.Nil, done{})
}

// effects counts the events that operations emitted for a subject.
func effects(t *testing.T, b *bank.Bank, subject string) int {
	t.Helper()
	n := 0
	for _, e := range b.Outbox(t, typeEffect) {
		if e.Subject == subject {
			n++
		}
	}
	return n
}

// user is a customer, logged in on a phone, with an intent for a function that
// the phone's key alone confirms.
type user struct {
	*bank.Device
	*bank.Bank
	f        fn.Function
	customer seed.Customer
	intent   stepup.Intent
}

func newUser(t *testing.T, b *bank.Bank, f fn.Function) user {
	t.Helper()
	u := user{Device: b.Device(t, "phone-"+uuid.NewString()), Bank: b, f: f, customer: b.Customer(t, "王小明")}
	public, err := u.Key.Public().Marshal()
	check.Must(t, err)
	b.Exec(t, "INSERT INTO device (customer_id, device_id, public_key) VALUES ($1, $2, $3)", u.customer.ID, u.ID, public)
	check.Must(t, b.Host.Sessions.Start(t.Context(), u.Channel, u.customer.ID))
	u.ReportClean(t, u.customer.ID)
	u.intent = u.prepare(t)
	return u
}

func (u user) prepare(t *testing.T) stepup.Intent { return u.prepareUnder(t, risk.GradeNormal) }

func (u user) prepareUnder(t *testing.T, grade risk.Grade) stepup.Intent {
	t.Helper()
	in := stepup.Intent{
		ID: uuid.New(), CustomerID: u.customer.ID, DeviceID: u.ID, Operation: u.f.Spec.Name, Payload: []byte("{}"),
		Text: "确认" + uuid.NewString(), Combinations: []stepup.Combination{{stepup.DeviceKey}},
		Raised:    []stepup.Combination{{stepup.DeviceKey, stepup.SMSOTP}},
		CreatedAt: u.Clock.Now(), ExpiresAt: u.Clock.Now().Add(5 * time.Minute), Grade: grade,
	}
	pgtest.Commit(t, u.Host.DB, func(unit *pg.Unit) error { return stepup.Save(unit, u.Host.Keys, in) })
	return in
}

func (u user) proof(t *testing.T, text string) stepup.Proof {
	t.Helper()
	return stepup.Proof{Factor: stepup.DeviceKey, Signature: u.Sign(t, text)}
}

// order is a good request.
func (u user) order(t *testing.T) order {
	t.Helper()
	return order{
		Confirmation: stepup.Confirmation{IntentID: u.intent.ID, Proofs: []stepup.Proof{u.proof(t, u.intent.Text)}}, Note: "x",
	}
}

// call sends a request under the key "key".
func (u user) call(t *testing.T, request any) bank.Reply {
	t.Helper()
	return u.Call(t, u.f, "key", request)
}

// seal makes a frame of any clear text, for any method.
func (u user) seal(t *testing.T, method string, clear []byte) []byte {
	t.Helper()
	h := channel.Header{ID: u.Channel, Sequence: u.Sequence.Add(1), Time: u.Clock.Now()}
	frame, err := channel.SealRequest(u.Keys, h, method, u.f.Spec.Name, clear)
	check.Must(t, err)
	return frame
}

func (u user) grade(t *testing.T, grade risk.Grade) {
	t.Helper()
	u.Exec(t, "UPDATE customer SET risk_grade = $2 WHERE id = $1", u.customer.ID, grade)
}

// handle hands a request to a function's entry as the SDK does.
func handle(t *testing.T, b *bank.Bank, f fn.Function, body string, header http.Header) handler.Response {
	t.Helper()
	if header == nil {
		header = http.Header{}
	}
	r := handler.Request{Body: []byte(body), Method: http.MethodPost, Header: header}
	r.WithContext(t.Context())
	reply, err := b.Open(t, f).Handle(r)
	check.Must(t, err)
	return reply
}

func accesses(t *testing.T, b *bank.Bank) []events.Stored {
	t.Helper()
	return b.Outbox(t, events.TypeAccessRecorded)
}
