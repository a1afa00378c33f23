package ontransfer_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	accountstatement "github.com/tidebank/tidebank/functions/account/statement"
	messagelist "github.com/tidebank/tidebank/functions/message/list"
	notifyontransfer "github.com/tidebank/tidebank/functions/notify/ontransfer"
	"github.com/tidebank/tidebank/functions/transfer"
	transferget "github.com/tidebank/tidebank/functions/transfer/get"
	transferlist "github.com/tidebank/tidebank/functions/transfer/list"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/localstack/smssim"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
	"github.com/tidebank/tidebank/test/smstest"
)

type fixture struct {
	bank.Pair
	sms *smssim.Gateway
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	p := bank.NewPair(t, 10_000_00)
	return fixture{p, smstest.Start(t, p.Bank, notifyontransfer.Function)}
}

// posted is a transfer of 1,234.56 from payer to payee at ten in the morning.
func (w fixture) posted() events.TransferPosted {
	id := uuid.NewString()
	return events.TransferPosted{
		TransferID: id, PostingID: id, PayerCustomerID: w.Payer.ID.String(), PayeeCustomerID: w.Payee.ID.String(),
		AmountFen: 1_234_56, PayerMasked: "**明", PayeeMasked: "*四", PayerAccountMasked: "622848*********0001",
		PayeeAccountMasked: "622848*********0002", PostedAt: bank.Start,
	}
}

func (w fixture) event(t *testing.T, data events.TransferPosted) cloudevent.Event {
	t.Helper()
	return w.Event(t, uuid.NewString(), events.TypeTransferPosted, data.TransferID, data)
}

func (w fixture) deliver(t *testing.T, e cloudevent.Event, want int) {
	t.Helper()
	if got := w.Deliver(t, notifyontransfer.Function, e); got != want {
		t.Fatalf("delivery answered %d, want %d: %s", got, want, w.Log)
	}
}

// inbox lists "title: body" of a customer's messages, the newest first.
func (w fixture) inbox(t *testing.T, c seed.Customer) []string {
	t.Helper()
	return check.Column[string](t, w.Host.DB.Pool(),
		"SELECT title || ': ' || body FROM message WHERE customer_id = $1 ORDER BY created_at DESC", c.ID)
}

func (w fixture) texts(c seed.Customer) []string {
	list := []string{}
	for _, text := range w.sms.Inbox(c.Phone) {
		list = append(list, text.Text)
	}
	return list
}

// wantCounts fails the test unless payer and payee have so many messages and texts.
func (w fixture) wantCounts(t *testing.T, payer, payee int) {
	t.Helper()
	got := []int{len(w.inbox(t, w.Payer)), len(w.texts(w.Payer)), len(w.inbox(t, w.Payee)), len(w.texts(w.Payee))}
	if diff := cmp.Diff([]int{payer, payer, payee, payee}, got); diff != "" {
		t.Fatalf("payer's messages and texts, payee's messages and texts (-want +got):\n%s", diff)
	}
}

func TestPayerAndPayeeAreTold(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.deliver(t, w.event(t, w.posted()), http.StatusAccepted)
	out := "您账户622848*********0001于11月23日10:00向*四（622848*********0002）转账支出1,234.56元。如非本人操作请立即联系客服。"
	in := "您账户622848*********0002于11月23日10:00收到**明转入1,234.56元。"
	for _, tt := range []struct {
		who         seed.Customer
		title, body string
	}{{w.Payer, "转账支出提醒", out}, {w.Payee, "转账收入提醒", in}} {
		if diff := cmp.Diff([]string{tt.title + ": " + tt.body}, w.inbox(t, tt.who)); diff != "" {
			t.Errorf("inbox of %s (-want +got):\n%s", tt.who.Name, diff)
		}
		if diff := cmp.Diff([]string{"【潮汐银行】" + tt.body}, w.texts(tt.who)); diff != "" {
			t.Errorf("texts to %s (-want +got):\n%s", tt.who.Name, diff)
		}
	}
}

