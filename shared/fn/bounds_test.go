package fn_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	handler "github.com/openfaas/templates-sdk/go-http"

	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// A frame is taken if its time is at most five minutes from the bank's, in either
// direction.
func TestHowFarTheClocksMayDiffer(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	f := declare("test-clock", nil, func(context.Context, given, struct{}) (struct{}, error) { return struct{}{}, nil })
	phone := b.Device(t, "phone")
	for _, tt := range []struct {
		off  time.Duration
		want string
	}{
		{0, ""},
		{time.Second, ""},
		{-time.Second, ""},
		{5 * time.Minute, ""},
		{-5 * time.Minute, ""},
		{5*time.Minute + time.Millisecond, "FRAME_REJECTED"},
		{-5*time.Minute - time.Millisecond, "FRAME_REJECTED"},
	} {
		frame := phone.FrameAt(t, f, b.Clock.Now().Add(tt.off), clear(t, "", struct{}{}))
		if got := phone.Send(t, f, frame); got.Code != tt.want {
			t.Errorf("%v off: %q, want %q", tt.off, got.Code, tt.want)
		}
	}
}

// Redis counts sequences exactly below 2^53, so no greater one is taken.
func TestTheGreatestSequence(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	f := declare("test-sequence", nil, func(context.Context, given, struct{}) (struct{}, error) { return struct{}{}, nil })
	phone := b.Device(t, "phone")
	phone.Sequence.Store(1<<53 - 2)
	phone.Call(t, f, "", struct{}{}).Want(t, "")
	phone.Call(t, f, "", struct{}{}).Want(t, "FRAME_REJECTED")
	phone.Call(t, f, "", struct{}{}).Want(t, "FRAME_REJECTED")
}

func TestTheLongestKey(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	f := once("test-key", fn.Public, gate(1))
	phone, key := b.Device(t, "phone"), strings.Repeat("k", 64)
	phone.Call(t, f, key, note{"a"}).Want(t, "")
	long := phone.Call(t, f, key+"k", note{"b"})
	if long.Want(t, "INPUT_INVALID"); long.Problem.Field != "idempotency_key" {
		t.Errorf("field %q", long.Problem.Field)
	}
	// What is not printable ASCII would be one key for several, or no text to PostgreSQL.
	for _, key := range []string{`\u0000`, `\ud800`, "\xff", `\n`, `\u007f`, "键", "\xb7\xbf"} {
		frame := phone.FrameAt(t, f, b.Clock.Now(), []byte(`{"idempotency_key":"`+key+`","request":{"note":"b"}}`))
		if got := phone.Send(t, f, frame); got.Code != "INPUT_INVALID" || got.Problem.Field != "idempotency_key" {
			t.Errorf("key %q: %s", key, got.Body)
		}
	}
	if n := effects(t, b, "b"); n != 0 {
		t.Errorf("%d effects under a key that can't be", n)
	}
}

// The envelope of a sealed request is read as strictly as the request within it.
func TestEnvelopesThatAreRefused(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	f := declare("test-envelope", nil, func(_ context.Context, _ given, request note) (note, error) { return request, nil })
	phone := b.Device(t, "phone")
	send := func(text string) bank.Reply {
		return phone.Send(t, f, phone.FrameAt(t, f, b.Clock.Now(), []byte(text)))
	}
	for _, text := range []string{
		``, ` `, `null`, `[]`, `"x"`, `{`, `{"request":{}`, `{"request":{},}`, `{"request":{}}{}`, `{"request":{}}]`,
		`{"request":{},"request":{}}`, `{"idempotency_key":"a","idempotency_key":"b","request":{}}`,
		`{"request":{},"Request":{}}`, `{"request":{},"admin":true}`, `{"idempotency_key":1,"request":{}}`, `{"request":}`,
		`{1:{}}`, `{}`, `["request",{}]`,
	} {
		if got := send(text); got.Code != "INPUT_INVALID" {
			t.Errorf("%s: %d %q %s", text, got.Status, got.Code, got.Body)
		}
	}
	for text, field := range map[string]string{
		`{}`: "request", `{"idempotency_key":"k"}`: "request", `{"request":null}`: "request",
		`{"request":{},"request":{}}`: "request", `{"request":{},"Request":{}}`: "Request", `{"request":{},"admin":true}`: "admin",
		`{"request":{},"13800010001":true}`: "", `{"request":{"foo":1}}`: "foo",
	} {
		if got := send(text); got.Code != "INPUT_INVALID" || got.Problem.Field != field {
			t.Errorf("%s: %q, field %q, want %q", text, got.Code, got.Problem.Field, field)
		}
	}
	for _, text := range []string{
		`{"request":{"note":"x"}}`, `{"request":{"note":"x"},"idempotency_key":""}`, ` {"idempotency_key":"k","request":{"note":"x"}} `,
	} {
		if got := send(text); string(got.Body) != `{"note":"x"}` {
			t.Errorf("%s: %d %q %s", text, got.Status, got.Code, got.Body)
		}
	}
}

func TestTheLongestEvent(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	f := consumer(counting)
	for _, tt := range []struct{ over, want int }{{0, http.StatusAccepted}, {1, http.StatusRequestEntityTooLarge}} {
		e := b.Event(t, uuid.NewString(), typeHeard, "x", heard{})
		body, header := structured(t, e)
		body += strings.Repeat(" ", int(b.Host.Limits.BodyBytes)-len(body)+tt.over)
		if got := handle(t, b, f, body, header).StatusCode; got != tt.want {
			t.Errorf("%d bytes more than may be: %d, want %d", tt.over, got, tt.want)
		}
	}
}

