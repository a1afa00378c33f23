package openfaas

import (
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/openfaas/faas-provider/types"
	sdk "github.com/openfaas/go-sdk"
	"github.com/openfaas/go-sdk/stack"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/infra/roles"
	"github.com/tidebank/tidebank/localstack/smssim"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/platform/page"
	"github.com/tidebank/tidebank/workers"
	"github.com/tidebank/tidebank/workers/probe"
)

const smsSecret = "test-sms-secret"

// bank is a bank whose functions are deployed from a stack file.
type bank struct {
	provider *provider
	edge     string // the address that clients call
	db       *pg.DB
	names    []string // of the stack's processes
}

// deployed deploys the processes of a stack with faas-cli's client.
func deployed(t *testing.T, path string) bank {
	t.Helper()
	p := newProvider(t)
	db, databaseURL := pgtest.NewURL(t)
	must(t, roles.Apply(t.Context(), databaseURL))
	redis := miniredis.RunT(t)
	keyFile := filepath.Join(t.TempDir(), "keys.json")
	must(t, keys.Create(keyFile))
	receiver := filepath.Join(t.TempDir(), "receiver.key")
	pin, err := keys.NewReceiver(receiver)
	must(t, err)
	private, err := os.ReadFile(receiver)
	must(t, err)
	texts := &smssim.Gateway{Secret: smsSecret, Now: time.Now}
	sms := httptest.NewServer(texts)
	t.Cleanup(sms.Close)

	s := parsed(t, path)
	at, err := url.Parse(p.URL)
	must(t, err)
	cli := sdk.NewClient(at, &sdk.BasicAuth{}, http.DefaultClient)
	shared := map[string]string{
		"tidebank-redis-url": "redis://" + redis.Addr(), "tidebank-sms-url": sms.URL, "tidebank-sms-secret": smsSecret,
		"tidebank-face-url": sms.URL, "tidebank-face-secret": smsSecret, "tidebank-ca": "unused",
		"tidebank-keys-receiver": string(private),
	}
	for name, f := range s.Functions {
		shared[name+"-keys"] = ownKeys(t, keys.Exporting{From: keyFile, Receiver: receiver + ".pub", Digest: pin, Process: name})
		shared[name+"-database-url"] = databaseURL + "&role=" + roles.Name(name) + "\n" // editors end files with it
		for _, secret := range f.Secrets {
			_, err := cli.CreateSecret(t.Context(), types.Secret{Name: secret, Namespace: "openfaas-fn", Value: shared[secret]})
			must(t, err)
		}
	}
	for name, f := range s.Functions {
		if name == probe.Worker.Spec.Name { // it needs a customer with a device of its own; workers/probe tests it
			continue
		}
		deploy(t, cli, name, f)
	}
	beside, err := page.Open(t.Context(), page.Config{
		Database: databaseURL, Redis: "redis://" + redis.Addr(), KeyFile: keyFile, Clock: filepath.Join(t.TempDir(), "clock"), Texts: texts,
	})
	must(t, err)
	t.Cleanup(beside.Host.Close)
	return bank{provider: p, db: db, edge: edge(t, p, beside), names: slices.Collect(maps.Keys(s.Functions))}
}

// ownKeys is the key file of a process, with only its keys.
func ownKeys(t *testing.T, order keys.Exporting) string {
	t.Helper()
	for _, f := range slices.Concat(functions.All(), workers.All()) {
		if f.Spec.Name == order.Process {
			order.Purposes = slices.Compact(slices.Sorted(slices.Values(f.Needs().Purposes)))
		}
	}
	order.To = filepath.Join(t.TempDir(), "keys.json")
	must(t, keys.Export(t.Context(), order))
	text, err := os.ReadFile(order.To)
	must(t, err)
	return string(text)
}

func deploy(t *testing.T, cli *sdk.Client, name string, f stack.Function) {
	t.Helper()
	limits, requests := resources(f.Limits), resources(f.Requests)
	status, err := cli.Deploy(t.Context(), types.FunctionDeployment{
		Service: name, Image: f.Image, Namespace: "openfaas-fn", EnvVars: f.Environment, Secrets: f.Secrets, Labels: f.Labels,
		Annotations: f.Annotations, Limits: &limits, Requests: &requests, ReadOnlyRootFilesystem: f.ReadOnlyRootFilesystem,
	})
	if err != nil || status != http.StatusAccepted {
		t.Fatalf("%s: %d, %v", name, status, err)
	}
}

func resources(r *stack.FunctionResources) types.FunctionResources {
	return types.FunctionResources{Memory: r.Memory, CPU: r.CPU}
}

