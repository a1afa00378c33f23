package client_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/client"
	captchaissue "github.com/tidebank/tidebank/functions/captcha/issue"
	channelopen "github.com/tidebank/tidebank/functions/channel/open"
	identitychangeprepare "github.com/tidebank/tidebank/functions/identity/changeprepare"
	identitygestureset "github.com/tidebank/tidebank/functions/identity/gestureset"
	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	identityme "github.com/tidebank/tidebank/functions/identity/me"
	identityquickchallenge "github.com/tidebank/tidebank/functions/identity/quickchallenge"
	identityquicklogin "github.com/tidebank/tidebank/functions/identity/quicklogin"
	identityregister "github.com/tidebank/tidebank/functions/identity/register"
	identityunlockkeyset "github.com/tidebank/tidebank/functions/identity/unlockkeyset"
	otpsend "github.com/tidebank/tidebank/functions/otp/send"
	transferconfirm "github.com/tidebank/tidebank/functions/transfer/confirm"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/localstack/gateway"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/otptest"
)

// fixture is a bank that serves over HTTP, and an app that knows it.
type fixture struct {
	*bank.Bank
	config client.Config
	app    *client.Client
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	b := bank.New(t)
	g, err := gateway.New(t.Context(), []fn.Function{
		channelopen.Function, captchaissue.Function, otpsend.Function, identityregister.Function, identitylogin.Function,
		identityme.Function, transferprepare.Function, transferconfirm.Function, identitychangeprepare.Function,
		identitygestureset.Function, identityunlockkeyset.Function, identityquickchallenge.Function, identityquicklogin.Function,
	}, b.Host, host.Values(bank.Nowhere()...))
	check.Must(t, err)
	server := httptest.NewServer(g.Mux)
	t.Cleanup(server.Close)
	w := &fixture{Bank: b, config: client.Config{
		BaseURL: server.URL, DeviceID: "phone-of-wang", Device: keytest.PrivateKey(t), Pinned: b.Host.Keys.Public(keys.Channel),
		Now: b.Clock.Now, HTTP: server.Client(), Pause: time.Millisecond,
	}}
	w.app = client.New(w.config)
	return w
}

func (w *fixture) customer(t *testing.T) seed.Customer {
	t.Helper()
	c := w.Customer(t, "王小明", 1000_00, 0)
	check.Must(t, w.Seeder().SignUp(t.Context(), c, bank.LoginPassword, bank.TradePassword, "", nil))
	return c
}

func (w *fixture) code(t *testing.T, purpose, phone string) string {
	t.Helper()
	check.Must(t, w.app.SendOTP(t.Context(), purpose, phone, w.solved(t)))
	return w.sentCode(t, purpose, phone)
}

func (w *fixture) login(t *testing.T, c seed.Customer) {
	t.Helper()
	reply, err := w.app.LoginBinding(t.Context(), client.Credentials{
		Phone: c.Phone, Password: bank.LoginPassword, OTP: w.code(t, otp.Login, c.Phone), TradePassword: bank.TradePassword,
		CardNo: c.Accounts[0].No,
	})
	check.Must(t, err)
	if !reply.DeviceBound {
		t.Error("the device's key is not bound")
	}
}

// The app seals a password for its channel. When the channel is gone in the middle of
// a call, the app seals it again for the next one. The bank counts no failed attempt.
func TestPasswordsAreSealedAgain(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	c := w.customer(t)
	code := w.code(t, otp.Login, c.Phone)
	w.Redis.FlushAll()
	_, err := w.app.Login(t.Context(), c.Phone, bank.LoginPassword, code)
	check.Must(t, err)
	if n := w.Count(t, `
SELECT (SELECT coalesce(sum(failures + day_failures), 0) FROM login_attempt) + (SELECT count(*) FROM login_origin)`); n != 0 {
		t.Errorf("%d failed attempts were counted", n)
	}
	got, err := w.app.IdentityMe(t.Context())
	check.Must(t, err)
	if got.NameMasked == "" || got.NameMasked == c.Name {
		t.Errorf("logged in as %+v", got)
	}
}

