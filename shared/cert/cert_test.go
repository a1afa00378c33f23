package cert_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/localstack/casim"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
)

var start = time.Date(2026, 11, 23, 10, 0, 0, 0, clock.Shanghai)

func newAuthority(t *testing.T) (ca *casim.CA, client *cert.Authority, now *clock.Manual) {
	t.Helper()
	now = clock.NewManual(start)
	ca, err := casim.New("local-secret", clock.NewManual(start).Now)
	check.Must(t, err)
	server := httptest.NewServer(ca)
	t.Cleanup(server.Close)
	client, err = cert.NewAuthority(ca.Config(server.URL), now, nil)
	check.Must(t, err)
	return ca, client, now
}

func application(t *testing.T) cert.Application {
	t.Helper()
	key, err := sm.GenerateKey()
	check.Must(t, err)
	return applied(t, key, uuid.New(), uuid.New())
}

func applied(t *testing.T, key *sm.PrivateKey, customer, id uuid.UUID) cert.Application {
	t.Helper()
	subject, err := cert.Subject(customer, id)
	check.Must(t, err)
	der, err := sm.NewRequest(key, subject)
	check.Must(t, err)
	a, err := cert.Accept(customer, id, der)
	check.Must(t, err)
	return a
}

// The authority issues once for an application, also if its answer is lost.
func TestTheAuthorityIssuesOnce(t *testing.T) {
	t.Parallel()
	ca, client, _ := newAuthority(t)
	ca.SetFaults(casim.Faults{SwallowAnswer: 1})
	a := application(t)
	if _, err := client.Issue(t.Context(), a); !errors.Is(err, bankerr.ErrUnavailable) {
		t.Fatalf("a lost answer: %v", err)
	}
	first, err := client.Issue(t.Context(), a)
	check.Must(t, err)
	again, err := client.Issue(t.Context(), a)
	check.Must(t, err)
	if !bytes.Equal(first.Certificate.DER(), again.Certificate.DER()) || len(first.Chain) != 1 {
		t.Errorf("%d certificates between; another one is issued", len(first.Chain))
	}
	key, err := sm.GenerateKey()
	check.Must(t, err)
	if _, err := client.Issue(t.Context(), applied(t, key, a.Customer, a.ID)); !errors.Is(err, cert.ErrRejected) {
		t.Errorf("another request of the application: %v", err)
	}
	other, err := client.Issue(t.Context(), application(t))
	check.Must(t, err)
	if other.Certificate.Serial() == first.Certificate.Serial() {
		t.Error("two certificates have one number")
	}
}

// The bank takes no certificate that its roots do not lead to, that is not valid, or that is
// for another key or subject.
func TestWrongCertificatesAreNotTaken(t *testing.T) {
	t.Parallel()
	key, err := sm.GenerateKey()
	check.Must(t, err)
	subject, err := cert.Subject(uuid.New(), uuid.New())
	check.Must(t, err)
	for name, faults := range map[string]casim.Faults{
		"foreign": {Foreign: true}, "expired": {Expired: true}, "another key": {Key: key.Public()},
		"another subject": {Subject: subject}, "down": {Down: true}, "too long": {Long: true},
	} {
		ca, client, _ := newAuthority(t)
		ca.SetFaults(faults)
		if got, err := client.Issue(t.Context(), application(t)); !errors.Is(err, bankerr.ErrUnavailable) || got.Certificate != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheAuthorityKnowsTheBank(t *testing.T) {
	t.Parallel()
	_, client, now := newAuthority(t)
	now.Advance(6 * time.Minute)
	if _, err := client.Issue(t.Context(), application(t)); !errors.Is(err, bankerr.ErrUnavailable) {
		t.Errorf("a request of another time: %v", err)
	}
	now.Advance(-6 * time.Minute)
	if _, err := client.Issue(t.Context(), application(t)); err != nil {
		t.Error(err)
	}
	ca, err := casim.New("its secret", now.Now)
	check.Must(t, err)
	server := httptest.NewServer(ca)
	t.Cleanup(server.Close)
	config := ca.Config(server.URL)
	config.Secret = "another"
	stranger, err := cert.NewAuthority(config, now, nil)
	check.Must(t, err)
	if _, err := stranger.Issue(t.Context(), application(t)); !errors.Is(err, bankerr.ErrUnavailable) {
		t.Errorf("a request of another secret: %v", err)
	}
}

// A hung authority is an error after two seconds.
func TestAHungAuthorityIsAnError(t *testing.T) {
	t.Parallel()
	hung := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hung }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(hung) })
	ca, err := casim.New("local-secret", clock.System{}.Now)
	check.Must(t, err)
	client, err := cert.NewAuthority(ca.Config(server.URL), clock.System{}, nil)
	check.Must(t, err)
	begun := clock.System{}.Now()
	_, err = client.Issue(t.Context(), application(t))
	if waited := (clock.System{}).Now().Sub(begun); !errors.Is(err, bankerr.ErrUnavailable) || waited > 10*time.Second {
		t.Errorf("after %v: %v", waited, err)
	}
}

func TestConfigurations(t *testing.T) {
	t.Parallel()
	ca, err := casim.New("local-secret", clock.System{}.Now)
	check.Must(t, err)
	good := ca.Config("https://ca.bank.example")
	check.Must(t, good.Encrypted())
	none, err := cert.NewAuthority(cert.Config{}, clock.System{}, nil)
	check.Must(t, err)
	if _, err := none.Issue(t.Context(), application(t)); !errors.Is(err, bankerr.ErrUnavailable) {
		t.Errorf("without an authority: %v", err)
	}
	changes := map[string]func(*cert.Config){
		"no address": func(c *cert.Config) { c.URL = "" }, "no secret": func(c *cert.Config) { c.Secret = "" },
		"no roots": func(c *cert.Config) { c.Trust.Roots = "" }, "other roots": func(c *cert.Config) { c.Trust.Roots = "x" },
	}
	for name, change := range changes {
		config := good
		change(&config)
		if _, err := cert.NewAuthority(config, clock.System{}, nil); err == nil {
			t.Errorf("%s: the process starts", name)
		}
	}
	good.URL = strings.Replace(good.URL, "https", "http", 1)
	if err := good.Encrypted(); !errors.Is(err, cert.ErrPlain) {
		t.Errorf("in clear: %v", err)
	}
}
