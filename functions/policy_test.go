package functions_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	handler "github.com/openfaas/templates-sdk/go-http"

	"github.com/tidebank/tidebank/infra/gen/example"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
	"github.com/tidebank/tidebank/test/smstest"
)

// goodRequest is the function's example, which its form lets pass.
func goodRequest(t *testing.T, f fn.Function) map[string]any {
	t.Helper()
	good, err := example.Of(f.Request)
	if err != nil {
		t.Fatalf("%s: %v", f.Spec.Name, err)
	}
	return good
}

// caller is a device that calls one function of a bank whose database always
// fails: an operation that runs can answer nothing but that.
type caller struct {
	*bank.Bank
	*bank.Device
	f       fn.Function
	request map[string]any
}

func newCaller(t *testing.T, f fn.Function) caller {
	t.Helper()
	b := bank.On(t, pgtest.Broken(t))
	c := caller{b, b.Device(t, "phone-of-wang"), f, goodRequest(t, f)}
	c.login(t)
	return c
}

// login makes a session if the function wants one.
func (c caller) login(t *testing.T) {
	t.Helper()
	if c.f.Spec.Audience == fn.Customer {
		check.Must(t, c.Host.Sessions.Start(t.Context(), c.Channel, uuid.New()))
	}
}

// with is the good request and one more field.
func (c caller) with(field string, value any) map[string]any {
	changed := maps.Clone(c.request)
	changed[field] = value
	return changed
}

func (c caller) frame(t *testing.T, request any) []byte {
	t.Helper()
	return c.Frame(t, c.f, "key", request)
}

// sealed seals any clear text.
func (c caller) sealed(t *testing.T, age time.Duration, clear string) []byte {
	t.Helper()
	return c.FrameAt(t, c.f, c.Clock.Now().Add(-age), []byte(clear))
}

func (c caller) clear(t *testing.T) string {
	t.Helper()
	body := check.JSON(t, map[string]any{"idempotency_key": "key", "request": c.request})
	return string(body)
}

// kept are the names of all that Redis keeps, but for the counters of rate.
func (c caller) kept() []string {
	return slices.DeleteFunc(c.Redis.Keys(), func(key string) bool {
		return strings.Contains(key, "rate:") || strings.HasPrefix(key, "refused:") // counts of calls
	})
}

// hostile is one thing that a stage must stop.
type hostile struct {
	name  string
	want  string
	only  func(fn.Spec) bool // nil: for every function with a channel
	frame func(t *testing.T, c caller) []byte
}

func customers(s fn.Spec) bool { return s.Audience == fn.Customer }