type markKey struct{}

// An operation and a reaction run under the context of their request, and also when
// there is none.
func TestTheContextOfARequest(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	mark := func(ctx context.Context) string {
		text, _ := ctx.Value(markKey{}).(string)
		return text
	}
	var seen string
	query := declare("test-context", plain, func(ctx context.Context, _ given, _ struct{}) (struct{}, error) {
		seen = "query" + mark(ctx)
		return struct{}{}, nil
	})
	on := consumer(func(ctx context.Context, _ fn.Delivery[heard]) (fn.Effect, error) {
		seen = "event" + mark(ctx)
		return nil, nil
	})
	for _, tt := range []struct {
		f    fn.Function
		want string
	}{{query, "query"}, {on, "event"}} {
		for _, text := range []string{"", " of the request"} {
			call := handler.Request{Method: http.MethodPost, Body: []byte("{}"), Header: http.Header{}}
			if tt.want == "event" {
				body, header := structured(t, b.Event(t, uuid.NewString(), typeHeard, "x", heard{}))
				call.Body, call.Header = []byte(body), header
			}
			if text != "" {
				call.WithContext(context.WithValue(t.Context(), markKey{}, text))
			}
			_, err := b.Open(t, tt.f).Handle(call)
			check.Must(t, err)
			if seen != tt.want+text {
				t.Errorf("%q, want %q", seen, tt.want+text)
			}
		}
	}
}

// A refused call settles the count of a trade password. When it can't, the refusal
// stays, the guess stays in flight, and the log says so.
func TestRefusedCallsSettleTheAttempt(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	u := newUser(t, b, everything("test-everything"))
	u.LoginAs(t, u.customer)
	const warning = "attempts not settled"
	const stuck = "ALTER TABLE credential ADD CONSTRAINT stuck CHECK (trade_in_flight > 0) NOT VALID"
	for _, tt := range []struct {
		name, password, note, before string
		want                         string
		failures                     int
		warned                       bool
	}{
		{"a wrong password", "000000", "x", "", "PROOF_REJECTED", 1, false},
		{"a refusal with a right one", bank.TradePassword, refusedNote, "", "FUNDS_INSUFFICIENT", 0, false},
		{"a refusal that can't settle", bank.TradePassword, refusedNote, stuck, "FUNDS_INSUFFICIENT", 1, true},
	} {
		if tt.before != "" {
			b.Exec(t, tt.before)
		}
		request := u.order(t)
		request.Note = tt.note
		request.Proofs = append(request.Proofs, stepup.Proof{Factor: stepup.TradePassword, Password: u.Password(t, tt.password)})
		u.Call(t, u.f, tt.name, request).Want(t, tt.want)
		n := b.Count(t, "SELECT trade_failures + trade_in_flight FROM credential WHERE customer_id = $1", u.customer.ID)
		if warned := strings.Contains(b.Log.String(), warning); n != tt.failures || warned != tt.warned {
			t.Errorf("%s: %d failures stand, warned: %t; want %d, %t", tt.name, n, warned, tt.failures, tt.warned)
		}
	}
}

// What the stages may answer follows from the policy.
func TestRefusalsOfTheStages(t *testing.T) {
	t.Parallel()
	all := "METHOD_NOT_ALLOWED INPUT_TOO_LARGE INPUT_INVALID RATE_LIMITED INTERNAL_ERROR SERVICE_UNAVAILABLE"
	sealed := all + " FRAME_REJECTED CHANNEL_EXPIRED FRAME_REPLAYED"
	customers := sealed + " SESSION_REQUIRED SESSION_DISPLACED PASSWORD_CHANGE_REQUIRED"
	keyed := " IDEMPOTENCY_KEY_MISSING IDEMPOTENCY_KEY_REUSED REQUEST_IN_PROGRESS"
	proofs := " INTENT_USED INTENT_EXPIRED PROOF_REJECTED STEPUP_STRONGER TRADE_PASSWORD_LOCKED TRADE_PASSWORD_FROZEN" +
		" LOGIN_PASSWORD_LOCKED TOKEN_LOCKED OBJECT_NOT_FOUND PASSWORD_UNSEALED DEVICE_UNBOUND"
	for name, tt := range map[string]struct {
		spec fn.Spec
		want string
	}{
		"without a channel": {specOf("test-it", plain), all},
		"public":            {specOf("test-it", nil), sealed},
		"for customers":     {specOf("test-it", func(s *fn.Spec) { s.Audience = fn.Customer }), customers},
		"during a duty": {
			specOf("test-it", func(s *fn.Spec) { s.Audience, s.DuringDuty = fn.Customer, true }),
			strings.TrimSuffix(customers, " PASSWORD_CHANGE_REQUIRED"),
		},
		"idempotent": {specOf("test-it", func(s *fn.Spec) { s.Idempotent = true }), sealed + keyed},
		"all of it":  {everything("test-it").Spec, customers + keyed + proofs + " RISK_REFUSED ENVIRONMENT_UNSAFE"},
	} {
		var got []string
		for _, e := range fn.StageRefusals(tt.spec) {
			got = append(got, e.Code())
		}
		if diff := cmp.Diff(strings.Fields(tt.want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
