package fn_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// childMark makes this test binary a function's process.
const childMark = "FN_TEST_SERVE"

func TestMain(m *testing.M) {
	switch os.Getenv(childMark) {
	case "1":
		fn.Serve(address)
		return
	case "worker":
		fn.Serve(ticking)
		return
	case "reaching":
		fn.Serve(reaching)
		return
	}
	os.Exit(m.Run())
}

// process starts a function's process with an environment of nothing else.
func process(t *testing.T, env ...string) (cmd *exec.Cmd, log *bytes.Buffer) {
	t.Helper()
	cmd, log = exec.CommandContext(t.Context(), os.Args[0]), &bytes.Buffer{}
	cmd.Env = append([]string{
		childMark + "=1", "GOCOVERDIR=" + t.TempDir(), "FN_ALLOW_PLAINTEXT=true", "FN_LINGER=0s",
	}, env...)
	cmd.Stderr = log
	cmd.Cancel = func() error { return cmd.Process.Kill() }
	check.Must(t, cmd.Start())
	return cmd, log
}

func status(ctx context.Context, url string) int {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0
	}
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0
	}
	_ = reply.Body.Close()
	return reply.StatusCode
}

// collector takes spans as OpenTelemetry's collector does.
type collector struct {
	mu    sync.Mutex
	spans []byte
}

func (c *collector) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.URL.Path == "/v1/traces" {
		c.spans = append(c.spans, body...)
	}
}

// A function's process listens on $PORT, tells whether it is ready, answers, and
// ends well when told to stop, with its last spans sent.
func TestProcess(t *testing.T) {
	t.Parallel()
	_, url := pgtest.NewURL(t)
	redis, port, spans := miniredis.RunT(t), check.FreePort(t), &collector{}
	keyFile := filepath.Join(t.TempDir(), "keys")
	check.Must(t, keys.Create(keyFile))
	otlp := httptest.NewServer(spans)
	t.Cleanup(otlp.Close)
	cmd, log := process(t, "PORT="+port, "DATABASE_URL="+url, "REDIS_URL=redis://"+redis.Addr(),
		"KEYS_FILE="+keyFile, "FN_TRUSTED_PROXIES=none", "OTEL_EXPORTER_OTLP_ENDPOINT="+otlp.URL)
	base := "http://127.0.0.1:" + port
	check.Until(t, "ready", func() bool { return status(t.Context(), base+"/_/ready") == http.StatusOK })
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/function/test-address", strings.NewReader("{}"))
	check.Must(t, err)
	r.Header.Set("Traceparent", traceparent)
	reply, err := http.DefaultClient.Do(r)
	check.Must(t, err)
	body, err := io.ReadAll(reply.Body)
	check.Must(t, err)
	check.Must(t, reply.Body.Close())
	if string(body) != `{"note":"127.0.0.1"}` {
		t.Errorf("%d %s", reply.StatusCode, body)
	}
	redis.Close()
	if got := status(t.Context(), base+"/_/ready"); got != http.StatusOK {
		t.Errorf("after Redis has failed, ready says %d; the platform would let customers wait", got)
	}
	check.Must(t, cmd.Process.Signal(syscall.SIGTERM))
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, log)
	}
	trace, err := hex.DecodeString(traceOfCaller)
	check.Must(t, err)
	spans.mu.Lock()
	defer spans.mu.Unlock()
	if !bytes.Contains(spans.spans, trace) || !bytes.Contains(spans.spans, []byte("test-address")) {
		t.Errorf("the span of the call was not sent (%d bytes were)", len(spans.spans))
	}
}

