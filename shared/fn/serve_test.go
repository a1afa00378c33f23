package fn_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// address answers whose call it was, as the runtime sees it.
var address = declare("test-address", plain, func(_ context.Context, with given, _ struct{}) (note, error) {
	return note{with.IP}, nil
})

func adapted(t *testing.T, b *bank.Bank, f fn.Function) http.Handler {
	t.Helper()
	return host.Adapt(b.Open(t, f), b.Host.Limits.BodyBytes)
}

func TestTheAddressOfACaller(t *testing.T) {
	t.Parallel()
	const none, inside, edge = "none", "10.0.0.0/8", "10.0.0.0/8, 192.0.2.1"
	for _, tt := range []struct {
		name    string
		proxies string
		sent    []string // X-Forwarded-For as it arrives
		peer    string
		want    string
	}{
		{"no proxy", none, nil, "203.0.113.7:4711", "203.0.113.7"},
		{"a claim", none, []string{"198.51.100.1"}, "203.0.113.7:4711", "203.0.113.7"},
		{"a list of claims", none, []string{"198.51.100.1, 198.51.100.2"}, "203.0.113.7:4711", "203.0.113.7"},
		{"version six", none, nil, "[2001:db8::7]:4711", "2001:db8::7"},
		{"a proxy", inside, []string{"203.0.113.7"}, "10.0.0.1:80", "203.0.113.7"},
		{"a claim through a proxy", inside, []string{"198.51.100.1, 203.0.113.7"}, "10.0.0.1:80", "203.0.113.7"},
		{"a claim to be a proxy", inside, []string{"198.51.100.1, 10.0.0.7, 203.0.113.7"}, "10.0.0.1:80", "203.0.113.7"},
		{"a claim in a line of its own", inside, []string{"198.51.100.1", "203.0.113.7"}, "10.0.0.1:80", "203.0.113.7"},
		{"no spaces", inside, []string{"198.51.100.1,203.0.113.7"}, "10.0.0.1:80", "203.0.113.7"},
		{"two proxies", inside, []string{"198.51.100.1, 203.0.113.7, 10.0.0.2"}, "10.0.0.1:80", "203.0.113.7"},
		{"three proxies", edge, []string{"198.51.100.1, 203.0.113.7, 192.0.2.1, 10.0.0.2"}, "10.0.0.1:80", "203.0.113.7"},
		{"a neighbour of the edge", edge, []string{"203.0.113.7, 192.0.2.2"}, "10.0.0.1:80", "192.0.2.2"},
		{"past the proxies", inside, []string{"198.51.100.1, 10.0.0.2"}, "203.0.113.7:4711", "203.0.113.7"},
		{"one of the bank's own", inside, []string{"10.0.0.7"}, "10.0.0.1:80", "10.0.0.7"},
		{"one of the bank's own, without a proxy", inside, nil, "10.0.0.7:4711", "10.0.0.7"},
		{"with a port", inside, []string{"203.0.113.7:4711"}, "10.0.0.1:80", "203.0.113.7"},
		{"in brackets and quotes", inside, []string{`"[2001:DB8::7]:4711"`}, "10.0.0.1:80", "2001:db8::7"},
		{"version four in six", inside, []string{"::ffff:203.0.113.7"}, "[::ffff:10.0.0.1]:80", "203.0.113.7"},
		{"unknown", inside, []string{"203.0.113.7, unknown"}, "10.0.0.1:80", "unknown"},
		{"no address", inside, []string{"<script>"}, "10.0.0.1:80", "unknown"},
		{"an empty entry", inside, []string{"203.0.113.7,"}, "10.0.0.1:80", "unknown"},
		{"5,000 bytes", inside, []string{strings.Repeat("1", 5000)}, "10.0.0.1:80", "unknown"},
		{"many claims", inside, []string{strings.Repeat("10.0.0.7,", 5000) + "203.0.113.7"}, "10.0.0.1:80", "203.0.113.7"},
	} {
		b := bank.On(t, pgtest.Broken(t))
		check.Must(t, b.Host.Proxies.Trusted.Decode(tt.proxies))
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader("{}"))
		r.RemoteAddr = tt.peer
		for _, line := range tt.sent {
			r.Header.Add("X-Forwarded-For", line)
		}
		w := httptest.NewRecorder()
		adapted(t, b, address).ServeHTTP(w, r)
		var got note
		check.Must(t, json.Unmarshal(w.Body.Bytes(), &got))
		if got.Note != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got.Note, tt.want)
		}
	}
	// A gateway in the same process sends only the address.
	b := bank.On(t, pgtest.Broken(t))
	reply := handle(t, b, address, "{}", http.Header{"X-Forwarded-For": {"203.0.113.7"}})
	if want := `{"note":"203.0.113.7"}`; string(reply.Body) != want {
		t.Errorf("%s, want %s", reply.Body, want)
	}
}

