package functions_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
	"github.com/tidebank/tidebank/test/smstest"
)

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
