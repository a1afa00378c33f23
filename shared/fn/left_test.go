package fn_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// visit is a request over HTTP, whose caller can leave.
type visit struct {
	leave func() // close the connection, and wait until the server knows it
	ended chan struct{}
}

// goTo sends a request to a function's own server.
func goTo(t *testing.T, b *bank.Bank, f fn.Function, contentType string, body []byte) visit {
	t.Helper()
	known, ended := make(chan struct{}), make(chan struct{})
	mux := b.Host.Mux(f.Spec.Name, b.Open(t, f))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		defer context.AfterFunc(r.Context(), func() { close(known) })()
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/function/"+f.Spec.Name, bytes.NewReader(body))
	check.Must(t, err)
	r.Header.Set("Content-Type", contentType)
	go func() {
		if resp, err := http.DefaultClient.Do(r); err == nil {
			_ = resp.Body.Close()
		}
	}()
	return visit{leave: func() { cancel(); <-known }, ended: ended}
}

// refusals are the log lines about refused calls.
func refusals(b *bank.Bank) (lines []string) {
	for line := range strings.Lines(b.Log.String()) {
		if strings.Contains(line, "refused") {
			lines = append(lines, line)
		}
	}
	return lines
}

// series is the start of the metric of a function's outcome.
func series(f fn.Function, code string, class bankerr.Class) string {
	return `tidebank_calls_total{class="` + string(class) + `",code="` + code + `",function="` + f.Spec.Name + `"} `
}

// A caller who leaves during an operation is no failure of the bank: the outcome has a
// code, a class and a log line of its own.
func TestACallerWhoLeaves(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	begun := make(chan struct{})
	f := declare("test-left", func(s *fn.Spec) { s.NoChannel, s.Timeout = true, patience },
		func(ctx context.Context, _ given, _ struct{}) (note, error) {
			close(begun)
			<-ctx.Done()
			return note{}, ctx.Err()
		})
	v := goTo(t, b, f, "application/json", []byte("{}"))
	<-begun
	v.leave()
	<-v.ended
	if !slices.Contains(scrape(t, b, f), series(f, "CALLER_LEFT", bankerr.ClassLeft)+"1") {
		t.Errorf("metrics: %q", scrape(t, b, f))
	}
	lines := refusals(b)
	if len(lines) != 1 || !strings.Contains(lines[0], `"CALLER_LEFT"`) || !strings.Contains(lines[0], `"INFO"`) {
		t.Errorf("log: %q", lines)
	}
}

// A fault of the operation stays a failure, also if its caller has left.
func TestAFaultBesideACallerWhoLeaves(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	begun := make(chan struct{})
	f := declare("test-left-fault", func(s *fn.Spec) { s.NoChannel, s.Timeout = true, patience },
		func(ctx context.Context, _ given, _ struct{}) (note, error) {
			close(begun)
			<-ctx.Done()
			panic(ctx.Err())
		})
	v := goTo(t, b, f, "application/json", []byte("{}"))
	<-begun
	v.leave()
	<-v.ended
	if !slices.Contains(scrape(t, b, f), series(f, "INTERNAL_ERROR", bankerr.ClassFailed)+"1") {
		t.Errorf("metrics: %q", scrape(t, b, f))
	}
}

// A caller leaves while the bank commits. The commit runs to its end, and its result is
// the outcome: the call counts as done, and the same key gets its first answer.
func TestACallerWhoLeavesDuringTheCommit(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	held := make(chan func())
	var u user
	f := everythingAfter("test-left-commit", func(ctx context.Context) error {
		tx, err := b.Host.DB.Pool().Begin(context.WithoutCancel(ctx))
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "SELECT FROM intent WHERE id = $1 FOR UPDATE", u.intent.ID); err != nil {
			return err
		}
		held <- func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }
		return nil
	})
	u = newUser(t, b, f)
	order := u.order(t)
	v := goTo(t, b, f, "application/octet-stream", u.Frame(t, f, "key", order))
	release := <-held
	pgtest.AwaitLocks(t, b.Host.DB, 1)
	v.leave()
	release()
	<-v.ended
	if got := scrape(t, b, f); !slices.Contains(got, series(f, "OK", bankerr.ClassOK)+"1") || len(refusals(b)) != 0 {
		t.Errorf("metrics %q, log %q", got, refusals(b))
	}
	if n := effects(t, b, u.intent.ID.String()); n != 1 {
		t.Errorf("%d effects", n)
	}
	u.call(t, order).Want(t, "")
	if n := effects(t, b, u.intent.ID.String()); n != 1 {
		t.Errorf("%d effects after the repetition", n)
	}
}

// A caller who leaves before the commit begins has no effect, and the same key may be used
// again.
func TestACallerWhoLeavesBeforeTheCommit(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	begun := make(chan struct{}, 1)
	var once bool
	f := everythingAfter("test-left-before", func(ctx context.Context) error {
		if once {
			return nil
		}
		once = true
		begun <- struct{}{}
		<-ctx.Done()
		return nil // as an operation that does not look at ctx
	})
	u := newUser(t, b, f)
	order := u.order(t)
	v := goTo(t, b, f, "application/octet-stream", u.Frame(t, f, "key", order))
	<-begun
	v.leave()
	<-v.ended
	if got := scrape(t, b, f); !slices.Contains(got, series(f, "CALLER_LEFT", bankerr.ClassLeft)+"1") {
		t.Errorf("metrics %q", got)
	}
	if n := effects(t, b, u.intent.ID.String()); n != 0 {
		t.Errorf("%d effects", n)
	}
	u.call(t, order).Want(t, "")
	if n := effects(t, b, u.intent.ID.String()); n != 1 {
		t.Errorf("%d effects after the repetition", n)
	}
}

// A broker that leaves delivers the event again, and the event then has its one effect.
func TestABrokerThatLeaves(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	begun := make(chan struct{}, 1)
	var once bool
	f := consumer(func(ctx context.Context, d fn.Delivery[heard]) (fn.Effect, error) {
		if once {
			return leave(d.ID), nil
		}
		once = true
		begun <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	})
	e := b.Event(t, uuid.NewString(), typeHeard, "x", heard{})
	v := goTo(t, b, f, cloudevent.JSON, check.JSON(t, e))
	<-begun
	v.leave()
	<-v.ended
	if got := scrape(t, b, f); !slices.Contains(got, series(f, "CALLER_LEFT", bankerr.ClassLeft)+"1") {
		t.Errorf("metrics %q", got)
	}
	if lines := refusals(b); len(lines) != 1 || !strings.Contains(lines[0], `"INFO"`) {
		t.Errorf("log %q", lines)
	}
	if got := b.Deliver(t, f, e); got != http.StatusAccepted || effects(t, b, e.ID) != 1 {
		t.Errorf("again: %d, %d effects", got, effects(t, b, e.ID))
	}
}