func TestAmountsReadTheSameEverywhere(t *testing.T) {
	t.Parallel()
	for amount, want := range map[money.Fen]string{1: "0.01元", 10: "0.10元", 99_999_999_999: "999,999,999.99元"} {
		w := newFixture(t)
		data := w.posted()
		data.AmountFen = amount
		w.deliver(t, w.event(t, data), http.StatusAccepted)
		written := slices.Concat(w.inbox(t, w.Payer), w.inbox(t, w.Payee), w.texts(w.Payer), w.texts(w.Payee))
		for _, text := range written {
			if !strings.Contains(text, "出"+want) && !strings.Contains(text, "入"+want) {
				t.Errorf("%q does not say %s", text, want)
			}
		}
		w.wantCounts(t, 1, 1)
	}
}

func TestOnlyCustomersAreTold(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		change       func(*events.TransferPosted)
		payer, payee int
	}{
		{"payee is no customer", func(d *events.TransferPosted) { d.PayeeCustomerID = "" }, 1, 0},
		{"payee is nobody", func(d *events.TransferPosted) { d.PayeeCustomerID = uuid.Nil.String() }, 1, 0},
		{"payee is gone", func(d *events.TransferPosted) { d.PayeeCustomerID = uuid.NewString() }, 1, 0},
		{"payer is gone", func(d *events.TransferPosted) { d.PayerCustomerID = uuid.NewString() }, 0, 1},
		{"own accounts", func(d *events.TransferPosted) { d.Own, d.PayeeCustomerID = true, d.PayerCustomerID }, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t)
			data := w.posted()
			tt.change(&data)
			w.deliver(t, w.event(t, data), http.StatusAccepted)
			w.wantCounts(t, tt.payer, tt.payee)
			all := w.Count(t, "SELECT count(*) FROM message")
			if all != tt.payer+tt.payee || len(w.sms.Inbox("")) != all {
				t.Fatalf("%d messages, %d texts in all", all, len(w.sms.Inbox("")))
			}
		})
	}
}

func TestTwiceAtOnceAndOutOfOrderTellOnce(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	early, late := w.posted(), w.posted()
	early.AmountFen, late.AmountFen, late.PostedAt = 1_00, 2_00, bank.Start.Add(time.Minute)
	first, second := w.event(t, early), w.event(t, late)
	both := []cloudevent.Event{second, first}
	for _, got := range check.AtOnce(8, func(i int) int { return w.Deliver(t, notifyontransfer.Function, both[i%2]) }) {
		if got != http.StatusAccepted {
			t.Errorf("delivery answered %d: %s", got, w.Log)
		}
	}
	w.deliver(t, first, http.StatusAccepted)
	w.wantCounts(t, 2, 2)
	if inbox := w.inbox(t, w.Payer); !strings.Contains(inbox[0], "2.00元") {
		t.Errorf("the newest message is not of the later transfer: %q", inbox)
	}
}

func TestGatewayDownIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		faults smssim.Faults
	}{
		{"not taken", smssim.Faults{FailNext: 2}},
		{"taken, answer lost", smssim.Faults{SwallowAnswer: 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t)
			w.sms.SetFaults(tt.faults)
			e := w.event(t, w.posted())
			w.deliver(t, e, http.StatusServiceUnavailable) // both texts failed
			if got := []int{len(w.inbox(t, w.Payer)), len(w.inbox(t, w.Payee))}; got[0] != 1 || got[1] != 1 {
				t.Fatalf("%v messages while the gateway is down, want one for each", got)
			}
			w.deliver(t, e, http.StatusAccepted)
			w.deliver(t, e, http.StatusAccepted)
			w.wantCounts(t, 1, 1)
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	noPayer, noPayee := w.posted(), w.posted()
	noPayer.PayerCustomerID, noPayee.PayeeCustomerID = "x", "x"
	forged := w.event(t, w.posted())
	forged.Subject = "another"
	for name, e := range map[string]cloudevent.Event{
		"payer":      w.event(t, noPayer),
		"payee":      w.event(t, noPayee),
		"seal":       forged,
		"type":       w.Event(t, uuid.NewString(), events.TypeOTPIssued, "x", w.posted()),
		"wrong data": w.Event(t, uuid.NewString(), events.TypeTransferPosted, "x", []int{1}),
	} {
		if got := w.Deliver(t, notifyontransfer.Function, e); got != http.StatusBadRequest {
			t.Errorf("%s: %d, want 400", name, got)
		}
	}
	w.wantCounts(t, 0, 0)
}

func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	e := w.event(t, w.posted())
	broken := bank.On(t, pgtest.Broken(t))
	broken.Host.Keys = w.Host.Keys
	gateway := smstest.Start(t, broken, notifyontransfer.Function)
	if got := broken.Deliver(t, notifyontransfer.Function, e); got != http.StatusServiceUnavailable {
		t.Fatalf("delivery answered %d, want 503", got)
	}
	if got := len(gateway.Inbox("")); got != 0 {
		t.Fatalf("%d texts went out", got)
	}
}

