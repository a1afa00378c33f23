package aws

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/infra/aws"
	"github.com/tidebank/tidebank/infra/roles"
	"github.com/tidebank/tidebank/localstack/smssim"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/platform/page"
	"github.com/tidebank/tidebank/workers/probe"
)

const smsSecret = "test-sms-secret"

// programs builds the programs of all processes, of tide and of the demo into a folder.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := filepath.Abs(filepath.Join(root, "build", "aws"))
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", dir+"/", "./infra/mains/...", "./infra/tide", "./client/demo")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w: %s", err, output)
	}
	return dir, nil
})

// TestMain removes the programs: they are large.
func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.RemoveAll(filepath.Join(root, "build", "aws"))
	os.Exit(code)
}

// bank is a bank whose processes read everything from the emulated AWS.
type bank struct {
	cloudOf
	t      *testing.T
	folder string
	edge   *httptest.Server
	db     *pg.DB

	databaseURL, keyFile string

	mu      sync.Mutex
	running map[string]*httputil.ReverseProxy
	page    http.Handler
}

// environment is that of every process: where AWS is.
func (c cloudOf) environment() []string {
	return []string{
		"AWS_ENDPOINT_URL=" + c.config.Endpoint, "AWS_REGION=" + c.config.Region, "AWS_ACCESS_KEY_ID=emulator",
		"AWS_SECRET_ACCESS_KEY=emulator", "FN_ALLOW_PLAINTEXT=true",
	}
}

// deployed starts every process with the secrets and the key file that the list gives it.
func deployed(t *testing.T) *bank {
	t.Helper()
	db, databaseURL := pgtest.NewURL(t)
	check.Must(t, roles.Apply(t.Context(), databaseURL))
	redis := miniredis.RunT(t)
	texts := &smssim.Gateway{Secret: smsSecret, Now: time.Now}
	sms := httptest.NewServer(texts)
	t.Cleanup(sms.Close)
	list, err := aws.Read()
	check.Must(t, err)
	secrets := map[string]string{
		"tidebank-redis-url": "redis://" + redis.Addr(), "tidebank-sms-url": sms.URL, "tidebank-sms-secret": smsSecret,
		"tidebank-face-url": sms.URL, "tidebank-face-secret": smsSecret,
	}
	for _, f := range list.Functions {
		secrets["tidebank-"+f.Name+"-database-url"] = databaseURL + "&role=" + roles.Name(f.Name)
	}
	b := &bank{cloudOf: provisioned(t, secrets, nil), t: t, folder: t.TempDir(), db: db, running: map[string]*httputil.ReverseProxy{}}
	b.edge = httptest.NewServer(b)
	t.Cleanup(b.edge.Close)
	keyFile := filepath.Join(b.folder, "keys.json")
	check.Must(t, keys.Create(keyFile))
	b.databaseURL, b.keyFile = databaseURL, keyFile
	beside, err := page.Open(t.Context(), page.Config{
		Database: databaseURL, Redis: "redis://" + redis.Addr(), KeyFile: keyFile, Clock: filepath.Join(b.folder, "clock"), Texts: texts,
		Elsewhere: true,
	})
	check.Must(t, err)
	t.Cleanup(beside.Host.Close)
	b.page = beside
	for _, f := range list.Functions {
		if f.Name != probe.Worker.Spec.Name { // it needs a customer with a device of its own; workers/probe tests it
			b.start(f, keyFile)
		}
	}
	return b
}

// ServeHTTP is the edge: it routes to functions, and to the developer page.
func (b *bank) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/function/")
	b.mu.Lock()
	to := b.running[name]
	b.mu.Unlock()
	switch {
	case to != nil:
		to.ServeHTTP(w, r)
	case name != r.URL.Path:
		http.NotFound(w, r)
	default:
		b.page.ServeHTTP(w, r)
	}
}

