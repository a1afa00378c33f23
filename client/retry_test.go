package client_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/test/check"
)

var errNetwork = errors.New("connection reset")

func lost(*call) (*http.Response, error) { return nil, errNetwork }

// clear is an answer of a proxy in front of the bank.
func clear(status int, retryAfter string) func(*call) (*http.Response, error) {
	return func(*call) (*http.Response, error) {
		r := answer(status, "text/html", []byte("<h1>busy</h1>"))
		r.Header.Set("Retry-After", retryAfter)
		return r, nil
	}
}

func sealed(status int, code string) func(*call) (*http.Response, error) {
	return func(c *call) (*http.Response, error) { return c.refuse(status, code), nil }
}

// outcomes are the failures that may come instead of a good answer. The client repeats
// a call after an unknown or passing one.
var outcomes = map[string]struct {
	script func(*call) (*http.Response, error)
	again  bool
}{
	"network lost":    {lost, true},
	"502":             {clear(http.StatusBadGateway, ""), true},
	"503":             {clear(http.StatusServiceUnavailable, ""), true},
	"504":             {clear(http.StatusGatewayTimeout, ""), true},
	"429":             {clear(http.StatusTooManyRequests, ""), true},
	"sealed 503":      {sealed(http.StatusServiceUnavailable, "SERVICE_UNAVAILABLE"), true},
	"sealed 429":      {sealed(http.StatusTooManyRequests, "RATE_LIMITED"), true},
	"still at work":   {sealed(http.StatusConflict, "REQUEST_IN_PROGRESS"), true},
	"seen already":    {sealed(http.StatusConflict, "FRAME_REPLAYED"), true},
	"another key":     {sealed(http.StatusConflict, "IDEMPOTENCY_KEY_REUSED"), false},
	"refused":         {sealed(http.StatusUnprocessableEntity, "FUNDS_INSUFFICIENT"), false},
	"not logged in":   {sealed(http.StatusUnauthorized, "SESSION_REQUIRED"), false},
	"internal error":  {sealed(http.StatusInternalServerError, "INTERNAL_ERROR"), false},
	"not found":       {clear(http.StatusNotFound, ""), false},
	"not of the bank": {clear(http.StatusOK, ""), false},
}

func TestCallOnceRepeatsWhatIsUnknownOrPassing(t *testing.T) {
	t.Parallel()
	for name, tt := range outcomes {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t, nil)
			f.script = func(c *call) (*http.Response, error) {
				if len(f.seen()) < 3 {
					return tt.script(c)
				}
				return good(c)
			}
			var got reply
			err := f.app().CallOnce(t.Context(), "x-y", "the key", map[string]int{"a": 1}, &got)
			want := 1
			if tt.again {
				want = 3
			}
			if calls := len(f.seen()); calls != want || (err == nil) != tt.again || (got.N == 7) != tt.again {
				t.Errorf("%s: %d calls, want %d; %+v, %v", name, calls, want, got, err)
			}
			for _, c := range f.seen() { // the same request, in a frame of its own
				if c.Key != "the key" || string(c.Request) != `{"a":1}` {
					t.Errorf("%s: sent %s under %q", name, c.Request, c.Key)
				}
			}
			wantUnique(t, f)
		})
	}
}

func TestCallNeverRepeats(t *testing.T) {
	t.Parallel()
	for name, tt := range outcomes {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t, tt.script)
			if err := f.app().Call(t.Context(), "x-y", struct{}{}, &reply{}); err == nil || len(f.seen()) != 1 {
				t.Errorf("%s: %d calls, want 1; %v", name, len(f.seen()), err)
			}
		})
	}
}

func TestCallOnceGivesUp(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ tries, want int }{{0, 5}, {1, 1}, {3, 3}} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t, lost)
			config := f.config()
			config.Tries = tt.tries
			err := client.New(config).CallOnce(t.Context(), "x-y", "k", struct{}{}, &reply{})
			if !errors.Is(err, errNetwork) || len(f.seen()) != tt.want {
				t.Errorf("%d tries: %d calls, want %d; %v", tt.tries, len(f.seen()), tt.want, err)
			}
		})
	}
}

// A channel that did not come to be is tried for again too: nothing had an effect.
func TestCallOnceOpensAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, good)
		config, failures := f.config(), 2
		config.HTTP = &http.Client{Transport: before{f, func() error {
			if failures--; failures >= 0 {
				return errNetwork
			}
			return nil
		}}}
		var got reply
		check.Must(t, client.New(config).CallOnce(t.Context(), "x-y", "k", struct{}{}, &got))
		if got.N != 7 || len(f.seen()) != 1 {
			t.Errorf("%+v after %d calls", got, len(f.seen()))
		}
	})
}

// before fails first.
type before struct {
	http.RoundTripper
	fail func() error
}

func (b before) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := b.fail(); err != nil {
		return nil, err
	}
	return b.RoundTripper.RoundTrip(r)
}

func TestAnEmptyKeyIsMadeOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, lost)
		app := f.app()
		for range 2 {
			if err := app.CallOnce(t.Context(), "x-y", "", struct{}{}, &reply{}); err == nil {
				t.Error("no error")
			}
		}
		keys := map[string]int{}
		for _, c := range f.seen() {
			keys[c.Key]++
		}
		if len(keys) != 2 || keys[""] != 0 {
			t.Errorf("keys of two requests, three tries each: %v", keys)
		}
	})
}