// Calls without a channel are counted by address. A claimed address changes nothing.
func TestRateByAddress(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	b.Host.Limits.RateScale = 1
	f := declare("test-slow", func(s *fn.Spec) { plain(s); s.Rate = fn.RateSend },
		func(context.Context, given, struct{}) (struct{}, error) { return struct{}{}, nil })
	h := adapted(t, b, f)
	from := func(peer, claim string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader("{}"))
		r.RemoteAddr = peer
		r.Header.Set("X-Forwarded-For", claim)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for i := range 10 {
		if w := from("203.0.113.7:1", "198.51.100."+string(rune('0'+i))); w.Code != http.StatusOK {
			t.Fatalf("call %d: %d", i, w.Code)
		}
	}
	if w := from("203.0.113.7:2", "198.51.100.99"); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "65" {
		t.Errorf("the eleventh: %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	if w := from("203.0.113.8:1", "198.51.100.1"); w.Code != http.StatusOK {
		t.Errorf("another address: %d", w.Code)
	}
	b.Advance(65 * time.Second)
	if w := from("203.0.113.7:1", ""); w.Code != http.StatusOK {
		t.Errorf("a minute later: %d", w.Code)
	}
}

// endless is a body without end; it counts what was read of it.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	e.read += len(p)
	return len(p), nil
}

func TestBodiesAreBounded(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	h, most := adapted(t, b, address), int(b.Host.Limits.BodyBytes)
	post := func(body io.Reader) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", body))
		return w
	}
	if w := post(strings.NewReader("{}" + strings.Repeat(" ", most-2))); w.Code != http.StatusOK {
		t.Errorf("as much as may be: %d %s", w.Code, w.Body)
	}
	if w := post(strings.NewReader("{}" + strings.Repeat(" ", most-1))); w.Code != http.StatusRequestEntityTooLarge ||
		!strings.Contains(w.Body.String(), `"INPUT_TOO_LARGE"`) {
		t.Errorf("a byte more: %d %s", w.Code, w.Body)
	}
	body := &endless{}
	if w := post(body); w.Code != http.StatusRequestEntityTooLarge || body.read > most+1 {
		t.Errorf("without end: %d, %d bytes were read", w.Code, body.read)
	}
	broken := io.MultiReader(strings.NewReader("{"), iotestErr{})
	if w := post(broken); w.Code != http.StatusBadRequest || w.Body.Len() != 0 {
		t.Errorf("broken off: %d %s", w.Code, w.Body)
	}
}

type iotestErr struct{}

func (iotestErr) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestHealthAndReadiness(t *testing.T) {
	t.Parallel()
	processes := map[*bank.Bank]http.Handler{}
	get := func(b *bank.Bank, path string) *httptest.ResponseRecorder {
		if processes[b] == nil {
			processes[b] = b.Host.Mux(address.Spec.Name, b.Open(t, address))
		}
		w := httptest.NewRecorder()
		processes[b].ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		return w
	}
	well, noDB, noRedis := bank.New(t), bank.On(t, pgtest.Broken(t)), bank.New(t)
	noRedis.Redis.Close()
	for _, tt := range []struct {
		name  string
		bank  *bank.Bank
		ready int
	}{{"well", well, 200}, {"no database", noDB, 503}, {"no Redis", noRedis, 503}} {
		ready := get(tt.bank, "/_/ready")
		if ready.Code != tt.ready || ready.Body.Len() != 0 {
			t.Errorf("%s: ready says %d %s, want an empty %d", tt.name, ready.Code, ready.Body, tt.ready)
		}
		if health := get(tt.bank, "/_/health"); health.Code != http.StatusOK {
			t.Errorf("%s: health says %d; a restart would not help", tt.name, health.Code)
		}
		if logged := strings.Contains(tt.bank.Log.String(), "not ready"); logged != (tt.ready == 503) {
			t.Errorf("%s: the log says %s", tt.name, tt.bank.Log)
		}
	}
	check.Must(t, noRedis.Redis.Restart())
	if again := get(noRedis, "/_/ready"); again.Code != http.StatusOK {
		t.Errorf("not ready again: %d", again.Code)
	}
	noRedis.Redis.Close()
	after := get(noRedis, "/_/ready")
	if after.Code != http.StatusOK || !strings.Contains(noRedis.Log.String(), "a store does not answer") {
		t.Errorf("a store that fails later makes the instance unready: %d", after.Code)
	}
	for _, path := range []string{"/", "/function/test-address"} {
		if w := get(well, path); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "POST" ||
			!strings.Contains(w.Body.String(), "METHOD_NOT_ALLOWED") {
			t.Errorf("GET %s: %d, Allow %q: %s", path, w.Code, w.Header().Get("Allow"), w.Body)
		}
	}
	for _, path := range []string{
		"/anything/else", "/function/test-address/", "/function/test-other", "/function", "//", "/a/../function/test-address", "/metrics",
	} {
		if w := get(well, path); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), `"FUNCTION_UNKNOWN"`) ||
			w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("GET %s: %d %s", path, w.Code, w.Body)
		}
	}
}

// held is a function whose calls last until they are released.
func held() (f fn.Function, begun chan struct{}, release chan struct{}) {
	begun, release = make(chan struct{}), make(chan struct{})
	f = declare("test-held", plain, func(context.Context, given, struct{}) (note, error) {
		close(begun)
		<-release
		return note{"done"}, nil
	})
	return f, begun, release
}