// pay carries out a real transfer of 1,234.56 to the payee, with the payee's phone
// number in the memo. It returns all that the bank shows about it, before and after.
func (w fixture) pay(t *testing.T) map[string]bank.Reply {
	t.Helper()
	order := w.ToPayee(1_234_56)
	order["memo"] = "电话 " + w.Payee.Phone
	shown := map[string]bank.Reply{"prepared order": w.Phone.Call(t, transferprepare.Function, "", order)}
	var intent transferprepare.Response
	shown["prepared order"].Into(t, &intent)
	shown["answer"] = w.Confirm(t, w.Proved(t, intent))
	var view transfer.View
	shown["answer"].Into(t, &view)
	shown["receipt"] = w.Phone.Call(t, transferget.Function, "", map[string]any{"transfer_id": view.TransferID})
	shown["list"] = w.Phone.Call(t, transferlist.Function, "", map[string]any{})
	return shown
}

// One transfer, and everything that the bank writes about it to either side. The
// bank keeps no address and no e-mail of its customers.
func TestStatementReceiptAndTextsAreMasked(t *testing.T) {
	t.Parallel()
	req.Covers(t, "MASK-005.1")
	req.Covers(t, "MASK-006.1", "MASK-006.2", "MASK-006.3")
	w := newFixture(t)
	payees := w.Device(t, "phone-of-li")
	written := w.pay(t)
	posted := w.Outbox(t, events.TypeTransferPosted)
	if len(posted) != 1 {
		t.Fatalf("%d transfers told of, want 1", len(posted))
	}
	e, err := posted[0].CloudEvent(w.Host.Keys)
	check.Must(t, err)
	w.deliver(t, e, http.StatusAccepted)
	w.wantCounts(t, 1, 1)
	payees.LoginAs(t, w.Payee)
	for name, phone := range map[string]*bank.Device{"payer's": w.Phone, "payee's": payees} {
		id := map[string]uuid.UUID{"payer's": w.Payer.AccountIDs[0], "payee's": w.Payee.AccountIDs[0]}[name]
		written[name+" statement"] = phone.Call(t, accountstatement.Function, "", map[string]any{"account_id": id})
		written[name+" inbox"] = phone.Call(t, messagelist.Function, "", map[string]any{})
	}
	documents := map[string]string{"texts": strings.Join(append(w.texts(w.Payer), w.texts(w.Payee)...), "\n")}
	for name, reply := range written {
		reply.Want(t, "")
		documents[name] = string(reply.Body)
	}
	for name, text := range documents {
		if !strings.Contains(text, "622848") || !strings.Contains(text, "*") {
			t.Errorf("%s does not tell of the transfer: %s", name, text)
		}
		for _, c := range []seed.Customer{w.Payer, w.Payee} {
			for _, secret := range []string{c.Name, c.Phone, c.IDNo, c.Accounts[0].No} {
				if strings.Contains(text, secret) {
					t.Errorf("%s shows %q: %s", name, secret, text)
				}
			}
		}
	}
	// A caller who knows a number and guesses the name does not learn the name.
	request := w.ToPayee(1_00)
	request["payee_name"] = "李三"
	guess := w.Phone.Call(t, transferprepare.Function, "", request)
	if guess.Code == "" || strings.Contains(string(guess.Body), "四") {
		t.Errorf("a guess at the payee's name: %s", guess.Body)
	}
	// Nor does the event show it, which other functions consume too.
	var told map[string]any
	if err := json.Unmarshal(posted[0].Data, &told); err != nil || strings.Contains(string(posted[0].Data), w.Payee.Name) {
		t.Errorf("event %s, %v", posted[0].Data, err)
	}
}

