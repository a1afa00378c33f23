package functions_test

import (
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
	"github.com/tidebank/tidebank/test/smstest"
)

// report is the log's line about a refused message: its sender, its number, and when it
// was sent.
type report struct {
	Msg      string    `json:"msg"`
	Function string    `json:"function"`
	Code     string    `json:"code"`
	Source   string    `json:"source"` // of an event
	ID       string    `json:"id"`
	Channel  string    `json:"channel"` // of a frame
	Sequence uint64    `json:"sequence"`
	Sent     time.Time `json:"sent"`
}

// reports are the reports in the text of a log.
func reports(t *testing.T, text, msg string) (all []report) {
	t.Helper()
	for line := range strings.Lines(text) {
		var entry struct {
			report
			Time time.Time `json:"time"`
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if entry.Msg != msg {
			continue
		}
		if entry.Time.IsZero() {
			t.Errorf("no time: %s", line)
		}
		all = append(all, entry.report)
	}
	return all
}

// sameTime lets a time be given in any zone.
var sameTime = cmp.Comparer(time.Time.Equal)

// An event without its seal, or with one that is not its own, is reported with the
// sender and the id that it names, and its time.
func TestForgedEventsAreReported(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-022.2")
	for _, f := range eventFunctions(t) {
		b := bank.On(t, pgtest.Broken(t))
		smstest.OpenAt(t, b, "http://127.0.0.1:1", f)
		for name, forge := range map[string]func(*cloudevent.Event){
			"no seal":        func(e *cloudevent.Event) { delete(e.Extensions, "tidebankmac") },
			"another id":     func(e *cloudevent.Event) { e.ID = uuid.NewString() },
			"another source": func(e *cloudevent.Event) { e.Source = "/elsewhere" },
			"another time":   func(e *cloudevent.Event) { e.Time = e.Time.Add(time.Second) },
			"other data": func(e *cloudevent.Event) {
				if err := e.SetJSON(map[string]any{"x": 1}); err != nil {
					t.Error(err)
				}
			},
		} {
			e := b.Event(t, uuid.NewString(), f.Spec.Consumes[0], "x", struct{}{})
			forge(&e)
			before := len(b.Log.String())
			if got := b.Deliver(t, f, e); got != http.StatusBadRequest {
				t.Errorf("%s %s: %d, want 400", f.Spec.Name, name, got)
			}
			want := []report{{
				Msg: "event refused", Function: f.Spec.Name, Code: "INPUT_INVALID",
				Source: e.Source, ID: e.ID, Sent: e.Time,
			}}
			if diff := cmp.Diff(want, reports(t, b.Log.String()[before:], "event refused"), sameTime); diff != "" {
				t.Errorf("%s %s (-want +got):\n%s", f.Spec.Name, name, diff)
			}
		}
	}
}

// A frame with a changed byte is reported with the channel and the number that it
// names, and its time.
func TestForgedFramesAreReported(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-022.2")
	for _, f := range channelFunctions(t) {
		c := newCaller(t, f)
		for name, at := range map[string]int{"channel": 1, "sequence": 24, "time": 32, "body": 40, "tag": -1} {
			frame := check.Flip(c.frame(t, c.request), at)
			header, err := channel.ParseHeader(frame)
			check.Must(t, err)
			before := len(c.Log.String())
			code := c.Send(t, f, frame).Code
			if code != "FRAME_REJECTED" && code != "CHANNEL_EXPIRED" {
				t.Errorf("%s, another %s: %s", f.Spec.Name, name, code)
			}
			want := []report{{
				Msg: "refused", Function: f.Spec.Name, Code: code,
				Channel: hex.EncodeToString(header.ID[:]), Sequence: header.Sequence, Sent: header.Time,
			}}
			if diff := cmp.Diff(want, reports(t, c.Log.String()[before:], "refused"), sameTime); diff != "" {
				t.Errorf("%s, another %s (-want +got):\n%s", f.Spec.Name, name, diff)
			}
		}
	}
}