// table lists the hostile frames, and the refusal of the stage that stops each.
var table = []hostile{
	{"oversize body", "INPUT_TOO_LARGE", nil, func(t *testing.T, c caller) []byte {
		return make([]byte, c.Host.Limits.BodyBytes+1)
	}},
	{"body of the greatest size", "FRAME_REJECTED", nil, func(t *testing.T, c caller) []byte {
		return make([]byte, c.Host.Limits.BodyBytes)
	}},
	{"no body", "FRAME_REJECTED", nil, func(*testing.T, caller) []byte { return nil }},
	{"plain body", "FRAME_REJECTED", nil, func(t *testing.T, c caller) []byte { return []byte(c.clear(t)) }},
	{"another version", "FRAME_REJECTED", nil, func(t *testing.T, c caller) []byte { return check.Flip(c.frame(t, c.request), 0) }},
	{"another sequence", "FRAME_REJECTED", nil, func(t *testing.T, c caller) []byte { return check.Flip(c.frame(t, c.request), 24) }},
	{"another time", "FRAME_REJECTED", nil, func(t *testing.T, c caller) []byte { return check.Flip(c.frame(t, c.request), 32) }},
	{"a changed byte", "FRAME_REJECTED", nil, func(t *testing.T, c caller) []byte { return check.Flip(c.frame(t, c.request), 40) }},
	{"a changed proof", "FRAME_REJECTED", nil, func(t *testing.T, c caller) []byte { return check.Flip(c.frame(t, c.request), -1) }},
	{"no proof", "FRAME_REJECTED", nil, func(t *testing.T, c caller) []byte {
		frame := c.frame(t, c.request)
		return frame[:len(frame)-sm.Overhead]
	}},
	{"sealed for another function", "FRAME_REJECTED", nil, func(t *testing.T, c caller) []byte {
		other := c.f
		other.Spec.Name += "-x"
		return c.Frame(t, other, "key", c.request)
	}},
	{"sealed in another channel", "FRAME_REJECTED", nil, func(t *testing.T, c caller) []byte {
		other := c.Bank.Device(t, "phone-of-li")
		other.Channel = c.Channel
		return other.Frame(t, c.f, "key", c.request)
	}},
	{"unknown channel", "CHANNEL_EXPIRED", nil, func(t *testing.T, c caller) []byte {
		other := c.Bank.Device(t, "phone-of-li")
		other.Channel = channel.ID{1}
		return other.Frame(t, c.f, "key", c.request)
	}},
	{"old timestamp", "FRAME_REJECTED", nil, func(t *testing.T, c caller) []byte {
		return c.sealed(t, 5*time.Minute+time.Millisecond, c.clear(t))
	}},
	{"timestamp ahead", "FRAME_REJECTED", nil, func(t *testing.T, c caller) []byte {
		return c.sealed(t, -5*time.Minute-time.Millisecond, c.clear(t))
	}},
	{"oldest timestamp", "INPUT_INVALID", nil, func(t *testing.T, c caller) []byte {
		return c.sealed(t, 5*time.Minute, `{"idempotency_key":"key","request":{"no_such_field":1}}`)
	}},
	{"replayed sequence", "FRAME_REPLAYED", nil, func(t *testing.T, c caller) []byte {
		frame := c.frame(t, c.with("no_such_field", 1))
		c.Send(t, c.f, frame).Want(t, "INPUT_INVALID")
		return frame
	}},
	{"another body under the sequence", "FRAME_REPLAYED", nil, func(t *testing.T, c caller) []byte {
		c.Send(t, c.f, c.frame(t, c.with("no_such_field", 1))).Want(t, "INPUT_INVALID")
		c.Sequence.Add(^uint64(0))
		return c.frame(t, c.request)
	}},
	{"sequence behind the window", "FRAME_REPLAYED", nil, func(t *testing.T, c caller) []byte {
		c.Sequence.Store(999)
		c.Send(t, c.f, c.frame(t, c.with("no_such_field", 1))).Want(t, "INPUT_INVALID")
		c.Sequence.Store(1000 - 64 - 1)
		return c.frame(t, c.request)
	}},
	{"sequence beyond counting", "FRAME_REJECTED", nil, func(t *testing.T, c caller) []byte {
		c.Sequence.Store(1<<53 - 1)
		return c.frame(t, c.request)
	}},
	{"unknown field", "INPUT_INVALID", nil, func(t *testing.T, c caller) []byte {
		return c.frame(t, c.with("no_such_field", 1))
	}},
	{"unknown field beside the request", "INPUT_INVALID", nil, func(t *testing.T, c caller) []byte {
		return c.sealed(t, 0, strings.Replace(c.clear(t), "{", `{"customer_id":"x",`, 1))
	}},
	{"two requests", "INPUT_INVALID", nil, func(t *testing.T, c caller) []byte { return c.sealed(t, 0, c.clear(t)+c.clear(t)) }},
	{"no request", "INPUT_INVALID", nil, func(t *testing.T, c caller) []byte { return c.sealed(t, 0, `{"idempotency_key":"key"}`) }},
	{"a list", "INPUT_INVALID", nil, func(t *testing.T, c caller) []byte { return c.frame(t, []any{}) }},
	{"no JSON", "INPUT_INVALID", nil, func(t *testing.T, c caller) []byte { return c.sealed(t, 0, "phone=1") }},
	{"long key", "INPUT_INVALID", nil, func(t *testing.T, c caller) []byte {
		return c.Frame(t, c.f, strings.Repeat("k", 65), c.request)
	}},
	{"no key", "IDEMPOTENCY_KEY_MISSING", func(s fn.Spec) bool { return s.Idempotent }, func(t *testing.T, c caller) []byte {
		return c.Frame(t, c.f, "", c.request)
	}},
	{"nobody logged in", "SESSION_REQUIRED", customers, func(t *testing.T, c caller) []byte {
		c.Reopen(t)
		return c.frame(t, c.request)
	}},
	{"logged out", "SESSION_REQUIRED", customers, func(t *testing.T, c caller) []byte {
		check.Must(t, c.Host.Sessions.End(t.Context(), c.Channel))
		return c.frame(t, c.request)
	}},
	{"idle for ten minutes", "SESSION_REQUIRED", customers, func(t *testing.T, c caller) []byte {
		c.Advance(10 * time.Minute)
		return c.frame(t, c.request)
	}},
	{"logged in elsewhere", "SESSION_DISPLACED", customers, func(t *testing.T, c caller) []byte {
		wang := uuid.New()
		for _, d := range []*bank.Device{c.Device, c.Bank.Device(t, "tablet-of-wang")} {
			check.Must(t, c.Host.Sessions.Start(t.Context(), d.Channel, wang))
		}
		return c.frame(t, c.request)
	}},
}