// refusals are the texts that the bank has recorded as refused, without their ids.
func (w fixture) refusals(t *testing.T) []events.MessageRefused {
	t.Helper()
	var list []events.MessageRefused
	for _, e := range w.Outbox(t, events.TypeMessageRefused) {
		var r events.MessageRefused
		check.Must(t, json.Unmarshal(e.Data, &r))
		if e.Subject != r.MessageID || r.MessageID == "" {
			t.Errorf("subject %q of message %q", e.Subject, r.MessageID)
		}
		r.MessageID = ""
		list = append(list, r)
	}
	return list
}

// The gateway refuses one party's number for good. The other party gets everything; the
// refusal is recorded, and the event is done.
func TestABadNumberSilencesNobodyElse(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.sms.SetFaults(smssim.Faults{Refuse: []string{w.Payer.Phone}})
	e := w.event(t, w.posted())
	w.deliver(t, e, http.StatusAccepted)
	w.deliver(t, e, http.StatusAccepted)
	got := []int{len(w.inbox(t, w.Payer)), len(w.texts(w.Payer)), len(w.inbox(t, w.Payee)), len(w.texts(w.Payee))}
	if diff := cmp.Diff([]int{1, 0, 1, 1}, got); diff != "" {
		t.Errorf("payer's messages and texts, payee's messages and texts (-want +got):\n%s", diff)
	}
	want := []events.MessageRefused{
		{CustomerID: w.Payer.ID.String(), Kind: "transfer.out", Reason: "sms: refused for good: 400"},
	}
	if diff := cmp.Diff(want, w.refusals(t)); diff != "" {
		t.Errorf("refusals recorded (-want +got):\n%s", diff)
	}
}

// The gateway fails for one party for a while. Only this text is tried again: nobody
// gets a text twice, also from a gateway that takes an id more than once.
func TestOnlyTheFailedTextIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	e := w.event(t, w.posted())
	w.sms.SetFaults(smssim.Faults{Fail: []string{w.Payer.Phone}})
	for range 3 {
		w.deliver(t, e, http.StatusServiceUnavailable)
		w.sms.Forget() // so that a repetition would arrive
	}
	w.sms.SetFaults(smssim.Faults{})
	w.deliver(t, e, http.StatusAccepted)
	w.wantCounts(t, 1, 1)
	if n := w.Count(t, "SELECT sum(notices) FROM sms_use WHERE span = 'day'"); n != 2 || len(w.refusals(t)) != 0 {
		t.Errorf("%d texts are counted, want 2", n)
	}
}

// If a phone number does not open, the bank sends to no other number, and the other
// party is told.
func TestAPhoneThatDoesNotOpenGetsNoText(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	key, wrapped, err := w.Host.Keys.NewDataKey()
	check.Must(t, err)
	other, err := key.Seal(keys.AAD("customer", "phone_ct", w.Payee.ID.String()), []byte(w.Payee.Phone))
	check.Must(t, err)
	w.Exec(t, "UPDATE customer SET data_key = $2, phone_ct = $3 WHERE id = $1", w.Payer.ID, wrapped, other)
	w.deliver(t, w.event(t, w.posted()), http.StatusServiceUnavailable)
	got := []int{len(w.inbox(t, w.Payer)), len(w.texts(w.Payer)), len(w.inbox(t, w.Payee)), len(w.texts(w.Payee))}
	if diff := cmp.Diff([]int{1, 0, 1, 1}, got); diff != "" || len(w.sms.Inbox("")) != 1 {
		t.Errorf("payer's messages and texts, payee's messages and texts (-want +got):\n%s", diff)
	}
}