// A process starts without its stores. It ends if a setting is missing or wrong, and
// names the setting.
func TestProcessesThatMayStart(t *testing.T) {
	t.Parallel()
	keyFile := filepath.Join(t.TempDir(), "keys")
	check.Must(t, keys.Create(keyFile))
	good := []string{
		"DATABASE_URL=postgres://nobody@127.0.0.1:1/none", "REDIS_URL=redis://127.0.0.1:1", "KEYS_FILE=" + keyFile,
		"FN_TRUSTED_PROXIES=10.0.0.0/8, fd00::/8",
	}
	for _, tt := range []struct{ name, env, want string }{
		{"no database given", "DATABASE_URL", "DATABASE_URL"},
		{"no Redis given", "REDIS_URL", "REDIS_URL"},
		{"no keys given", "KEYS_FILE", "KEYS_FILE"},
		{"an empty database", "DATABASE_URL=", "DATABASE_URL"},
		{"an empty Redis", "REDIS_URL=", "REDIS_URL"},
		{"an empty key file", "KEYS_FILE=", "KEYS_FILE"},
		{"an empty port", "PORT=", "PORT"},
		{"no connections", "DATABASE_MAX_CONNS=0", "DATABASE_MAX_CONNS"},
		{"fewer connections than none", "DATABASE_MAX_CONNS=-8", "DATABASE_MAX_CONNS"},
		{"more connections than can be", "DATABASE_MAX_CONNS=99999999999", "DATABASE_MAX_CONNS"},
		{"no bytes", "FN_BODY_MAX_BYTES=0", "FN_BODY_MAX_BYTES"},
		{"all bytes", "FN_BODY_MAX_BYTES=1099511627776", "FN_BODY_MAX_BYTES"},
		{"no calls", "FN_RATE_SCALE=0", "FN_RATE_SCALE"},
		{"no proxies given", "FN_TRUSTED_PROXIES", "FN_TRUSTED_PROXIES"},
		{"empty proxies", "FN_TRUSTED_PROXIES=", "FN_TRUSTED_PROXIES"},
		{"a number of proxies, as before", "FN_TRUSTED_PROXIES=4", `FN_TRUSTED_PROXIES is \"4\", and must be`},
		{"everybody a proxy", "FN_TRUSTED_PROXIES=0.0.0.0/0", "FN_TRUSTED_PROXIES"},
		{"no time to drain", "FN_DRAIN=0s", "FN_DRAIN"},
		{"a time before now", "FN_DRAIN=-20s", "FN_DRAIN"},
		{"a time without a unit", "FN_DRAIN=20", "FN_DRAIN"},
		{"idle at once", "SESSION_IDLE=0s", "SESSION_IDLE"},
		{"a channel without a life", "CHANNEL_LIFE=-1h", "CHANNEL_LIFE"},
		{"not a Redis", "REDIS_URL=http://u:hunter2@h/", "REDIS_URL"},
		{"not a database", "DATABASE_URL=mysql://u:hunter2@h/x", "DATABASE_URL"},
		{"idle for an hour", "SESSION_IDLE=1h", "SESSION_IDLE"},
		{"not a number", "FN_BODY_MAX_BYTES=many", "FN_BODY_MAX_BYTES"},
		{"no port", "PORT=none", `PORT is \"none\", and must be a whole number`},
		{"no number at all", "DATABASE_MAX_CONNS=", "DATABASE_MAX_CONNS"},
		{"port zero", "PORT=0", "PORT"},
		{"a port before the first", "PORT=-1", "PORT"},
		{"a port after the last", "PORT=70000", "PORT"},
		{"a blank database", "DATABASE_URL= ", "DATABASE_URL"},
		{"a database somewhere", "DATABASE_URL=postgres://", "names no host"},
		{"a database on some port", "DATABASE_URL=postgres://u:hunter2@:5432/x", "names no host"},
		{"text without types", "DATABASE_URL=postgres://u:hunter2@h/x?default_query_exec_mode=exec", "default_query_exec_mode"},
		{"a Redis somewhere", "REDIS_URL=redis://", "REDIS_URL"},
		{"a database in clear", "FN_ALLOW_PLAINTEXT=false", "sslmode=verify-full"},
		{"neither clear nor not", "FN_ALLOW_PLAINTEXT=perhaps", "FN_ALLOW_PLAINTEXT must be true or false"},
		{"any page", "FN_CORS_ORIGINS=*", "FN_CORS_ORIGINS"},
		{"no page", "FN_CORS_ORIGINS=https://m.bank.example/app", "FN_CORS_ORIGINS"},
		{"a collector somewhere", "OTEL_EXPORTER_OTLP_ENDPOINT=collector", "OTEL_EXPORTER_OTLP_ENDPOINT"},
		{"traces somewhere", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"},
		{"no admin port", "FN_ADMIN_PORT=-1", "FN_ADMIN_PORT"},
		{"no time to linger", "FN_LINGER=-1s", "FN_LINGER"},
		{"no such key file", "KEYS_FILE=/nowhere/keys", "KEYS_FILE"},
	} {
		name, _, given := strings.Cut(tt.env, "=")
		env := slices.DeleteFunc(append(slices.Clone(good), "PORT="+check.FreePort(t)), func(e string) bool {
			return strings.HasPrefix(e, name+"=")
		})
		if given {
			env = append(env, tt.env)
		}
		cmd, log := process(t, env...)
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
			t.Errorf("%s: %v, want exit 1", tt.name, err)
		}
		if text := log.String(); !strings.Contains(text, tt.want) || strings.Contains(text, "hunter2") {
			t.Errorf("%s: it says %s", tt.name, text)
		}
		linesAreJSON(t, log)
	}
	port := check.FreePort(t)
	cmd, log := process(t, append(good, "PORT="+port)...)
	check.Until(t, "health", func() bool { return status(t.Context(), "http://127.0.0.1:"+port+"/_/health") == http.StatusOK })
	if got := status(t.Context(), "http://127.0.0.1:"+port+"/_/ready"); got != http.StatusServiceUnavailable {
		t.Errorf("ready says %d with nothing behind it", got)
	}
	check.Must(t, cmd.Process.Signal(os.Interrupt))
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, log)
	}
	linesAreJSON(t, log)
	for _, line := range []string{`"msg":"redis"`, `"test":"bypass","passed":true`} {
		if !strings.Contains(log.String(), line) {
			t.Errorf("no line with %s in\n%s", line, log)
		}
	}
}