// Every function has an example, which decodes strictly and passes the request's
// own check: the API reference shows it, and the tests here start from it.
func TestEveryExampleIsAGoodRequest(t *testing.T) {
	t.Parallel()
	for _, f := range endpoints(t) {
		raw, err := json.Marshal(goodRequest(t, f))
		if err != nil {
			t.Errorf("%s: %v", f.Spec.Name, err)
			continue
		}
		request := reflect.New(f.Request)
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		if err := d.Decode(request.Interface()); err != nil {
			t.Errorf("%s: %v in %s", f.Spec.Name, err, raw)
		}
		if v, ok := request.Interface().(fn.Validator); ok && v.Validate() != nil {
			t.Errorf("%s: %v in %s", f.Spec.Name, v.Validate(), raw)
		}
	}
}

func TestEveryFunctionRefusesWhatItsPolicyForbids(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-008.2", "CRYPTO-008.3", "CRYPTO-016.4", "CRYPTO-016.6", "CRYPTO-017.1", "CRYPTO-017.2")
	req.Covers(t, "CRYPTO-022.1", "CRYPTO-022.3")
	req.Covers(t, "INPUT-013.3")
	req.Covers(t, "UX-002.4")
	if len(table) < 25 {
		t.Errorf("the table has only %d lines", len(table))
	}
	for _, f := range channelFunctions(t) {
		t.Run(f.Spec.Name, func(t *testing.T) {
			t.Parallel()
			for _, h := range table {
				if h.only == nil || h.only(f.Spec) {
					t.Run(h.name, func(t *testing.T) { h.refused(t, newCaller(t, f)) })
				}
			}
			newCaller(t, f).passes(t)
		})
	}
}

// inner matches connection strings, absolute paths and passwords, which no answer may hold.
var inner = regexp.MustCompile(`[a-z]+://|127\.0\.0\.1|"/|\s/[a-z]|[A-Z]:\\|/(home|root|tmp|usr|etc|var|work)/|` +
	bank.LoginPassword + `|` + bank.TradePassword + `|nobody@`)

func (h hostile) refused(t *testing.T, c caller) {
	t.Helper()
	frame := h.frame(t, c)
	before := c.kept()
	reply := c.Send(t, c.f, frame)
	reply.Want(t, h.want)
	if reply.Problem.Title == "" || reply.Problem.Detail == "" || inner.Match(reply.Body) {
		t.Errorf("the refusal says %s", reply.Body)
	}
	if !slices.Contains(codes(refusals(c.f)), reply.Code) {
		t.Errorf("%s does not declare %s", c.f.Spec.Name, reply.Code)
	}
	if diff := cmp.Diff(before, c.kept()); diff != "" {
		t.Errorf("the call changed what Redis keeps (-before +after):\n%s", diff)
	}
}

