// Package local runs the local bank as its users do: the built program in processes
// of its own. Each test has a database, and a Redis that outlives the instances. A
// test can kill instances. Customers use the public client.
package local

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/localstack/devapi"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// Bank holds the parts that the instances share.
type Bank struct {
	DB    *pg.DB
	Redis *miniredis.Miniredis
	// OwnRedis makes each instance keep its own Redis in memory, as the bank of `make run`
	// does. Set it before Start.
	OwnRedis bool

	dir string
	url string

	mu   sync.Mutex
	live []*Instance
}

// Instance is one running process of the whole bank.
type Instance struct {
	address string
	cmd     *exec.Cmd
	ended   chan struct{}
}

// built builds the program once for the test process.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "tidebank-local-")
	if err != nil {
		return "", fmt.Errorf("folder: %w", err)
	}
	path := filepath.Join(dir, "localstack")
	if out, err := exec.Command("go", "build", "-o", path, "github.com/tidebank/tidebank/localstack").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w: %s", err, out)
	}
	return path, nil
})

// New prepares a bank; Start runs an instance of it.
func New(t *testing.T) *Bank {
	t.Helper()
	db, url := pgtest.NewURL(t)
	b := &Bank{DB: db, Redis: miniredis.RunT(t), dir: t.TempDir(), url: url}
	t.Cleanup(func() {
		for _, i := range b.instances() {
			b.Kill(t, i)
		}
	})
	return b
}

// Start runs an instance and returns when it serves.
func (b *Bank) Start(t *testing.T) *Instance {
	t.Helper()
	return b.StartOn(t, "127.0.0.1")
}

// StartOn runs an instance that listens at the address of one network interface, such
// as ::1.
func (b *Bank) StartOn(t *testing.T, ip string) *Instance {
	t.Helper()
	program, err := built()
	check.Must(t, err)
	address := check.FreeAddress(t, ip)
	cmd := exec.Command(program, "--listen", address, "--data", b.dir, "--unsafe")
	redis := "redis://" + b.Redis.Addr()
	if b.OwnRedis {
		redis = ""
	}
	cmd.Env = append(os.Environ(), "DATABASE_URL="+b.url, "REDIS_URL="+redis, "FN_RATE_SCALE=1000")
	log, err := os.OpenFile(filepath.Join(b.dir, "out.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	check.Must(t, err)
	cmd.Stdout, cmd.Stderr = log, log
	check.Must(t, cmd.Start())
	check.Must(t, log.Close())
	i := &Instance{address: address, cmd: cmd, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // an error is normal: tests kill instances
		close(i.ended)
	}()
	b.awaitReady(t, i)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.live = append(b.live, i)
	return i
}

func (b *Bank) awaitReady(t *testing.T, i *Instance) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		resp, err := http.Get("http://" + i.address + "/_/ready")
		if err == nil {
			_ = resp.Body.Close() // the body is empty
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-i.ended:
			t.Fatalf("the bank ended:\n%s", b.output())
		case <-time.After(20 * time.Millisecond):
		}
	}
	t.Fatalf("the bank is not ready:\n%s", b.output())
}

func (b *Bank) output() []byte {
	raw, _ := os.ReadFile(filepath.Join(b.dir, "out.log"))
	return raw
}

// Kill ends an instance without warning (SIGKILL).
func (b *Bank) Kill(t *testing.T, i *Instance) { b.end(t, i, syscall.SIGKILL) }

// KillAny kills one of the living instances.
func (b *Bank) KillAny(t *testing.T) {
	t.Helper()
	if live := b.instances(); len(live) > 0 {
		b.Kill(t, live[rand.IntN(len(live))])
	}
}

// Stop ends an instance as Ctrl-C does: it drains.
func (b *Bank) Stop(t *testing.T, i *Instance) { b.end(t, i, syscall.SIGINT) }

func (b *Bank) end(t *testing.T, i *Instance, signal os.Signal) {
	t.Helper()
	b.mu.Lock()
	for n, x := range b.live {
		if x == i {
			b.live = append(b.live[:n:n], b.live[n+1:]...)
			break
		}
	}
	b.mu.Unlock()
	_ = i.cmd.Process.Signal(signal) // the process may have ended already
	select {
	case <-i.ended:
	case <-time.After(30 * time.Second):
		_ = i.cmd.Process.Kill()
		t.Errorf("the bank did not end within 30 s of %v", signal)
	}
}

func (b *Bank) instances() []*Instance {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]*Instance(nil), b.live...)
}

