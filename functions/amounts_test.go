package functions_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/test/functest"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	accountstatement "github.com/tidebank/tidebank/functions/account/statement"
	messagelist "github.com/tidebank/tidebank/functions/message/list"
	"github.com/tidebank/tidebank/functions/transfer"
	transferget "github.com/tidebank/tidebank/functions/transfer/get"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/mask"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// book posts an order above every limit, in the way of transfer-confirm, and returns
// its id.
func (p fixture) book(t *testing.T, amount money.Fen) uuid.UUID {
	t.Helper()
	id := uuid.New()
	plan := transfer.Plan{
		DebitID: p.Payer.AccountIDs[0], CreditID: p.Payee.AccountIDs[0], Amount: amount, PayeeCustomerID: p.Payee.ID,
		PayerMasked: mask.Name(p.Payer.Name), PayeeMasked: mask.Name(p.Payee.Name),
		PayerAccountMasked: mask.Account(p.Payer.Accounts[0].No), PayeeAccountMasked: mask.Account(p.Payee.Accounts[0].No),
	}
	order := transfer.Order{
		ID: id, CustomerID: p.Payer.ID, IntentID: uuid.New(), DeviceID: p.Phone.ID, Plan: plan, PostedAt: p.Clock.Now(),
	}
	posting, err := order.Posting(p.Host.Keys)
	check.Must(t, err)
	var unit pg.Unit
	ledger.Post(&unit, posting, func(parts ...[]byte) ([]byte, string) { return p.Host.Keys.MAC(keys.Ledger, parts...) })
	check.Must(t, transfer.NewStore(p.Host.DB.Reader(), p.Host.Keys).Insert(&unit, order))
	check.Must(t, p.Host.DB.Commit(context.Background(), &unit))
	e := p.Event(t, uuid.NewString(), events.TypeTransferPosted, id.String(), order.Event())
	p.Deliver(t, functest.Named(t, "notify-on-transfer"), e)
	return id
}

// An amount is the same figure in the order's text, the replies, the statement, the
// inbox, the SMS and the ledger.
func TestAmountsReadTheSameEverywhere(t *testing.T) {
	t.Parallel()
	req.Covers(t, "QA-010.1")
	for amount, figure := range map[money.Fen]string{1: "0.01", 10: "0.10", 999_999_999_99: "999,999,999.99"} {
		p := newFixture(t)
		var id uuid.UUID
		if amount < 100 {
			p.Advance(time.Minute) // after the opening of the accounts
			in := p.Prepare(t, p.ToPayee(amount))
			if !strings.Contains(in.Text, "人民币"+figure+"元") {
				t.Errorf("the text to confirm does not say %s: %s", figure, in.Text)
			}
			id = p.pay(t, amount).TransferID
			p.deliverAll(t)
		} else {
			p.Payer = p.Customer(t, "王大明", 2*amount)
			p.Phone.LoginAs(t, p.Payer)
			p.Advance(time.Minute) // after the opening of the accounts
			id = p.book(t, amount)
		}
		var receipt transfer.View
		p.Phone.Call(t, transferget.Function, "", map[string]any{"transfer_id": id}).Into(t, &receipt)
		var statement accountstatement.Response
		p.Phone.Call(t, accountstatement.Function, "", map[string]any{"account_id": p.Payer.AccountIDs[0]}).Into(t, &statement)
		var inbox messagelist.Response
		p.Phone.Call(t, messagelist.Function, "", struct{}{}).Into(t, &inbox)
		texts := p.sms.Inbox(p.Payer.Phone)
		if len(statement.Entries) != 2 || len(inbox.Messages) != 1 || len(texts) != 1 {
			t.Fatalf("%d entries, %d messages, %d texts", len(statement.Entries), len(inbox.Messages), len(texts))
		}
		posted := money.Fen(p.Count(t, "SELECT amount FROM posting WHERE id = $1", id))
		if posted != amount || receipt.Amount != posted || statement.Entries[0].Amount != -posted {
			t.Errorf("posted %d, receipt %d, statement %d", posted, receipt.Amount, statement.Entries[0].Amount)
		}
		for place, text := range map[string]string{
			"receipt": "出" + receipt.Amount.Yuan() + "元", "statement": "出" + (-statement.Entries[0].Amount).Yuan() + "元",
			"message": inbox.Messages[0].Body, "SMS": texts[0].Text,
		} {
			if !strings.Contains(text, "出"+figure+"元") {
				t.Errorf("the %s does not say %s: %s", place, figure, text)
			}
		}
		p.CheckLedger(t)
	}
}