// passes sees that the request which the table spoils is good by itself, and that
// no field of it can be read on its way.
func (c caller) passes(t *testing.T) {
	t.Helper()
	request := c.sealedRequest(t)
	frame := c.frame(t, request)
	for _, text := range append(partsOf(request), "idempotency_key", "request") {
		if bytes.Contains(frame, []byte(text)) {
			t.Errorf("%q can be read in the frame", text)
		}
	}
	want := "SERVICE_UNAVAILABLE" // the operation, or the stage before it, met the database
	if c.f.Spec.NoDatabase {
		want = ""
	}
	reply := c.Send(t, c.f, frame)
	if reply.Want(t, want); inner.Match(reply.Body) {
		t.Errorf("the answer holds %s", inner.Find(reply.Body))
	}
}

// sealedRequest is the good request, with passwords that are sealed for the channel and
// the device's own key: no example can hold these.
func (c caller) sealedRequest(t *testing.T) map[string]any {
	t.Helper()
	request := maps.Clone(c.request)
	for field, clear := range map[string]string{
		"password": bank.LoginPassword, "login_password": bank.LoginPassword, "trade_password": bank.TradePassword,
		"card_password": bank.CardPassword, "gesture": bank.Gesture,
	} {
		if request[field] != nil {
			request[field] = c.Password(t, clear)
		}
	}
	if request["device_public_key"] != nil {
		request["device_public_key"], request["device_signature"] = c.PublicKey(t), c.Possession(t)
	}
	if request["challenge"] != nil {
		quick := c.QuickLogin(t, seed.Customer{}, make([]byte, device.ChallengeBytes), device.ByGesture, nil)
		request["challenge"], request["device_signature"] = quick.Challenge, quick.DeviceSignature
	}
	return request
}

// partsOf are the names of a request's fields, and the values that are text of six
// bytes or more: shorter ones may stand in a frame by chance.
func partsOf(request map[string]any) []string {
	var list []string
	for name, value := range request {
		list = append(list, name)
		if text, ok := value.(string); ok && len(text) >= 6 {
			list = append(list, text)
		}
	}
	return list
}

// Every function refuses methods other than POST.
func TestOnlyPostIsAnswered(t *testing.T) {
	t.Parallel()
	for _, f := range endpoints(t) {
		b := bank.On(t, pgtest.Broken(t))
		d := b.Device(t, "phone-of-wang")
		frame := d.Frame(t, f, "key", struct{}{})
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, ""} {
			call := handler.Request{Body: frame, Method: method, Header: http.Header{}}
			call.WithContext(t.Context())
			reply, err := b.Open(t, f).Handle(call)
			if err != nil || !strings.Contains(string(reply.Body), `"METHOD_NOT_ALLOWED"`) {
				t.Errorf("%s %s: %d %s, %v", method, f.Spec.Name, reply.StatusCode, reply.Body, err)
			}
		}
	}
}

// Each class of functions stops after so many calls of a channel in a minute, and
// opens again in the next. Another channel is not concerned.
func TestCallsAMinute(t *testing.T) {
	t.Parallel()
	for _, f := range channelFunctions(t) {
		t.Run(f.Spec.Name, func(t *testing.T) {
			t.Parallel()
			c := newCaller(t, f)
			c.Host.Limits.RateScale = 1
			most := map[fn.RateClass]int{"": 240, fn.RateDefault: 240, fn.RateAuth: 20, fn.RateSend: 10}[f.Spec.Rate]
			spoiled := c.with("no_such_field", 1)
			for range most {
				c.Send(t, f, c.frame(t, spoiled)).Want(t, "INPUT_INVALID")
			}
			over := c.Send(t, f, c.frame(t, spoiled))
			if over.Want(t, "RATE_LIMITED"); over.Header.Get("Retry-After") != "65" {
				t.Errorf("Retry-After is %q", over.Header.Get("Retry-After"))
			}
			other := caller{c.Bank, c.Bank.Device(t, "phone-of-li"), f, c.request}
			other.login(t)
			other.Send(t, f, other.frame(t, spoiled)).Want(t, "INPUT_INVALID")
			c.Advance(65 * time.Second)
			c.Send(t, f, c.frame(t, spoiled)).Want(t, "INPUT_INVALID")
		})
	}
}

