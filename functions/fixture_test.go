package functions_test

import (
	"context"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events/broker"
	"github.com/tidebank/tidebank/events/relay"
	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/functions/transfer"
	transferconfirm "github.com/tidebank/tidebank/functions/transfer/confirm"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/localstack/smssim"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/smstest"
	"github.com/tidebank/tidebank/workers/upkeep"
)

// pair is a bank with a payer, logged in on a phone, a payee, and an SMS gateway.
type pair struct {
	*bank.Bank
	phone        *bank.Device
	payer, payee seed.Customer
	sms          *smssim.Gateway
}

func newPair(t *testing.T) pair {
	t.Helper()
	b := bank.New(t)
	p := pair{Bank: b, phone: b.Device(t, "phone-of-wang")}
	p.sms = smstest.Start(t, b, function(t, "notify-on-otp"), function(t, "notify-on-transfer"))
	p.payer = b.Customer(t, "王小明", 1_000_000_00, 0)
	p.payee = b.Customer(t, "李四", 0)
	p.phone.LoginAs(t, p.payer)
	return p
}

// function finds a function of the registry.
func function(t *testing.T, name string) fn.Function {
	t.Helper()
	for _, f := range functions.All() {
		if f.Spec.Name == name {
			return f
		}
	}
	t.Fatalf("there is no function %s", name)
	return fn.Function{}
}

func (p pair) order(amount money.Fen) map[string]any {
	return map[string]any{
		"debit_account_id": p.payer.AccountIDs[0], "payee_account_no": p.payee.Accounts[0].No,
		"payee_name": p.payee.Name, "amount_fen": amount,
	}
}

// proven prepares an order and signs it with the device's key and the trade
// password.
func (p pair) proven(t *testing.T, order map[string]any) (transferprepare.Response, stepup.Confirmation) {
	t.Helper()
	var in transferprepare.Response
	p.phone.Call(t, transferprepare.Function, "", order).Into(t, &in)
	signature, err := sm.Sign(p.phone.Key, []byte(in.Text))
	check.Must(t, err)
	return in, stepup.Confirmation{IntentID: in.IntentID, Proofs: []stepup.Proof{
		{Factor: stepup.DeviceKey, Signature: signature},
		{Factor: stepup.TradePassword, Password: p.phone.Password(t, bank.TradePassword)},
	}}
}

// pay carries out an order.
func (p pair) pay(t *testing.T, order map[string]any) transfer.View {
	t.Helper()
	_, proven := p.proven(t, order)
	var made transfer.View
	p.phone.Call(t, transferconfirm.Function, uuid.NewString(), proven).Into(t, &made)
	return made
}

// flow lets the bank's events flow to its functions until stop is called.
func (p pair) flow(t *testing.T) (stop func()) {
	t.Helper()
	local := &broker.Broker{
		DB: p.Host.DB, Log: p.Host.Log, Subscriptions: functions.Subscriptions(),
		Deliver: func(_ context.Context, consumer string, e cloudevents.Event) (int, error) {
			return p.Deliver(t, function(t, consumer), e), nil
		},
	}
	publisher := &relay.Relay{DB: p.Host.DB, Ring: p.Host.Keys, Sink: local, Log: p.Host.Log}
	clear, err := upkeep.Worker.Start(t.Context(), p.Host, host.Values(upkeep.Config{FoldEvery: time.Second, PruneEvery: time.Second}))
	check.Must(t, err)
	stopBroker, stopRelay, stopUpkeep := bank.Background(t, local.Run), bank.Background(t, publisher.Run), bank.Background(t, clear)
	return func() { stopRelay(); stopBroker(); stopUpkeep() }
}

// count runs a query that counts.
func (p pair) count(t *testing.T, sql string, args ...any) int {
	t.Helper()
	n := p.Count(t, sql, args...)
	return n
}

// until waits until a query that counts says zero.
func (p pair) until(t *testing.T, sql string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); p.count(t, sql) != 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not zero after a minute: %s", sql)
		}
	}
}

// settled waits until no event is on its way.
func (p pair) settled(t *testing.T) {
	t.Helper()
	p.until(t, `
SELECT (SELECT count(*) FROM outbox WHERE published_at IS NULL) + (SELECT count(*) FROM delivery WHERE state <> 'done')`)
}

func (p pair) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	p.Exec(t, sql, args...)
}
