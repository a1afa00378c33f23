// Package e2e walks through the running bank as its customers do: the built
// program, its gateway, and the public client.
package e2e

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/localstack/devapi"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/local"
	"github.com/tidebank/tidebank/test/req"
)

// From signing up to the events that a transfer sets off, and across a restart.
func TestJourney(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ACCT-015.1")
	b := local.New(t)
	instance := b.Start(t)
	payer, payee := b.Customer(t, instance), b.Customer(t, instance)

	accounts := overview(t, payer)
	made := pay(t, payer, client.TransferPrepareRequest{
		DebitAccountID: accounts[0].AccountID, PayeeAccountNo: payee.Person.CardNo, PayeeName: payee.Person.Name,
		Amount: 1234_56, Memo: "房租",
	})
	if made.Amount != 1234_56 || made.Status != "posted" || strings.Contains(made.PayeeNameMasked, payee.Person.Name) {
		t.Errorf("receipt: %+v", made)
	}
	if now := overview(t, payer); now[0].Balance != accounts[0].Balance-1234_56 {
		t.Errorf("the payer has %v, had %v", now[0].Balance, accounts[0].Balance)
	}
	wantEntry(t, payer, accounts[0].AccountID, made.TransferID, -1234_56)
	wantEntry(t, payee, overview(t, payee)[0].AccountID, made.TransferID, 1234_56)
	wantMessage(t, payer, "转账支出提醒")
	wantMessage(t, payee, "转账收入提醒")
	delivered(t, instance.Dev(), made.TransferID, "notify-on-transfer", "audit-on-event", "fraud-on-transfer")

	b.Stop(t, instance)
	b.Start(t)
	// The session outlived the instance.
	again, err := payer.TransferGet(t.Context(), client.TransferGetRequest{TransferID: made.TransferID})
	check.Must(t, err)
	if again.TransferID != made.TransferID || again.Amount != made.Amount {
		t.Errorf("after a restart: %+v", again)
	}
	_, err = payer.IdentityLogout(t.Context())
	check.Must(t, err)
	if _, err := payer.IdentityMe(t.Context()); !refused(err, "SESSION_REQUIRED") {
		t.Errorf("after logging out: %v", err)
	}
	bank.CheckLedger(t, b.DB, b.Ring(t))
}

// A second login ends the first at once, and says so.
func TestOneSessionOnly(t *testing.T) {
	t.Parallel()
	b := local.New(t)
	instance := b.Start(t)
	first := b.NewApp(t, instance)
	check.Must(t, first.Register(t.Context()))
	check.Must(t, first.Login(t.Context()))
	second := first.Another(t, b, instance)
	// The bank sends a number one code a minute. Forget when the last one was sent.
	check.Exec(t, b.DB.Pool(), "DELETE FROM otp_quota")
	check.Must(t, second.Login(t.Context()))
	if _, err := first.IdentityMe(t.Context()); !refused(err, "SESSION_DISPLACED") {
		t.Errorf("the first session: %v", err)
	}
	if _, err := second.IdentityMe(t.Context()); err != nil {
		t.Errorf("the second session: %v", err)
	}
}

// The bank answers alike for another customer's data and for data that does not exist.
func TestStrangerSeesNothing(t *testing.T) {
	t.Parallel()
	b := local.New(t)
	instance := b.Start(t)
	owner, stranger := b.Customer(t, instance), b.Customer(t, instance)
	accounts := overview(t, owner)
	made := pay(t, owner, client.TransferPrepareRequest{
		DebitAccountID: accounts[0].AccountID, PayeeAccountID: &accounts[1].AccountID, Amount: 1,
	})
	intent, err := owner.TransferPrepare(t.Context(), client.TransferPrepareRequest{
		DebitAccountID: accounts[0].AccountID, PayeeAccountID: &accounts[1].AccountID, Amount: 1,
	})
	check.Must(t, err)
	proof, err := stranger.SignProof(intent.Text)
	check.Must(t, err)
	own := overview(t, stranger)[0].AccountID
	for what, try := range map[string]func(account, transfer, intent uuid.UUID) error{
		"detail": func(account, _, _ uuid.UUID) error {
			_, err := stranger.AccountDetail(t.Context(), client.AccountDetailRequest{AccountID: account})
			return err
		},
		"statement": func(account, _, _ uuid.UUID) error {
			_, err := stranger.AccountStatement(t.Context(), client.AccountStatementRequest{AccountID: account})
			return err
		},
		"receipt": func(_, transfer, _ uuid.UUID) error {
			_, err := stranger.TransferGet(t.Context(), client.TransferGetRequest{TransferID: transfer})
			return err
		},
		"debit": func(account, _, _ uuid.UUID) error {
			_, err := stranger.TransferPrepare(t.Context(), client.TransferPrepareRequest{
				DebitAccountID: account, PayeeAccountID: &own, Amount: 1,
			})
			return err
		},
		"confirm": func(_, _, id uuid.UUID) error {
			_, err := stranger.TransferConfirm(t.Context(), uuid.NewString(), client.TransferConfirmRequest{
				IntentID: id, Proofs: []client.StepupProof{proof},
			})
			return err
		},
		"code": func(_, _, id uuid.UUID) error { return stranger.SendIntentOTP(t.Context(), id) },
	} {
		foreign := try(accounts[0].AccountID, made.TransferID, intent.IntentID)
		nobody := try(uuid.New(), uuid.New(), uuid.New())
		if !refused(foreign, "OBJECT_NOT_FOUND") || foreign.Error() != nobody.Error() {
			t.Errorf("%s: another's %v, nobody's %v", what, foreign, nobody)
		}
	}
}

