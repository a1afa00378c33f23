package sink_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/events/sink"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
)

// batch makes authenticated events whose ids count from 1.
func batch(t *testing.T, ring *keys.Ring, size int) []cloudevent.Event {
	t.Helper()
	var list []cloudevent.Event
	for n := range size {
		e, err := events.Stored{
			ID: fmt.Sprint(n + 1), Type: events.TypeTransferPosted, Subject: "transfer-1", CustomerHash: "bd86d988df236586",
			Traceparent: "00-00000000000000000000000000000001-0000000000000002-01", Data: []byte(`{"payee_masked":"*四"}`),
			CreatedAt: time.Date(2026, 11, 23, 2, 0, 0, 123456000, time.UTC),
		}.CloudEvent(ring)
		check.Must(t, err)
		list = append(list, e)
	}
	return list
}

// serve answers each post with the status that its event's id is given, or 202.
func serve(t *testing.T, statuses map[string]int) (h sink.HTTP, posts func() map[string]int) {
	t.Helper()
	var mu sync.Mutex
	seen := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("Ce-Id")
		mu.Lock()
		seen[id]++
		mu.Unlock()
		status, given := statuses[id]
		if !given {
			status = http.StatusAccepted
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	return sink.HTTP{URL: server.URL, Client: server.Client()}, func() map[string]int {
		mu.Lock()
		defer mu.Unlock()
		return maps.Clone(seen)
	}
}

func TestEventsArePostedInBinaryMode(t *testing.T) {
	t.Parallel()
	ring := keytest.New(t)
	sent := batch(t, ring, 1)[0]
	requests := make(chan *http.Request, 1)
	bodies := make(chan []byte, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		requests <- r.Clone(context.Background())
		bodies <- body
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(server.Close)
	h := sink.HTTP{URL: server.URL + "/broker?tenant=bank", Client: server.Client()}
	check.Must(t, errors.Join(h.Publish(t.Context(), []cloudevent.Event{sent})...))
	r, body := <-requests, <-bodies
	got := map[string]string{"line": r.Method + " " + r.URL.String(), "body": string(body)}
	for name := range r.Header {
		if strings.HasPrefix(name, "Ce-") || name == "Content-Type" {
			got[name] = r.Header.Get(name)
		}
	}
	want := map[string]string{
		"line": "POST /broker?tenant=bank", "body": `{"payee_masked":"*四"}`, "Content-Type": "application/json",
		"Ce-Specversion": "1.0", "Ce-Id": "1", "Ce-Type": events.TypeTransferPosted, "Ce-Source": "//tidebank",
		"Ce-Subject": "transfer-1", "Ce-Time": "2026-11-23T02:00:00.123456Z", "Ce-Customerhash": "bd86d988df236586",
		"Ce-Traceparent": "00-00000000000000000000000000000001-0000000000000002-01",
		"Ce-Tidebankmac": sent.Extensions["tidebankmac"], "Ce-Tidebankkey": "event-1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("posted otherwise (-want +got):\n%s", diff)
	}
	arrived, err := cloudevent.FromHTTP(r.Header, body)
	check.Must(t, err)
	if err := events.Verify(ring, arrived); err != nil {
		t.Error(err)
	}
}

// Each event has its own result. By some statuses the receiver refuses the event for
// good.
func TestEachStatusHasItsResult(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status int
		want   error
	}{
		{200, nil},
		{202, nil},
		{204, nil},
		{299, nil},
		{304, sink.ErrNotTaken},
		{399, sink.ErrNotTaken},
		{400, events.ErrRefused},
		{401, sink.ErrNotTaken},
		{404, sink.ErrNotTaken},
		{413, events.ErrRefused},
		{415, events.ErrRefused},
		{422, events.ErrRefused},
		{429, sink.ErrNotTaken},
		{500, sink.ErrNotTaken},
		{503, sink.ErrNotTaken},
		{599, sink.ErrNotTaken},
	} {
		h, posts := serve(t, map[string]int{"2": tt.status})
		results := h.Publish(t.Context(), batch(t, keytest.New(t), 3))
		if len(results) != 3 || results[0] != nil || !errors.Is(results[1], tt.want) || results[2] != nil {
			t.Errorf("%d: %v, want %v for the second", tt.status, results, tt.want)
		}
		if diff := cmp.Diff(map[string]int{"1": 1, "2": 1, "3": 1}, posts()); diff != "" {
			t.Errorf("%d: not each was posted once (-want +got):\n%s", tt.status, diff)
		}
	}
}

func TestEveryFailureIsTold(t *testing.T) {
	t.Parallel()
	h, _ := serve(t, map[string]int{"1": 500, "3": 400})
	results := h.Publish(t.Context(), batch(t, keytest.New(t), 4))
	for i, want := range map[int]string{0: "answered 500", 2: "answered 400"} {
		if results[i] == nil || !strings.Contains(results[i].Error(), want) {
			t.Errorf("%v does not tell %q", results[i], want)
		}
	}
}

func TestNobodyThere(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"http://127.0.0.1:1", "://", ""} {
		h := sink.HTTP{URL: url, Client: &http.Client{}}
		for _, err := range h.Publish(t.Context(), batch(t, keytest.New(t), 2)) {
			if err == nil || errors.Is(err, events.ErrRefused) || errors.Is(err, events.ErrNotTried) {
				t.Errorf("%q: %v", url, err)
			}
		}
		if results := h.Publish(t.Context(), nil); len(results) != 0 {
			t.Errorf("nothing to %q: %v", url, results)
		}
	}
}

func TestConnectionCutInTheAnswer(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(server.Close)
	h := sink.HTTP{URL: server.URL, Client: server.Client()}
	if results := h.Publish(t.Context(), batch(t, keytest.New(t), 1)); results[0] == nil {
		t.Error("taken for accepted")
	}
}

// transport is a network in memory.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// The time is the batch's, however many events are in it.
func TestABatchThatHangsFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := sink.HTTP{URL: "http://sink", Client: &http.Client{Transport: transport(hang)}}
		start := time.Now()
		results := h.Publish(t.Context(), batch(t, keytest.New(t), 50))
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("after %v", took)
		}
		for i, err := range results { // sixteen were tried
			if i < 16 && !errors.Is(err, context.DeadlineExceeded) || i >= 16 && !errors.Is(err, events.ErrNotTried) {
				t.Errorf("%d: %v", i, err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		if results := h.Publish(ctx, batch(t, keytest.New(t), 50)); results[0] == nil || time.Since(start) != time.Second {
			t.Errorf("after %v of the caller's second: %v", time.Since(start), results)
		}
	})
}

func TestPostsAtOnceAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var now, all atomic.Int64
		free := make(chan struct{})
		h := sink.HTTP{URL: "http://sink", Client: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			now.Add(1)
			defer now.Add(-1)
			<-free
			all.Add(1)
			return &http.Response{StatusCode: http.StatusAccepted, Body: http.NoBody, Request: r}, nil
		})}}
		done := make(chan error, 1)
		go func() { done <- errors.Join(h.Publish(t.Context(), batch(t, keytest.New(t), 40))...) }()
		for taken := range 40 {
			synctest.Wait()
			if want := min(16, 40-taken); now.Load() != int64(want) {
				t.Errorf("%d posts at once after %d, want %d", now.Load(), taken, want)
			}
			free <- struct{}{}
		}
		if err := <-done; err != nil || all.Load() != 40 {
			t.Errorf("%d posts, %v", all.Load(), err)
		}
	})
}