// linesAreJSON holds that nothing, libraries included, writes to a process's log
// past its logger.
func linesAreJSON(t *testing.T, log *bytes.Buffer) {
	t.Helper()
	for line := range strings.Lines(log.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
}

// ticking is a worker that writes a row when it begins, and another when it is stopped.
var ticking = fn.Worker(fn.Spec{Name: "test-worker", Summary: "Of a test"},
	func(_ context.Context, lent *fn.WorkerLent, _ struct{}) (fn.Work, error) {
		note := func(ctx context.Context, text string) {
			_, err := lent.DB.Pool().Exec(ctx, "INSERT INTO event_consumed (consumer, source, id) VALUES ('test-worker', '', $1)", text)
			if err != nil {
				lent.Log.Error("note", "cause", err)
			}
		}
		return func(ctx context.Context) {
			note(ctx, "begun")
			<-ctx.Done()
			note(context.WithoutCancel(ctx), "ended")
		}, nil
	})

// A worker's process needs the database alone. It works, tells that it is ready, and
// ends its work before it ends.
func TestAWorkersProcess(t *testing.T) {
	t.Parallel()
	db, url := pgtest.NewURL(t)
	port := check.FreePort(t)
	admin := check.FreePort(t)
	cmd, log := process(t, "PORT="+port, "FN_ADMIN_PORT="+admin, "DATABASE_URL="+url, childMark+"=worker")
	count := func(id string) int {
		return check.Count(t, db.Pool(), "SELECT count(*) FROM event_consumed WHERE id = $1", id)
	}
	base := "http://127.0.0.1:" + port
	check.Until(t, "ready and at work", func() bool {
		return status(t.Context(), base+"/_/ready") == http.StatusOK && count("begun") == 1
	})
	if got := status(t.Context(), base+"/metrics"); got != http.StatusNotFound {
		t.Errorf("the public port answers metrics with %d", got)
	}
	if got := status(t.Context(), "http://127.0.0.1:"+admin+"/metrics"); got != http.StatusOK {
		t.Errorf("metrics: %d", got)
	}
	if got := status(t.Context(), base+"/"); got != http.StatusNotFound {
		t.Errorf("a worker answers a request with %d", got)
	}
	check.Must(t, cmd.Process.Signal(syscall.SIGTERM))
	if err := cmd.Wait(); err != nil || count("ended") != 1 {
		t.Errorf("%v, ended %d times: %s", err, count("ended"), log)
	}
}

// With OpenTelemetry's own variables, a process names itself, or sends nothing.
func TestTracesObeyOpenTelemetry(t *testing.T) {
	t.Parallel()
	keyFile := filepath.Join(t.TempDir(), "keys")
	check.Must(t, keys.Create(keyFile))
	for _, tt := range []struct {
		name string
		env  []string // COLLECTOR stands for the collector's address
		sent string   // "": nothing is sent
	}{
		{"the function's name", []string{"OTEL_EXPORTER_OTLP_ENDPOINT=COLLECTOR"}, "test-address"},
		{"only the address of traces", []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=COLLECTOR/v1/traces"}, "test-address"},
		{"a name of its own", []string{"OTEL_EXPORTER_OTLP_ENDPOINT=COLLECTOR", "OTEL_SERVICE_NAME=bank-blue"}, "bank-blue"},
		{
			"a name among the attributes",
			[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=COLLECTOR", "OTEL_RESOURCE_ATTRIBUTES=service.name=bank-green"},
			"bank-green",
		},
		{"disabled", []string{"OTEL_EXPORTER_OTLP_ENDPOINT=COLLECTOR", "OTEL_SDK_DISABLED=TRUE"}, ""},
		{"no exporter", []string{"OTEL_EXPORTER_OTLP_ENDPOINT=COLLECTOR", "OTEL_TRACES_EXPORTER=none"}, ""},
	} {
		spans, port := &collector{}, check.FreePort(t)
		otlp := httptest.NewServer(spans)
		t.Cleanup(otlp.Close)
		env := []string{
			"PORT=" + port, "DATABASE_URL=postgres://nobody@127.0.0.1:1/none", "REDIS_URL=redis://127.0.0.1:1",
			"KEYS_FILE=" + keyFile, "FN_TRUSTED_PROXIES=none",
		}
		for _, e := range tt.env {
			env = append(env, strings.Replace(e, "COLLECTOR", otlp.URL, 1))
		}
		cmd, log := process(t, env...)
		check.Until(t, "an answer", func() bool { return status(t.Context(), "http://127.0.0.1:"+port+"/") != 0 })
		check.Must(t, cmd.Process.Signal(syscall.SIGTERM))
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v: %s", tt.name, err, log)
		}
		spans.mu.Lock()
		if tt.sent == "" && len(spans.spans) > 0 || !bytes.Contains(spans.spans, []byte(tt.sent)) {
			t.Errorf("%s: %d bytes of spans without %q", tt.name, len(spans.spans), tt.sent)
		}
		spans.mu.Unlock()
	}
}

// A process that gets SIGTERM is unready at once, and answers every call until it has
// lingered. A client that heeds readiness and the hint to reconnect loses no call.
func TestNoCallIsRefusedAtTheEnd(t *testing.T) {
	t.Parallel()
	keyFile := filepath.Join(t.TempDir(), "keys")
	check.Must(t, keys.Create(keyFile))
	redis, port, admin := miniredis.RunT(t), check.FreePort(t), check.FreePort(t)
	_, url := pgtest.NewURL(t)
	cmd, log := process(t, "PORT="+port, "FN_ADMIN_PORT="+admin, "DATABASE_URL="+url, "REDIS_URL=redis://"+redis.Addr(),
		"KEYS_FILE="+keyFile, "FN_RATE_SCALE=1000000", "FN_TRUSTED_PROXIES=none", "FN_LINGER=5s")
	base := "http://127.0.0.1:" + port
	check.Until(t, "ready", func() bool { return status(t.Context(), base+"/_/ready") == http.StatusOK })
	check.Must(t, cmd.Process.Signal(syscall.SIGTERM))
	check.Until(t, "unready", func() bool { return status(t.Context(), base+"/_/ready") == http.StatusServiceUnavailable })
	fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, client := range []*http.Client{http.DefaultClient, fresh} {
		for n := range 50 {
			reply, err := client.Post(base+"/", "application/json", strings.NewReader("{}"))
			check.Must(t, err)
			_ = reply.Body.Close()
			if reply.StatusCode != http.StatusOK || !reply.Close {
				t.Fatalf("call %d after SIGTERM: %d, reconnect %v", n, reply.StatusCode, reply.Close)
			}
		}
	}
	state, err := http.Get("http://127.0.0.1:" + admin + "/_/ready")
	check.Must(t, err)
	body, err := io.ReadAll(state.Body)
	check.Must(t, err)
	check.Must(t, state.Body.Close())
	if want := `{"ready":false,"ending":true,"database":"up","redis":"up"}`; strings.TrimSpace(string(body)) != want {
		t.Errorf("the admin port says %s, want %s", body, want)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, log)
	}
}