// start runs a process, and returns when it is ready.
func (b *bank) start(f aws.Function, keyFile string) {
	t := b.t
	t.Helper()
	dir, err := programs()
	check.Must(t, err)
	port := check.FreePort(t)
	cmd := exec.Command(filepath.Join(dir, f.Name))
	cmd.Env = append(b.environment(), "PORT="+port, "FN_LINGER=0s", "FN_TRUSTED_PROXIES=127.0.0.1", "SNS_TOPIC_ARN="+b.made.Topic)
	if f.Name == "events-queues" {
		cmd.Env = append(cmd.Env, "FUNCTIONS_URL="+b.edge.URL+"/function")
	}
	for _, secret := range f.Secrets {
		if strings.HasPrefix(secret, "tidebank-cert-") { // this bank has no certificate authority (docs/secrets.md)
			continue
		}
		key := strings.ToUpper(strings.ReplaceAll(strings.TrimPrefix(strings.TrimPrefix(secret, "tidebank-"), f.Name+"-"), "-", "_"))
		cmd.Env = append(cmd.Env, key+"=secret://"+secret)
	}
	if f.KeysKMS {
		own := filepath.Join(b.folder, f.Name+".json")
		b.run("tide", "keys", "seal", "--file", keyFile, "--kms-key", string(b.made.Key), "--process", f.Name, "--out", own)
		cmd.Env = append(cmd.Env, "KEYS_FILE="+own)
	}
	log, err := os.Create(filepath.Join(b.folder, f.Name+".log"))
	check.Must(t, err)
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	check.Must(t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // the log says why it ended
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-ended
	})
	at := &url.URL{Scheme: "http", Host: "127.0.0.1:" + port}
	check.Until(t, f.Name+" is ready", func() bool {
		select {
		case <-ended:
			t.Fatalf("%s ended: %s", f.Name, b.log(f.Name))
		default:
		}
		resp, err := http.Get(at.String() + "/_/ready")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	b.mu.Lock()
	b.running[f.Name] = &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(at)
		r.Out.URL.Path = "/"
		r.SetXForwarded()
	}}
	b.mu.Unlock()
}

// run runs a program of the bank, and returns what it printed.
func (b *bank) run(name string, args ...string) string {
	b.t.Helper()
	dir, err := programs()
	check.Must(b.t, err)
	ctx, cancel := context.WithTimeout(b.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(dir, name), args...)
	cmd.Env = append(append(os.Environ(), b.environment()...), "BANK_URL="+b.edge.URL, "DATABASE_URL="+b.databaseURL)
	text, err := cmd.CombinedOutput()
	if err != nil {
		b.t.Fatalf("%s %v: %v\n%s\n%s", name, args, err, text, b.log("events-queues"))
	}
	return string(text)
}

func (b *bank) log(name string) []byte {
	text, _ := os.ReadFile(filepath.Join(b.folder, name+".log"))
	return text
}

const sqlRepeat = `UPDATE outbox SET published_at = NULL, next_at = now()`

// The whole bank on the emulated AWS: each process reads its secrets from Secrets Manager
// and opens its keys by KMS; events go from the outbox by SNS and SQS to the event
// functions. A customer goes through all steps of the demo. Then the relay publishes every
// event again: no event has a second effect. At last the operator replays a dead letter.
func TestTheDemoOnAWS(t *testing.T) {
	t.Parallel()
	b := deployed(t)
	text := b.run("demo")
	t.Log(text)
	if !strings.Contains(text, "全部 14 步符合预期") {
		t.Errorf("%s", b.log("events-relay"))
	}
	b.settled()
	took := check.Column[string](t, b.db.Pool(), `SELECT DISTINCT consumer FROM event_consumed WHERE consumer NOT LIKE '%/%' ORDER BY 1`)
	if diff := cmp.Diff(b.due(), took); diff != "" {
		t.Errorf("which event functions had events: %s\n%s", diff, b.log("events-queues"))
	}
	if n := check.Count(t, b.db.Pool(), `SELECT count(*) FROM delivery`); n != 0 {
		t.Errorf("the bank's own broker has %d deliveries", n)
	}
	effects := func() string {
		return fmt.Sprint(check.Value[int64](t, b.db.Pool(), `SELECT count(*) FROM audit_record`),
			check.Value[int64](t, b.db.Pool(), `SELECT count(*) FROM message`), check.Value[int64](t, b.db.Pool(), `SELECT count(*) FROM fraud_score`))
	}
	before := effects()
	check.Exec(t, b.db.Pool(), sqlRepeat)
	b.settled()
	if after := effects(); after != before {
		t.Errorf("every event came twice: %s audit records, messages and scores became %s", before, after)
	}
	for _, c := range b.list.Consumers {
		if got := count(t, b.cloudOf, c.DeadLetterQueue); got != "0+0" {
			t.Errorf("%s holds %s", c.DeadLetterQueue, got)
		}
	}
	b.replaysLetters()
}

// due are the event functions that hear of what happened.
func (b *bank) due() []string {
	var names []string
	for _, kind := range check.Column[string](b.t, b.db.Pool(), `SELECT DISTINCT type FROM outbox`) {
		names = append(names, functions.Subscriptions().Consumers(kind)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// settled waits until every event is published and every queue is empty.
func (b *bank) settled() {
	b.t.Helper()
	check.UntilCount(b.t, 0, b.db.Pool(), `SELECT count(*) FROM outbox WHERE published_at IS NULL`)
	for _, c := range b.list.Consumers {
		check.Until(b.t, c.Queue+" is empty", func() bool { return count(b.t, b.cloudOf, c.Queue) == "0+0" })
	}
}