// failedAt is the event as a dead letter, which event functions take like any other event.
func failedAt(e cloudevent.Event) cloudevent.Event {
	e.SetExtension("knativeerrordest", "http://notify-on-otp.tidebank.svc.cluster.local")
	return e
}

// modes are the ways in which platforms deliver an event over HTTP.
func modes(t *testing.T) map[string]func(*bank.Bank, fn.Function, cloudevent.Event) int {
	t.Helper()
	typed := func(media string) http.Header { return http.Header{"Content-Type": {media}} }
	return map[string]func(*bank.Bank, fn.Function, cloudevent.Event) int{
		"structured": func(b *bank.Bank, f fn.Function, e cloudevent.Event) int { return b.Deliver(t, f, e) },
		"binary": func(b *bank.Bank, f fn.Function, e cloudevent.Event) int {
			r, err := cloudevent.NewRequest(t.Context(), "http://127.0.0.1/", e)
			check.Must(t, err)
			return b.DeliverRaw(t, f, e.Data, r.Header)
		},
		"batch": func(b *bank.Bank, f fn.Function, e cloudevent.Event) int {
			return b.DeliverRaw(t, f, check.JSON(t, []cloudevent.Event{e, e}), typed(cloudevent.BatchJSON))
		},
		"connector": func(b *bank.Bank, f fn.Function, e cloudevent.Event) int {
			return b.DeliverRaw(t, f, check.JSON(t, e), http.Header{"X-Topic": {"bank"}})
		},
	}
}

// An event function takes only events that the bank has sealed, of its own types. It
// refuses others for good with 400, and no broker delivers those again.
func TestEventFunctionsTakeOnlyTheBanksEvents(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-022.1")
	for _, f := range eventFunctions(t) {
		t.Run(f.Spec.Name, func(t *testing.T) {
			t.Parallel()
			b := bank.On(t, pgtest.Broken(t))
			smstest.OpenAt(t, b, "http://127.0.0.1:1", f)
			structured := http.Header{"Content-Type": {cloudevent.JSON}}
			good := func() cloudevent.Event {
				return failedAt(b.Event(t, uuid.NewString(), f.Spec.Consumes[0], "x", dataOf(t, f.Spec.Consumes[0])))
			}
			for mode, send := range modes(t) {
				if got := send(b, f, good()); got != http.StatusServiceUnavailable {
					t.Fatalf("a good event in %s mode got %d, want 503 of the database", mode, got)
				}
			}
			unsealed, forged, typed := good(), good(), good()
			delete(unsealed.Extensions, "tidebankmac")
			forged.ID = uuid.NewString()
			typed.Type = "com.tidebank.other.v1"
			elsewhere := bank.On(t, pgtest.Broken(t)).Event(t, uuid.NewString(), f.Spec.Consumes[0], "x", struct{}{})
			for name, e := range map[string]cloudevent.Event{
				"unsealed": unsealed, "another id": forged, "another type": typed, "another bank's": elsewhere,
				"a type for others": b.Event(t, uuid.NewString(), "com.tidebank.other.v1", "x", struct{}{}),
			} {
				before := strings.Count(b.Log.String(), "event refused")
				if got := b.Deliver(t, f, e); got != http.StatusBadRequest {
					t.Errorf("%s: %d, want 400", name, got)
				}
				if strings.Count(b.Log.String(), "event refused") != before+1 {
					t.Errorf("%s is not reported", name)
				}
			}
			for name, body := range map[string][]byte{
				"nothing": nil, "no event": []byte("{}"), "no JSON": []byte("x"), "a list": []byte(`["x"]`),
			} {
				if got := b.DeliverRaw(t, f, body, structured); got != http.StatusBadRequest {
					t.Errorf("%s: %d, want 400", name, got)
				}
			}
			oversize := make([]byte, b.Host.Limits.BodyBytes+1)
			if got := b.DeliverRaw(t, f, oversize, structured); got != http.StatusRequestEntityTooLarge {
				t.Errorf("oversize: %d, want 413", got)
			}
		})
	}
}
