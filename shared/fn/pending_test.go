package fn_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/test/bank"
)

type stringer struct{ phone string }

func (s stringer) String() string { return s.phone }

func TestLogsShowNothingHoweverItIsWrapped(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		attr slog.Attr
	}{
		{"a struct", slog.Any("request", struct{ Phone string }{phoneNo})},
		{"a pointer", slog.Any("request", &struct{ Phone string }{phoneNo})},
		{"a map", slog.Any("request", map[string]any{"x": []string{phoneNo}})},
		{"a slice", slog.Any("list", []string{phoneNo})},
		{"raw JSON", slog.Any("body", json.RawMessage(`{"x":"`+phoneNo+`"}`))},
		{"a secret in a struct", slog.Any("request", struct {
			Password string `json:"password"`
		}{secret})},
		{"a number", slog.Int64("phone", 13812345678)},
		{"a key", slog.Int(phoneNo, 1)},
		{"a group with a secret name", slog.Group("password", slog.String("value", secret))},
		{"errors in a slice", slog.Any("errs", []error{fmt.Errorf("%s", phoneNo)})},
		{"stringer", slog.Any("who", stringer{phoneNo})},
	} {
		var line bytes.Buffer
		fn.NewLogger(&line).Info("message", tt.attr)
		if s := line.String(); strings.Contains(s, phoneNo) || strings.Contains(s, secret) {
			t.Errorf("%s: %s", tt.name, s)
		}
	}
}

func TestACallThatBringsNoTraceIsTraced(t *testing.T) {
	t.Parallel()
	recorder()
	b := bank.New(t)
	f := declare("test-untraced-span", plain, func(context.Context, *fn.Host, struct{}) (struct{}, error) {
		return struct{}{}, risk.ErrRefused
	})
	var p fn.Problem
	must(t, json.Unmarshal(handle(t, b, f, `{}`, http.Header{}).Body, &p))
	if n := len(spansOf(p.Trace)); n != 1 {
		t.Errorf("%d spans of a call that brought no trace, want 1", n)
	}
}

func TestWhatRanOutOfTimeHasOneCodeEverywhere(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	f := declare("test-late", func(s *fn.Spec) { s.Audit, s.Timeout = fn.AuditRead, 100*time.Millisecond },
		func(ctx context.Context, _ *fn.Host, _ note) (note, error) {
			<-ctx.Done()
			return note{}, ctx.Err()
		})
	b.Device(t, "phone").Call(t, f, "", note{}).Want(t, "SERVICE_UNAVAILABLE")
	if got := records(t, b); len(got) != 1 || got[0].Outcome != "SERVICE_UNAVAILABLE" {
		t.Errorf("recorded %+v", got)
	}
	if got := fmt.Sprint(scrape(t, b, f)); !strings.Contains(got, `code="SERVICE_UNAVAILABLE"`) {
		t.Errorf("counted %s", got)
	}
}

func TestSpecsThatWouldNotBeEnforcedDoNotStart(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]struct {
		declare func(fn.Spec)
		change  func(*fn.Spec)
	}{
		"HTTP with events":                 {request[none], hears},
		"an event function without events": {event, func(*fn.Spec) {}},
		"audit without a channel":          {request[none], func(s *fn.Spec) { plain(s); s.Audit = fn.AuditRead }},
		"an unknown audit":                 {request[none], func(s *fn.Spec) { s.Audit = "reed" }},
		"a negative timeout":               {request[none], func(s *fn.Spec) { s.Timeout = -1 }},
	} {
		s := fn.Spec{Name: "test-it", Summary: "Of a test", Audience: fn.Public, Requirements: []string{"LOGIC-001"}}
		d.change(&s)
		if told(d.declare, s) == "" {
			t.Errorf("%s: starts", name)
		}
	}
}

func TestDecodeTakesNamesAsTheyAreAndOnce(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{"name":"x","name":"y"}`, `{"NAME":"x"}`, `{"name":"x","NAME":"y"}`, `null`} {
		if got, err := fn.Decode[form]([]byte(body)); err == nil {
			t.Errorf("%s is taken as %+v", body, got)
		}
	}
}
