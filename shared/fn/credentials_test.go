package fn_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/localstack/casim"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/cloud"
	"github.com/tidebank/tidebank/shared/downstream"
	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sms"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/req"
)

// reachingName is the process that reaches every other system.
const reachingName = "test-reaching"

// outside are the credentials of all systems besides the stores.
type outside struct {
	SMS  sms.Config
	Face face.Config
	Cert cert.Config
	AWS  cloud.Config
}

// reaching uses each of its credentials once, whatever the answer, and then waits.
var reaching = fn.Worker(fn.Spec{Name: reachingName, Summary: "Of a test", RecordsRefused: true},
	func(_ context.Context, lent *fn.WorkerLent, config outside) (fn.Work, error) {
		engine, err := face.New(config.Face, lent.Clock, lent.Downstream(downstream.Face))
		if err != nil {
			return nil, err
		}
		authority, err := cert.NewAuthority(config.Cert, lent.Clock, lent.Downstream(downstream.Certificates))
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context) {
			sent := sms.New(config.SMS, lent.Clock).Send(ctx, sms.Message{ID: "1", Phone: "13900002222", Text: "x"})
			_, examined := engine.Examine(ctx, face.Request{})
			_, issued := authority.Issue(ctx, cert.Application{ID: uuid.New(), DER: []byte("x")})
			_, read := cloud.New(config.AWS).Secret(ctx, "secret://any")
			lent.Log.Info("used", "cause", errors.Join(sent, examined, issued, read))
			<-ctx.Done()
		}, nil
	})

// partners answers for the partners, and notes which of them were called with a signature.
type partners struct {
	mu     sync.Mutex
	signed map[string]bool
}

func (p *partners) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.signed[r.URL.Path] = r.Header.Get("X-Signature") != "" || r.Header.Get("Authorization") != ""
	w.WriteHeader(http.StatusServiceUnavailable)
}

func (p *partners) asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, signed := range p.signed {
		if signed {
			n++
		}
	}
	return n
}

// page is what a page of the process shows.
func page(t *testing.T, url string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	check.Must(t, err)
	reply, err := http.DefaultClient.Do(r)
	check.Must(t, err)
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	check.Must(t, err)
	return fmt.Sprint(reply.Header, string(body))
}

// A process that has used each of its credentials shows none of them: not in the list of
// processes (arguments and environment), not in its log, not on a page that it serves. Each
// stands sealed in its environment. It does not start with a credential of another process.
func TestNoCredentialIsShown(t *testing.T) {
	t.Parallel()
	req.Covers(t, "KEY-013.2", "KEY-013.3")
	admin, server, address := asking(t)
	receiver := filepath.Join(t.TempDir(), "receiver.key")
	pin, err := keys.NewReceiver(receiver)
	check.Must(t, err)
	keyFile := filepath.Join(t.TempDir(), "keys")
	check.Must(t, keys.Create(keyFile))
	var passwords []string
	password := func() string {
		passwords = append(passwords, uuid.NewString())
		return passwords[len(passwords)-1]
	}
	database, cache := password(), password()
	check.Exec(t, admin, "CREATE ROLE bank_user LOGIN PASSWORD '"+database+"'")
	redis := miniredis.RunT(t)
	redis.RequireUserAuth("bank", cache)
	outer := &partners{signed: map[string]bool{}}
	stub := httptest.NewServer(outer)
	t.Cleanup(stub.Close)
	ca, err := casim.New(password(), clock.System{}.Now)
	check.Must(t, err)
	at := func() string { return strings.Replace(stub.URL, "http://", "http://bank:"+password()+"@", 1) }
	clear := map[string]string{
		"DATABASE_URL": address("bank_user", database), "REDIS_URL": "redis://bank:" + cache + "@" + redis.Addr(),
		"SMS_URL": at(), "SMS_SECRET": password(), "FACE_URL": at(), "FACE_SECRET": password(),
		"CERT_URL": at(), "CERT_SECRET": ca.Config("").Secret, "CERT_ROOTS": ca.Config("").Trust.Roots,
		"AWS_ENDPOINT_URL": stub.URL, "AWS_SECRET_ACCESS_KEY": password(), "AWS_SESSION_TOKEN": password(),
	}
	environment := func(process string) []string {
		env := []string{
			childMark + "=reaching", "KEYS_FILE=" + keyFile, "KEYS_RECEIVER=" + receiver, "CREDENTIALS_SEALED_ONLY=true",
			"AWS_REGION=eu-central-1", "AWS_ACCESS_KEY_ID=bank",
		}
		for key, value := range clear {
			text, err := keys.SealCredential(receiver+".pub", pin, keys.ProcessCredential{Process: process, Setting: key, Value: value})
			check.Must(t, err)
			env = append(env, key+"="+text)
		}
		return env
	}
	port, adminPort := check.FreePort(t), check.FreePort(t)
	cmd, log := process(t, append(environment(reachingName), "PORT="+port, "FN_ADMIN_PORT="+adminPort)...)
	base, inner := "http://127.0.0.1:"+port, "http://127.0.0.1:"+adminPort
	check.Until(t, "ready", func() bool { return status(t.Context(), base+"/_/ready") == http.StatusOK })
	check.Until(t, "each partner was asked", func() bool { return outer.asked() == 4 })
	shown := map[string]string{}
	for _, path := range []string{"/", "/_/health", "/_/ready", "/metrics", "/debug/vars", "/function/" + reachingName} {
		shown["page "+path], shown["inner page "+path] = page(t, base+path), page(t, inner+path)
	}
	for _, list := range []string{"cmdline", "environ", "status"} {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", cmd.Process.Pid, list))
		check.Must(t, err)
		shown["the process's "+list] = string(raw)
	}
	check.Must(t, cmd.Process.Signal(syscall.SIGTERM))
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, log)
	}
	shown["log"], shown["log of the database"] = log.String(), server.String()
	if !strings.Contains(shown["the process's environ"], "SMS_SECRET="+keys.SealedScheme) || !strings.Contains(shown["log"], `"used"`) ||
		!strings.Contains(shown["inner page /metrics"], "tidebank_dependency_seconds") {
		t.Errorf("not everything was looked at: %s", log)
	}
	for place, text := range shown {
		for _, password := range passwords {
			for _, form := range keytest.Forms([]byte(password)) {
				if strings.Contains(text, form) {
					t.Errorf("the %s shows a credential", place)
				}
			}
		}
	}

	cmd, log = process(t, append(environment("transfer-get"), "PORT="+check.FreePort(t))...)
	started := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() }) // it must not start
	defer started.Stop()
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(log.String(), keys.ErrAssigned.Error()) {
		t.Errorf("with the credentials of another function: %v: %s", err, log)
	}
}