type answer struct {
	body string
	err  error
}

// await waits until the held call has begun. A call that is answered before that never
// begins.
func await(t *testing.T, begun <-chan struct{}, answered <-chan answer) {
	t.Helper()
	select {
	case <-begun:
	case got := <-answered:
		t.Fatalf("the call has not begun: %+v", got)
	}
}

func post(ctx context.Context, url string) answer {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("{}"))
	if err != nil {
		return answer{err: err}
	}
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{err: err}
	}
	defer reply.Body.Close()
	var body bytes.Buffer
	_, err = body.ReadFrom(reply.Body)
	return answer{body.String(), err}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	check.Must(t, err)
	return l
}

// A call that has begun when the process is stopped gets its answer. New calls are
// refused.
func TestDrain(t *testing.T) {
	t.Parallel()
	b, l := bank.On(t, pgtest.Broken(t)), listen(t)
	f, begun, release := held()
	url := "http://" + l.Addr().String() + "/"
	ctx, stop := context.WithCancel(t.Context())
	ended, answered := make(chan error, 1), make(chan answer, 1)
	go func() {
		ended <- host.Run(ctx, l, b.Host.Mux(f.Spec.Name, b.Open(t, f)), host.Ending{Drain: time.Minute})
	}()
	go func() { answered <- post(t.Context(), url) }()
	await(t, begun, answered)
	stop()
	check.Until(t, "the listener closes", func() bool {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	select {
	case err := <-ended:
		t.Fatalf("Run ended with a call at work: %v", err)
	case got := <-answered:
		t.Fatalf("answered before its time: %+v", got)
	default:
	}
	close(release)
	if got := <-answered; got.err != nil || got.body != `{"note":"done"}` {
		t.Errorf("the call at work got %+v", got)
	}
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestDrainHasAnEnd(t *testing.T) {
	t.Parallel()
	b, l := bank.On(t, pgtest.Broken(t)), listen(t)
	f, begun, release := held()
	defer close(release)
	ctx, stop := context.WithCancel(t.Context())
	ended, answered := make(chan error, 1), make(chan answer, 1)
	go func() {
		ended <- host.Run(ctx, l, b.Host.Mux(f.Spec.Name, b.Open(t, f)), host.Ending{Drain: 10 * time.Millisecond})
	}()
	go func() { answered <- post(t.Context(), "http://"+l.Addr().String()+"/") }()
	await(t, begun, answered)
	stop()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "drain") {
		t.Errorf("Run: %v", err)
	}
}

func TestRunTellsThatItCannotServe(t *testing.T) {
	t.Parallel()
	l := listen(t)
	check.Must(t, l.Close())
	if err := host.Run(t.Context(), l, http.NotFoundHandler(), host.Ending{Drain: time.Minute}); err == nil {
		t.Error("no error of a closed listener")
	}
}

// Pages of the configured origins may call; others get no permission.
func TestOrigins(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	b.Host.Limits.Origins = "https://m.bank.example, https://h5.bank.example:8443"
	mux := b.Host.Mux(address.Spec.Name, b.Open(t, address))
	ask := func(method, origin string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, "/function/test-address", strings.NewReader("{}"))
		r.Header.Set("Origin", origin)
		if method == http.MethodOptions {
			r.Header.Set("Access-Control-Request-Method", http.MethodPost)
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		return w
	}
	for _, origin := range []string{"https://m.bank.example", "https://h5.bank.example:8443"} {
		before, call := ask(http.MethodOptions, origin), ask(http.MethodPost, origin)
		if before.Code != http.StatusNoContent || before.Header().Get("Access-Control-Allow-Methods") != "POST" ||
			!strings.Contains(before.Header().Get("Access-Control-Allow-Headers"), "Content-Type") {
			t.Errorf("%s: before the call: %d %v", origin, before.Code, before.Header())
		}
		if call.Code != http.StatusOK {
			t.Errorf("%s: the call: %d", origin, call.Code)
		}
		for _, w := range []*httptest.ResponseRecorder{before, call} {
			if !strings.Contains(w.Header().Get("Access-Control-Expose-Headers"), "Deprecation, Sunset, Link") {
				t.Errorf("a page can't read that a function is deprecated: %v", w.Header())
			}
			if w.Header().Get("Access-Control-Allow-Origin") != origin || w.Header().Get("Vary") != "Origin" {
				t.Errorf("%s: %v", origin, w.Header())
			}
		}
	}
	for _, origin := range []string{"https://evil.example", "http://m.bank.example", "null", ""} {
		w := ask(http.MethodOptions, origin)
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%q: %d %v", origin, w.Code, w.Header())
		}
	}
	b.Host.Limits.Origins = ""
	mux = b.Host.Mux(address.Spec.Name, b.Open(t, address))
	if w := ask(http.MethodPost, "https://m.bank.example"); w.Code != http.StatusOK || w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("without configuration: %d %v", w.Code, w.Header())
	}
}