// RoundTrip sends a request to any living instance, as a load balancer would.
func (b *Bank) RoundTrip(req *http.Request) (*http.Response, error) {
	live := b.instances()
	if len(live) == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	clone := req.Clone(req.Context())
	clone.URL.Host = live[rand.IntN(len(live))].address
	return http.DefaultTransport.RoundTrip(clone)
}

// Dev is an instance's developer page.
func (i *Instance) Dev() devapi.API { return devapi.API{Base: "http://" + i.address} }

// Ring returns the bank's keys, for checks in the database.
func (b *Bank) Ring(t *testing.T) *keys.Ring {
	t.Helper()
	ring, err := keys.Open(t.Context(), keys.Config{File: filepath.Join(b.dir, "keys.json")}, keys.All()...)
	check.Must(t, err)
	return ring
}

// Passwords of every App.
const (
	LoginPassword = "chaoxi-2026"
	TradePassword = "739164"
)

// App is a customer with a phone.
type App struct {
	*client.Client
	Person devapi.Person
	dev    devapi.API
	config client.Config
}

// NewApp makes a customer with an app that has done nothing yet.
func (b *Bank) NewApp(t *testing.T, i *Instance) *App {
	t.Helper()
	person, err := i.Dev().NewCustomer(t.Context())
	check.Must(t, err)
	a := &App{Person: person, dev: i.Dev()}
	a.Client, a.config = b.device(t, i)
	return a
}

// Another is the same customer on another phone.
func (a *App) Another(t *testing.T, b *Bank, i *Instance) *App {
	t.Helper()
	other := &App{Person: a.Person, dev: a.dev}
	other.Client, other.config = b.device(t, i)
	return other
}

func (b *Bank) device(t *testing.T, i *Instance) (*client.Client, client.Config) {
	t.Helper()
	der, err := i.Dev().Certificate(t.Context())
	check.Must(t, err)
	pinned, err := sm.CertificateKey(der, time.Now())
	check.Must(t, err)
	device, err := sm.GenerateKey()
	check.Must(t, err)
	config := client.Config{
		BaseURL: "http://bank", DeviceID: "test-" + uuid.NewString(), Device: device, Pinned: pinned,
		HTTP: &http.Client{Transport: b, Timeout: 10 * time.Second}, Pause: 20 * time.Millisecond,
	}
	return client.New(config), config
}

// Register signs the customer up for mobile banking.
func (a *App) Register(ctx context.Context) error {
	code, _, err := a.dev.Code(ctx, a.Person.Phone, "开通", func() error { return a.sendOTP(ctx, "register") })
	if err != nil {
		return err
	}
	return a.Client.Register(ctx, client.Application{
		Name: a.Person.Name, IDNo: a.Person.IDNo, CardNo: a.Person.CardNo, CardPassword: a.Person.CardPassword,
		Phone: a.Person.Phone, OTP: code, LoginPassword: LoginPassword, TradePassword: TradePassword,
	})
}

// sendOTP asks for a code with a solved graphic code.
func (a *App) sendOTP(ctx context.Context, purpose string) error {
	issued, err := a.CaptchaIssue(ctx)
	if err != nil {
		return err
	}
	answer, err := a.dev.Captcha(ctx, issued.CaptchaID)
	if err != nil {
		return err
	}
	return a.SendOTP(ctx, purpose, a.Person.Phone, client.Captcha{ID: issued.CaptchaID, Answer: answer})
}

// Login logs the customer in by password and a fresh code.
func (a *App) Login(ctx context.Context) error {
	code, _, err := a.dev.Code(ctx, a.Person.Phone, "登录", func() error { return a.sendOTP(ctx, "login") })
	if err != nil {
		return err
	}
	_, err = a.Client.Login(ctx, a.Person.Phone, LoginPassword, code)
	return err
}

// IntentCode asks for an intent's code and reads it.
func (a *App) IntentCode(ctx context.Context, in client.TransferPrepareReply) (string, error) {
	code, _, err := a.dev.Code(ctx, a.Person.Phone, "转账", func() error { return a.SendIntentOTP(ctx, in.IntentID) })
	return code, err
}

// Customer makes a customer who is logged in.
func (b *Bank) Customer(t *testing.T, i *Instance) *App {
	t.Helper()
	a := b.NewApp(t, i)
	check.Must(t, a.Register(t.Context()))
	check.Must(t, a.Login(t.Context()))
	return a
}
