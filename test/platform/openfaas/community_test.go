package openfaas

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/localstack/devapi"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
)

const (
	loginPassword = "chaoxi-2026"
	tradePassword = "739164"
	amount        = 123456 // fen
)

// customer is a customer of the bank with a phone.
type customer struct {
	*client.Client
	devapi.Person
	dev devapi.API
}

func newCustomer(t *testing.T, b bank) customer {
	t.Helper()
	api := devapi.API{Base: b.edge}
	der, err := api.Certificate(t.Context())
	must(t, err)
	pinned, err := sm.CertificateKey(der, time.Now())
	must(t, err)
	device, err := sm.GenerateKey()
	must(t, err)
	person, err := api.NewCustomer(t.Context())
	must(t, err)
	app := client.New(client.Config{BaseURL: b.edge, DeviceID: uuid.NewString(), Device: device, Pinned: pinned})
	return customer{Client: app, Person: person, dev: api}
}

// code asks for a text message, and returns the code in it.
func (c customer) code(t *testing.T, purpose string, ask func() error) string {
	t.Helper()
	code, _, err := c.dev.Code(t.Context(), c.Phone, purpose, ask)
	must(t, err)
	return code
}

// signIn signs the customer up for mobile banking, and logs in.
func (c customer) signIn(t *testing.T) {
	t.Helper()
	issued, err := c.CaptchaIssue(t.Context())
	must(t, err)
	answer, err := c.dev.Captcha(t.Context(), issued.CaptchaID)
	must(t, err)
	code := c.code(t, "开通", func() error {
		return c.SendOTP(t.Context(), "register", c.Phone, client.Captcha{ID: issued.CaptchaID, Answer: answer})
	})
	must(t, c.Register(t.Context(), client.Application{
		Name: c.Name, IDNo: c.IDNo, CardNo: c.CardNo, CardPassword: c.CardPassword, Phone: c.Phone, OTP: code,
		LoginPassword: loginPassword, TradePassword: tradePassword,
	}))
	code = c.code(t, "登录", func() error { return c.SendOTP(t.Context(), "login", c.Phone, client.Captcha{}) })
	_, err = c.Login(t.Context(), c.Phone, loginPassword, code)
	must(t, err)
}

// pay transfers the amount to a payee, confirmed by a code and the phone's key.
func (c customer) pay(t *testing.T, payee devapi.Person) client.TransferView {
	t.Helper()
	overview, err := c.AccountOverview(t.Context())
	must(t, err)
	order := client.TransferPrepareRequest{PayeeAccountNo: payee.CardNo, PayeeName: payee.Name, Amount: amount}
	for _, a := range overview.Accounts {
		if a.Balance > amount {
			order.DebitAccountID = a.AccountID
		}
	}
	intent, err := c.TransferPrepare(t.Context(), order)
	must(t, err)
	code := c.code(t, "转账", func() error { return c.SendIntentOTP(t.Context(), intent.IntentID) })
	signed, err := c.SignProof(intent.Text)
	must(t, err)
	made, err := c.TransferConfirm(t.Context(), uuid.NewString(), client.TransferConfirmRequest{
		IntentID: intent.IntentID, Proofs: []client.StepupProof{client.OTPProof(code), signed},
	})
	must(t, err)
	return made
}

// In the Community Edition's stack a customer signs up, logs in and transfers money, and
// each event reaches every event function of the stack.
func TestATransferOnTheCommunityStack(t *testing.T) {
	t.Parallel()
	b := deployed(t, community)
	payer, payee := newCustomer(t, b), newCustomer(t, b)
	payer.signIn(t)
	made := payer.pay(t, payee.Person)
	if made.Amount != amount {
		t.Errorf("%+v", made)
	}
	if got := check.Value[int64](t, b.db.Pool(), `SELECT sum(amount) FROM transfer`); got != amount {
		t.Errorf("the bank has booked %d", got)
	}
	b.eventsArrive(t)
}