func TestRegisteringSealsPasswordsAgain(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	c := w.Customer(t, "王小明", 1000_00)
	code := w.code(t, otp.Register, c.Phone)
	w.Redis.FlushAll()
	check.Must(t, w.app.Register(t.Context(), w.application(c, code)))
	w.login(t, c) // and it is that password which was set
}

// A login lives on its channel: after both are gone the app is asked to log in,
// and the login that follows counts as any.
func TestAfterAReopeningTheBankAsksToLogIn(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	c := w.customer(t)
	w.login(t, c)
	w.Redis.FlushAll()
	if _, err := w.app.IdentityMe(t.Context()); !errors.Is(err, &client.Problem{Code: "SESSION_REQUIRED"}) {
		t.Errorf("%v, want SESSION_REQUIRED", err)
	}
	w.Advance(time.Minute) // until the next code
	w.login(t, c)
	if _, err := w.app.IdentityMe(t.Context()); err != nil {
		t.Error(err)
	}
}

// prepared logs in and prepares a transfer, with its proofs.
func (w *fixture) prepared(t *testing.T) (client.TransferPrepareReply, []client.StepupProof) {
	t.Helper()
	c := w.customer(t)
	w.login(t, c)
	in, err := w.app.TransferPrepare(t.Context(), client.TransferPrepareRequest{
		DebitAccountID: c.AccountIDs[0], PayeeAccountID: &c.AccountIDs[1], Amount: 100_00,
	})
	check.Must(t, err)
	check.Must(t, w.app.SendIntentOTP(t.Context(), in.IntentID))
	signed, err := w.app.SignProof(in.Text)
	check.Must(t, err)
	return in, []client.StepupProof{client.OTPProof(otptest.Code(t, w.Bank, stepup.Subject(in.IntentID))), signed}
}

// deaf passes requests on and loses the first answers.
type deaf struct {
	next http.RoundTripper
	lose int
}

func (d *deaf) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := d.next.RoundTrip(r)
	if err != nil || d.lose == 0 {
		return resp, err
	}
	d.lose--
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return nil, errNetwork
}

// Answers that are lost don't move money twice.
func TestLostAnswersPayOnce(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	line := &deaf{next: w.config.HTTP.Transport}
	w.config.HTTP = &http.Client{Transport: line}
	w.app = client.New(w.config)
	in, proofs := w.prepared(t)
	key := uuid.NewString()
	line.lose = 2
	first, err := w.app.TransferConfirm(t.Context(), key, client.TransferConfirmRequest{IntentID: in.IntentID, Proofs: proofs})
	check.Must(t, err)
	again, err := w.app.TransferConfirm(t.Context(), key, client.TransferConfirmRequest{IntentID: in.IntentID, Proofs: proofs})
	check.Must(t, err)
	if first != again || first.TransferID == uuid.Nil || first.Amount != 100_00 {
		t.Errorf("first %+v, again %+v", first, again)
	}
	if n := w.Count(t, "SELECT count(*) FROM transfer"); n != 1 {
		t.Errorf("%d transfers, want one", n)
	}
	w.CheckLedger(t)
}

// An attacker puts an earlier frame in a request's place. The bank answers that frame,
// and the app does not take the answer for its own.
func TestTheAnswerToAReplayedFrameIsNotTaken(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	tap := &tap{next: w.config.HTTP.Transport}
	w.config.HTTP = &http.Client{Transport: tap}
	w.app = client.New(w.config)
	w.login(t, w.customer(t))
	_, err := w.app.IdentityMe(t.Context())
	check.Must(t, err)
	tap.replace = tap.last
	if _, err := w.app.IdentityMe(t.Context()); !errors.Is(err, client.ErrBank) {
		t.Errorf("the answer to a frame of before: %v, want ErrBank", err)
	}
}

// tap keeps the last request and can send it in place of the next.
type tap struct {
	next          http.RoundTripper
	last, replace []byte
}

func (p *tap) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("tap: %w", err)
	}
	p.last = body
	if p.replace != nil {
		body = p.replace
	}
	r = r.Clone(r.Context())
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return p.next.RoundTrip(r)
}
