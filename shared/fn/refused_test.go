package fn_test

import (
	"context"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// strangers is a bank whose channels may make few calls.
func strangers(t *testing.T) *bank.Bank {
	t.Helper()
	b := bank.New(t)
	b.Host.Limits.RateScale = 1
	return b
}

// public answers notes to everybody, and audit wants each call.
func public(rate fn.RateClass) fn.Function {
	return declare("test-audit", func(s *fn.Spec) { s.Audit, s.Rate = fn.AuditAuth, rate },
		func(_ context.Context, _ given, request note) (note, error) { return request, nil })
}

// recordRefused lets the minute end, and writes the records of its refused calls.
func recordRefused(t *testing.T, b *bank.Bank) {
	t.Helper()
	b.Advance(2 * time.Minute)
	check.Must(t, fn.RecordRefused(t.Context(), b.Host))
}

// A stranger sends 900 frames that are refused before they are admitted. Nothing is
// written for them but one record for each channel, code and minute, with the count.
func TestAFloodOfRefusedFramesWritesFourRecords(t *testing.T) {
	t.Parallel()
	b := strangers(t)
	f := public(fn.RateAuth)
	phone := b.Device(t, "phone")
	admitted := phone.Frame(t, f, "", note{"yes"})
	phone.Send(t, f, admitted).Want(t, "")
	before := b.Count(t, "SELECT count(*) FROM outbox")
	refused := map[string]int64{}
	for n := range 225 { // times four
		stale := phone.FrameAt(t, f, b.Clock.Now().Add(-6*time.Minute), []byte("{}"))
		undecodable := phone.FrameAt(t, f, b.Clock.Now(), []byte("neither an envelope"))
		changed := phone.Frame(t, f, "", note{"yes"})
		changed[len(changed)-1] ^= 1
		phone.Send(t, f, changed).Want(t, "FRAME_REJECTED") // a frame that does not open has no caller
		for i, frame := range [][]byte{admitted, stale, undecodable} {
			reply := phone.Send(t, f, frame)
			refused[reply.Code]++
			// A replayed frame above the rate is answered in clear: it may have had its effect.
			sealed := reply.Header.Get("Content-Type") == channel.MediaType
			if want := i != 0 || reply.Code != "RATE_LIMITED"; sealed != want {
				t.Errorf("frame %d, %s: sealed is %v", i, reply.Code, sealed)
			}
		}
		if n == 0 && b.Count(t, "SELECT count(*) FROM outbox") != before {
			t.Error("a refused frame wrote a row")
		}
	}
	for _, code := range []string{"FRAME_REJECTED", "FRAME_REPLAYED", "INPUT_INVALID", "RATE_LIMITED"} {
		if refused[code] == 0 {
			t.Errorf("no %s: %v", code, refused)
		}
	}
	recordRefused(t, b)
	check.Must(t, fn.RecordRefused(t.Context(), b.Host)) // another worker
	got := map[string]int64{}
	for _, r := range records(t, b) {
		if r.Outcome == "OK" {
			continue
		}
		got[r.Outcome] += r.Count
		r.Count = 0
		want := events.AccessRecorded{
			Function: "test-audit", Outcome: r.Outcome, DeviceID: "phone", IP: phone.IP, Category: "auth",
			Since: bank.Start.UTC().Format(time.RFC3339), Channel: hex.EncodeToString(phone.Channel[:]),
		}
		if diff := cmp.Diff(want, r); diff != "" {
			t.Errorf("record (-want +got):\n%s", diff)
		}
	}
	if diff := cmp.Diff(refused, got); diff != "" || len(records(t, b)) != 5 {
		t.Errorf("counts of %d records (-refused +recorded):\n%s", len(records(t, b)), diff)
	}
}

// Frames without an envelope cost the rate of their channel.
func TestUndecodableFramesCountAgainstTheRate(t *testing.T) {
	t.Parallel()
	b := strangers(t)
	f := public(fn.RateSend)
	phone := b.Device(t, "phone")
	for n := range 11 {
		want := "INPUT_INVALID"
		if n == 10 {
			want = "RATE_LIMITED"
		}
		phone.Send(t, f, phone.FrameAt(t, f, b.Clock.Now(), []byte("no envelope"))).Want(t, want)
	}
}

// A function without a channel writes nothing for the calls that it refuses.
func TestRefusedCallsWithoutAChannelWriteNothing(t *testing.T) {
	t.Parallel()
	b := strangers(t)
	f := declare("test-open", func(s *fn.Spec) { s.NoChannel, s.Rate = true, fn.RateSend },
		func(_ context.Context, _ given, request note) (note, error) { return request, nil })
	statuses := map[int]int{}
	for range 300 {
		for _, body := range []string{`{"note":"x"}`, "no JSON", strings.Repeat("x", 1<<17)} {
			statuses[handle(t, b, f, body, http.Header{"X-Forwarded-For": {"203.0.113.7"}}).StatusCode]++
		}
	}
	if statuses[http.StatusTooManyRequests] < 500 {
		t.Errorf("statuses %v", statuses)
	}
	recordRefused(t, b)
	if n := b.Count(t, "SELECT count(*) FROM outbox"); n != 0 {
		t.Errorf("%d rows", n)
	}
}

// If the records can't be written, they are written later, once.
func TestRefusedCallsOfAnOutageAreRecordedLater(t *testing.T) {
	t.Parallel()
	b := strangers(t)
	f := audited("test-audit", fn.AuditAuth, uuid.Nil)
	phone := b.Device(t, "phone")
	for range 3 {
		phone.Call(t, f, "", note{"yes"}).Want(t, "SESSION_REQUIRED")
	}
	b.Advance(2 * time.Minute)
	working := b.Host.DB
	b.Host.DB = pgtest.Broken(t)
	if err := fn.RecordRefused(t.Context(), b.Host); err == nil {
		t.Error("recorded without a database")
	}
	b.Host.DB = working
	check.Must(t, fn.RecordRefused(t.Context(), b.Host))
	if got := records(t, b); len(got) != 1 || got[0].Count != 3 || got[0].Outcome != "SESSION_REQUIRED" {
		t.Errorf("%+v", got)
	}
}