// edge stands before the gateway, as docs/openfaas.md asks for: it replaces
// X-Forwarded-For by the address of its client, and lets nobody call event functions.
func edge(t *testing.T, p *provider, page http.Handler) string {
	t.Helper()
	to, err := url.Parse(p.URL)
	must(t, err)
	calls := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		from, _, _ := net.SplitHostPort(r.In.RemoteAddr)
		r.Out.Header.Set("X-Forwarded-For", from)
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/function/")
		consumer := func(s events.Subscription) bool { return s.Consumer == name }
		switch {
		case slices.ContainsFunc(functions.Subscriptions(), consumer):
			http.NotFound(w, r)
		case name != r.URL.Path:
			calls.ServeHTTP(w, r)
		default:
			page.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// demo runs the demo against the bank, and returns what it printed.
func (b bank) demo(t *testing.T) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(b.provider.programs, "demo"))
	cmd.Env = append(os.Environ(), "BANK_URL="+b.edge)
	text, err := cmd.CombinedOutput()
	return string(text), err
}

// All processes of stack.yml start with the secrets that they name, with their own database
// roles, as a user who is not root, and a customer goes through all steps of the demo. The relay delivers the events
// to the event functions by the proxy.
func TestTheDemoOnTheWholeStack(t *testing.T) {
	t.Parallel()
	b := deployed(t, standard)
	text, err := b.demo(t)
	t.Log(text)
	if err != nil || !strings.Contains(text, "全部 14 步符合预期") {
		t.Errorf("%v\n%s", err, b.provider.log("events-relay"))
	}
	b.eventsArrive(t)
	b.refusesForgedEvents(t)
	b.knowsAddresses(t)
}

// eventsArrive waits until every event function of the stack that hears of what happened has had its events.
func (b bank) eventsArrive(t *testing.T) {
	t.Helper()
	check.UntilCount(t, 0, b.db.Pool(), `SELECT count(*) FROM outbox WHERE published_at IS NULL`)
	check.UntilCount(t, 0, b.db.Pool(), `SELECT count(*) FROM delivery WHERE state <> 'done'`)
	var due []string
	for _, kind := range check.Column[string](t, b.db.Pool(), `SELECT DISTINCT type FROM outbox`) {
		due = append(due, functions.Subscriptions().Consumers(kind)...)
	}
	slices.Sort(due)
	due = slices.DeleteFunc(slices.Compact(due), func(name string) bool { return !slices.Contains(b.names, name) })
	took := check.Column[string](t, b.db.Pool(), `SELECT DISTINCT consumer FROM delivery ORDER BY 1`)
	if len(due) < 4 || !slices.Equal(due, took) {
		t.Errorf("%v had events, want %v:\n%s", took, due, b.provider.log("events-relay"))
	}
}

// A stranger who reaches an event function can't make it believe an event. The edge does
// not let a stranger reach it.
func (b bank) refusesForgedEvents(t *testing.T) {
	t.Helper()
	for base, want := range map[string]int{b.provider.URL: http.StatusBadRequest, b.edge: http.StatusNotFound} {
		header := http.Header{
			"Ce-Specversion": {"1.0"}, "Ce-Id": {"019ab0f2-4c00-7d2e-9a61-000000000001"}, "Ce-Source": {"/tidebank"},
			"Ce-Type": {"com.tidebank.transfer.posted.v1"}, "Ce-Time": {time.Now().UTC().Format(time.RFC3339)},
			"Content-Type": {"application/json"}, "Ce-Tidebankmac": {"AAAA"},
		}
		if got := post(t, base+"/function/audit-on-event", "{}", header); got != want {
			t.Errorf("a forged event at %s: %d, want %d", base, got, want)
		}
	}
}

// hellos is more than one address may open channels in a minute.
const hellos = 650

// Behind the edge, a client can't invent its address. Without an edge it can: OpenFaaS
// passes a header on that it gets, and adds the address and port of its client only if
// there is none.
func (b bank) knowsAddresses(t *testing.T) {
	t.Helper()
	limited := func(base string, header func(i int) http.Header) bool {
		for i := range hellos {
			if post(t, base+"/function/channel-open", "{}", header(i)) == http.StatusTooManyRequests {
				return true
			}
		}
		return false
	}
	invented := func(i int) http.Header {
		return http.Header{"X-Forwarded-For": {net.IPv4(203, 0, byte(i>>8), byte(i)).String()}, "Connection": {"close"}}
	}
	none := func(int) http.Header { return http.Header{"Connection": {"close"}} } // each call from another port
	if limited(b.provider.URL, invented) {
		t.Error("OpenFaaS does not pass the header on any more: docs/openfaas.md is wrong")
	}
	if !limited(b.edge, invented) {
		t.Error("behind the edge, a client that invents addresses is not limited")
	}
	if !limited(b.provider.URL, none) {
		t.Error("a client whose address comes with its port is not limited")
	}
}

func post(t *testing.T, address, body string, header http.Header) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(body))
	must(t, err)
	r.Header = header
	r.Close = header.Get("Connection") == "close"
	resp, err := http.DefaultClient.Do(r)
	must(t, err)
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode
}
