package chaos

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/local"
	"github.com/tidebank/tidebank/test/req"
)

// recovery is how long an order may take, after a restart, to have a final answer.
const recovery = 30 * time.Second

// steps are the tables that confirming writes, in turn.
var steps = []string{"idempotency", "intent", "limit_use", "account", "posting", "entry", "transfer", "outbox"}

// The machine is lost in the middle of each step of an order. The order has not been
// answered, and what it had written is undone. After the restart the same order is
// carried out, once.
func TestInstanceLostAtEachStep(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ERR-003.2", "ERR-005.2", "ERR-005.3")
	req.Covers(t, "XFER-001.3")
	bank := local.New(t)
	instance := bank.Start(t)
	app := bank.Customer(t, instance)
	accounts := overview(t, app)
	for _, table := range steps {
		o := ordered(t, app, client.TransferPrepareRequest{
			DebitAccountID: accounts[0].AccountID, PayeeAccountID: &accounts[1].AccountID, Amount: 100,
		}, false)
		settled(t, bank)
		before := state(t, bank)

		release := block(t, bank, table)
		ctx, giveUp := context.WithCancel(t.Context())
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			if _, err := app.TransferConfirm(ctx, o.key, o.request()); err == nil {
				t.Errorf("the order was answered before %s was written", table)
			}
		}()
		awaitBlocked(t, bank, table)
		bank.Kill(t, instance)
		giveUp()
		<-gone
		cutOff(t, bank)
		release()
		if after := state(t, bank); after != before {
			t.Errorf("lost while it wrote %s:\n%s\nbefore\n%s", table, after, before)
		}

		instance = bank.Start(t)
		restarted := time.Now()
		o.confirm(t)
		if took := time.Since(restarted); len(o.answers) != 1 || took > recovery {
			t.Errorf("lost while it wrote %s: %d answers and %v after %v", table, len(o.answers), o.refused, took)
		}
		if state(t, bank) == before {
			t.Errorf("lost while it wrote %s: the order moved nothing in the end", table)
		}
	}
	settled(t, bank)
	sound(t, bank)
	effects(t, bank, len(steps))
}

// state is all that orders change: balances, frozen amounts, used limits, quotas.
func state(t *testing.T, bank *local.Bank) string {
	t.Helper()
	return check.Value[string](t, bank.DB.Pool(), `
SELECT concat_ws(E'\n',
  (SELECT string_agg(concat_ws(' ', id, state, balance, held), E'\n' ORDER BY id) FROM account WHERE kind <> 'internal'),
  (SELECT string_agg(l::text, E'\n' ORDER BY l) FROM limit_use l), (SELECT string_agg(q::text, E'\n' ORDER BY q) FROM otp_quota q),
  (SELECT count(*) FROM transfer), (SELECT count(*) FROM posting WHERE kind = 'transfer'))`)
}

// cutOff ends the connections that wait for a lock, as the database does when the
// machine at their other end is gone.
func cutOff(t *testing.T, bank *local.Bank) {
	t.Helper()
	ended := check.Count(t, bank.DB.Pool(), `
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock'`)
	if ended == 0 {
		t.Error("no connection was waiting")
	}
}

// An instance that is told to stop in the middle of an order finishes the order,
// answers it, and then ends.
func TestInstanceStoppedInTheMiddleOfAnOrder(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ERR-005.1")
	bank := local.New(t)
	instance := bank.Start(t)
	app := bank.Customer(t, instance)
	accounts := overview(t, app)
	o := ordered(t, app, client.TransferPrepareRequest{
		DebitAccountID: accounts[0].AccountID, PayeeAccountID: &accounts[1].AccountID, Amount: 100,
	}, false)
	settled(t, bank)
	release := block(t, bank, "transfer")
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		ctx, cancel := context.WithTimeout(t.Context(), recovery)
		defer cancel()
		made, err := app.TransferConfirm(ctx, o.key, o.request())
		if err != nil {
			t.Errorf("the order was not answered: %v", err)
		}
		o.guarded(func() { o.answers[made.TransferID]++ })
	}()
	awaitBlocked(t, bank, "transfer")
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		bank.Stop(t, instance) // fails the test if it does not end in time
	}()
	awaitDeaf(t, instance)
	release()
	<-answered // by the instance that stops: there is no other
	<-stopped
	posted := check.Count(t, bank.DB.Pool(), "SELECT count(*) FROM transfer")
	if posted != 1 || len(o.answers) != 1 {
		t.Errorf("%d orders were carried out, and %d answered", posted, len(o.answers))
	}
	sound(t, bank)
}

// awaitDeaf waits until an instance takes no more calls.
func awaitDeaf(t *testing.T, i *local.Instance) {
	t.Helper()
	check.Until(t, "the instance takes no more calls", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		return !listening(ctx, i)
	})
}

func listening(ctx context.Context, i *local.Instance) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, i.Dev().Base+"/_/ready", nil)
	if err != nil {
		return false
	}
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	_ = reply.Body.Close() // empty
	return true
}
