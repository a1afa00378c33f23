package functions_test

import (
	"context"
	"testing"
	"time"

	"github.com/tidebank/tidebank/test/functest"

	"github.com/tidebank/tidebank/events/broker"
	"github.com/tidebank/tidebank/events/relay"
	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/functions/transfer"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/localstack/smssim"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/smstest"
	"github.com/tidebank/tidebank/workers/upkeep"
)

// fixture is a pair of customers whose bank has an SMS gateway.
type fixture struct {
	bank.Pair
	sms *smssim.Gateway
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	p := bank.NewPair(t, 1_000_000_00)
	sms := smstest.Start(t, p.Bank, functest.Notifiers(t)...)
	return fixture{Pair: p, sms: sms}
}

// proven prepares a transfer to the payee and proves it.
func (p fixture) proven(t *testing.T, amount money.Fen) (transferprepare.Response, stepup.Confirmation) {
	t.Helper()
	in := p.Prepare(t, p.ToPayee(amount))
	return in, p.Proved(t, in)
}

// pay transfers an amount to the payee.
func (p fixture) pay(t *testing.T, amount money.Fen) (made transfer.View) {
	t.Helper()
	_, proven := p.proven(t, amount)
	p.Confirm(t, proven).Into(t, &made)
	return made
}

// runWorkers delivers the bank's events to its functions until stop is called.
func (p fixture) runWorkers(t *testing.T) (stop func()) {
	t.Helper()
	local := &broker.Broker{
		DB: p.Host.DB, Log: p.Host.Log, Subscriptions: functions.Subscriptions(),
		Deliver: func(_ context.Context, consumer string, e cloudevent.Event) (int, error) {
			return p.Deliver(t, functest.Named(t, consumer), e), nil
		},
	}
	publisher := &relay.Relay{DB: p.Host.DB, Ring: p.Host.Keys, Sink: local, Log: p.Host.Log}
	clear, err := upkeep.Worker.Start(t.Context(), p.Host, host.Values(upkeep.Config{FoldEvery: time.Second, PruneEvery: time.Second}))
	check.Must(t, err)
	stopBroker, stopRelay, stopUpkeep := bank.Background(t, local.Run), bank.Background(t, publisher.Run), bank.Background(t, clear)
	return func() { stopRelay(); stopBroker(); stopUpkeep() }
}

// settled waits until each event is delivered.
func (p fixture) settled(t *testing.T) {
	t.Helper()
	check.UntilCount(t, 0, p.Host.DB.Pool(), `
SELECT (SELECT count(*) FROM outbox WHERE published_at IS NULL) + (SELECT count(*) FROM delivery WHERE state <> 'done')`)
}

// deliverAll runs the workers until each event is delivered.
func (p fixture) deliverAll(t *testing.T) {
	t.Helper()
	stop := p.runWorkers(t)
	p.settled(t)
	stop()
}