// While the SMS gateway fails, the event waits. It is delivered when the gateway works.
func TestNotificationSurvivesGateway(t *testing.T) {
	t.Parallel()
	b := local.New(t)
	instance := b.Start(t)
	app := b.Customer(t, instance)
	accounts := overview(t, app)
	fault(t, instance.Dev(), `{"sms":{"fail_next":2}}`)
	made := pay(t, app, client.TransferPrepareRequest{
		DebitAccountID: accounts[0].AccountID, PayeeAccountID: &accounts[1].AccountID, Amount: 100,
	})
	delivered(t, instance.Dev(), made.TransferID, "notify-on-transfer", "audit-on-event", "fraud-on-transfer")
	wantMessage(t, app, "转账支出提醒")
}

// pay prepares a transfer and confirms it with all that it asks for.
func pay(t *testing.T, app *local.App, order client.TransferPrepareRequest) client.TransferView {
	t.Helper()
	in, err := app.TransferPrepare(t.Context(), order)
	check.Must(t, err)
	signature, err := app.SignProof(in.Text)
	check.Must(t, err)
	proofs := []client.StepupProof{signature}
	if order.PayeeAccountID == nil {
		code, err := app.IntentCode(t.Context(), in)
		check.Must(t, err)
		proofs = append(proofs, client.OTPProof(code))
	}
	made, err := app.TransferConfirm(t.Context(), uuid.NewString(), client.TransferConfirmRequest{IntentID: in.IntentID, Proofs: proofs})
	check.Must(t, err)
	return made
}

func overview(t *testing.T, app *local.App) []client.AccountView {
	t.Helper()
	o, err := app.AccountOverview(t.Context())
	check.Must(t, err)
	if len(o.Accounts) != 2 {
		t.Fatalf("%d accounts", len(o.Accounts))
	}
	return o.Accounts
}

func wantEntry(t *testing.T, app *local.App, account, posting uuid.UUID, amount money.Fen) {
	t.Helper()
	s, err := app.AccountStatement(t.Context(), client.AccountStatementRequest{AccountID: account})
	check.Must(t, err)
	found := 0
	for _, e := range s.Entries {
		if e.PostingID == posting && e.Amount == amount {
			found++
		}
	}
	if found != 1 {
		t.Errorf("%d entries of %v for the transfer", found, amount)
	}
}

func wantMessage(t *testing.T, app *local.App, title string) {
	t.Helper()
	check.Must(t, devapi.Until(t.Context(), title, func() (bool, error) {
		inbox, err := app.MessageList(t.Context(), client.MessageListRequest{})
		if err != nil {
			return false, err
		}
		found := 0
		for _, m := range inbox.Messages {
			if m.Title == title {
				found++
			}
		}
		if found > 1 {
			t.Fatalf("%d messages %s", found, title)
		}
		return found == 1, nil
	}))
}

// delivered waits until the transfer's event is done at the consumers.
func delivered(t *testing.T, dev devapi.API, transfer uuid.UUID, consumers ...string) {
	t.Helper()
	check.Must(t, devapi.Until(t.Context(), "delivery", func() (bool, error) {
		list, err := dev.Events(t.Context(), transfer.String())
		if err != nil {
			return false, err
		}
		done := map[string]bool{}
		for _, e := range list {
			for _, d := range e.Deliveries {
				done[d.Consumer] = done[d.Consumer] || d.State == "done"
			}
		}
		for _, c := range consumers {
			if !done[c] {
				return false, nil
			}
		}
		return true, nil
	}))
}

func fault(t *testing.T, dev devapi.API, order string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, dev.Base+"/dev/faults", strings.NewReader(order))
	check.Must(t, err)
	resp, err := (&http.Client{Timeout: 5 * time.Second}).Do(request)
	check.Must(t, err)
	body, err := io.ReadAll(resp.Body)
	check.Must(t, errors.Join(err, resp.Body.Close()))
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("faults: %d %s", resp.StatusCode, body)
	}
}

func refused(err error, code string) bool { return errors.Is(err, &client.Problem{Code: code}) }