// pauses are the times between the calls that came.
func pauses(f *fake) []time.Duration {
	var list []time.Duration
	all := f.seen()
	for i := 1; i < len(all); i++ {
		list = append(list, all[i].at.Sub(all[i-1].at))
	}
	return list
}

func TestPausesGrow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, lost)
		config := f.config()
		config.Tries, config.Pause = 10, 100*time.Millisecond
		_ = client.New(config).CallOnce(t.Context(), "x-y", "k", struct{}{}, &reply{})
		got := pauses(f)
		for i, pause := range got {
			most := 100 * time.Millisecond << min(i, 6) // and no further
			if pause < most/2 || pause > most {
				t.Errorf("pause %d is %v, want between %v and %v", i+1, pause, most/2, most)
			}
		}
		if len(got) != 9 {
			t.Errorf("%d pauses, want 9", len(got))
		}
	})
	synctest.Test(t, func(t *testing.T) { // 200 ms unless given
		f := newFake(t, lost)
		config := f.config()
		config.Pause = 0
		_ = client.New(config).CallOnce(t.Context(), "x-y", "k", struct{}{}, &reply{})
		if got := pauses(f); got[0] < 100*time.Millisecond || got[0] > 200*time.Millisecond {
			t.Errorf("the first pause is %v", got[0])
		}
	})
}

// waiting is a sealed refusal that asks for a wait. Someone on the way adds a header.
func waiting(seconds, header string) func(*call) (*http.Response, error) {
	return func(c *call) (*http.Response, error) {
		r := c.reply(http.StatusTooManyRequests, `{"code":"RATE_LIMITED","retry_after":`+seconds+`}`)
		r.Header.Set("Retry-After", header)
		return r, nil
	}
}

// The client waits exactly as long as the bank says in a sealed reply. It takes a short
// wait from an answer in clear, which anyone may have written, and bounds a long one.
func TestRetryAfterIsRespected(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		script func(*call) (*http.Response, error)
		want   time.Duration // 0: the client's own pause
	}{
		{"in clear", clear(http.StatusServiceUnavailable, "1"), time.Second},
		{"in clear, long", clear(http.StatusServiceUnavailable, "60"), 5 * time.Second},
		{"in clear, endless", clear(http.StatusServiceUnavailable, "9223372036854775807"), 5 * time.Second},
		{"in clear, none", clear(http.StatusServiceUnavailable, "0"), 0},
		{"in clear, less than none", clear(http.StatusServiceUnavailable, "-5"), 0},
		{"in clear, a word", clear(http.StatusServiceUnavailable, "soon"), 0},
		{"in clear, empty", clear(http.StatusServiceUnavailable, ""), 0},
		{"sealed", waiting("60", "1"), time.Minute},
		{"sealed, short", waiting("1", "3600"), time.Second},
		{"sealed, none", waiting("0", "3600"), 0},
		{"sealed, less than none", waiting("-5", "3600"), 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t, tt.script)
			config := f.config()
			config.Tries, config.Pause = 2, 10*time.Second
			_ = client.New(config).CallOnce(t.Context(), "x-y", "k", struct{}{}, &reply{})
			got := pauses(f)
			if len(got) != 1 {
				t.Fatalf("%s: paused %v, want once", tt.name, got)
			}
			if tt.want > 0 && got[0] != tt.want || tt.want == 0 && (got[0] < 5*time.Second || got[0] > 10*time.Second) {
				t.Errorf("%s: paused %v", tt.name, got[0])
			}
		})
	}
}

// The client does not wait longer than a minute. The caller gets the refusal with the
// bank's wait.
func TestALongWaitIsTheCallersDecision(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, waiting("61", "1"))
		began := time.Now()
		err := f.app().CallOnce(t.Context(), "x-y", "k", struct{}{}, &reply{})
		var p *client.Problem
		if !errors.As(err, &p) || p.RetryAfter != 61 || time.Since(began) != 0 || len(f.seen()) != 1 {
			t.Errorf("%d calls in %v: %v", len(f.seen()), time.Since(began), err)
		}
	})
}

// A caller that leaves ends the call at once, and hears both what had happened
// and why it ended.
func TestCancelEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // in a pause
		ctx, cancel := context.WithCancel(t.Context())
		f := newFake(t, waiting("60", ""))
		time.AfterFunc(30*time.Second, cancel)
		began := time.Now()
		err := f.app().CallOnce(ctx, "x-y", "k", struct{}{}, &reply{})
		var p *client.Problem
		if !errors.Is(err, context.Canceled) || !errors.As(err, &p) || time.Since(began) != 30*time.Second || len(f.seen()) != 1 {
			t.Errorf("%d calls in %v: %v", len(f.seen()), time.Since(began), err)
		}
	})
	synctest.Test(t, func(t *testing.T) { // in a call
		ctx, cancel := context.WithCancel(t.Context())
		f := newFake(t, nil)
		f.script = func(*call) (*http.Response, error) {
			cancel()
			return nil, ctx.Err()
		}
		err := f.app().CallOnce(ctx, "x-y", "k", struct{}{}, &reply{})
		if !errors.Is(err, context.Canceled) || len(f.seen()) != 1 {
			t.Errorf("%d calls: %v", len(f.seen()), err)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := newFake(t, good)
	if err := f.app().Call(ctx, "x-y", struct{}{}, &reply{}); !errors.Is(err, context.Canceled) || len(f.visits()) != 0 {
		t.Errorf("cancelled before: %v, asked for %v", err, f.visits())
	}
}
