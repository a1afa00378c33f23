// Package chaos breaks the bank while customers use it, and then counts the money.
package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/local"
	"github.com/tidebank/tidebank/test/req"
)

// order is a prepared transfer and the answers that the app got.
type order struct {
	app    *local.App
	key    string
	intent client.TransferPrepareReply
	proofs []client.StepupProof

	mu      sync.Mutex
	answers map[uuid.UUID]int // transfers in good answers
	refused map[string]int
}

const (
	customers = 8
	ownEach   = 26 // transfers between own accounts
)

// Two hundred and more confirms at once over few accounts, each sent one to three
// times under its key, while instances are killed and started: no money is made or
// lost, an order is posted at most once, and every posted order has exactly one
// effect at each consumer.
func TestStorm(t *testing.T) {
	t.Parallel()
	req.Covers(t, "XFER-001.2")
	req.Covers(t, "LOGIC-002.1", "LOGIC-002.2", "LOGIC-002.3", "LOGIC-013.1")
	bank := local.New(t)
	orders := prepareStorm(t, bank)
	bank.Start(t)

	ctx, calm := context.WithCancel(t.Context())
	var killer sync.WaitGroup
	killer.Go(func() { killInstances(ctx, t, bank) })
	var storm sync.WaitGroup
	for _, o := range orders {
		for range 1 + rand.IntN(3) {
			storm.Go(func() { o.confirm(t) })
		}
	}
	storm.Wait()
	calm()
	killer.Wait()

	posted := 0
	for _, o := range orders {
		if len(o.answers) > 1 {
			t.Errorf("key %s was answered with %d transfers", o.key, len(o.answers))
		}
		for code := range o.refused {
			if code != "FUNDS_INSUFFICIENT" { // which a duplicate may meet before money comes in, and the order still be posted
				t.Errorf("key %s was refused: %s", o.key, code)
			}
		}
		posted += len(o.answers)
	}
	if posted < customers {
		t.Fatalf("only %d orders were posted", posted)
	}
	t.Logf("%d orders, %d posted", len(orders), posted)
	settled(t, bank)
	sound(t, bank)
	effects(t, bank, posted)
}

// prepareStorm makes the customers and all their orders: many between their own
// two accounts (one of which holds too little for all of them), one to another
// customer.
func prepareStorm(t *testing.T, bank *local.Bank) []*order {
	t.Helper()
	first := bank.Start(t)
	apps := check.AtOnce(customers, func(int) *local.App { return bank.Customer(t, first) })
	if t.Failed() {
		t.FailNow() // an app is missing
	}
	return slices.Concat(check.AtOnce(customers, func(i int) (orders []*order) {
		accounts := overview(t, apps[i])
		for range ownEach {
			from, to := accounts[0], accounts[1]
			if rand.IntN(2) == 0 {
				from, to = to, from
			}
			orders = append(orders, ordered(t, apps[i], client.TransferPrepareRequest{
				DebitAccountID: from.AccountID, PayeeAccountID: &to.AccountID, Amount: money.Fen(100_00 + rand.IntN(100_00)),
			}, false))
		}
		payee := apps[(i+1)%customers].Person
		return append(orders, ordered(t, apps[i], client.TransferPrepareRequest{
			DebitAccountID: accounts[0].AccountID, PayeeAccountNo: payee.CardNo, PayeeName: payee.Name,
			Amount: money.Fen(1 + rand.IntN(50_00)),
		}, true))
	})...)
}

func overview(t *testing.T, app *local.App) []client.AccountView {
	t.Helper()
	o, err := app.AccountOverview(t.Context())
	if err != nil || len(o.Accounts) != 2 {
		t.Errorf("overview: %v, %d accounts", err, len(o.Accounts))
		t.FailNow()
	}
	return o.Accounts
}

func ordered(t *testing.T, app *local.App, transfer client.TransferPrepareRequest, code bool) *order {
	t.Helper()
	in, err := app.TransferPrepare(t.Context(), transfer)
	check.Must(t, err)
	signature, err := app.SignProof(in.Text)
	check.Must(t, err)
	o := &order{
		app: app, key: uuid.NewString(), intent: in, proofs: []client.StepupProof{signature},
		answers: map[uuid.UUID]int{}, refused: map[string]int{},
	}
	if code {
		digits, err := app.IntentCode(t.Context(), in)
		check.Must(t, err)
		o.proofs = append(o.proofs, client.OTPProof(digits))
	}
	return o
}

func (o *order) request() client.TransferConfirmRequest {
	return client.TransferConfirmRequest{IntentID: o.intent.IntentID, Proofs: o.proofs}
}

// confirm sends the order until it gets an answer that is final.
func (o *order) confirm(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	for {
		made, err := o.app.TransferConfirm(ctx, o.key, o.request())
		var problem *client.Problem
		switch {
		case err == nil:
			o.guarded(func() { o.answers[made.TransferID]++ })
			return
		case errors.As(err, &problem) && problem.Status < 500 && problem.Code != "REQUEST_IN_PROGRESS":
			o.guarded(func() { o.refused[problem.Code]++ })
			return
		case ctx.Err() != nil:
			t.Errorf("key %s: no final answer: %v", o.key, err)
			return
		}
	}
}

func (o *order) guarded(what func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	what()
}

// killInstances kills one of two instances at odd moments and starts another.
func killInstances(ctx context.Context, t *testing.T, bank *local.Bank) {
	for range 6 {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(50+rand.IntN(250)) * time.Millisecond):
		}
		bank.KillAny(t)
		bank.Start(t)
	}
}

// settled waits until each event is delivered.
func settled(t *testing.T, bank *local.Bank) {
	t.Helper()
	check.Until(t, "no event or delivery waits", func() bool {
		if dead := check.Count(t, bank.DB.Pool(), "SELECT count(*) FROM delivery WHERE state = 'dead'"); dead > 0 {
			t.Fatalf("%d dead letters", dead)
		}
		return check.Count(t, bank.DB.Pool(), `
SELECT (SELECT count(*) FROM outbox WHERE published_at IS NULL) + (SELECT count(*) FROM delivery WHERE state = 'due')`) == 0
	})
}

// sound checks the books.
func sound(t *testing.T, b *local.Bank) {
	t.Helper()
	bank.CheckLedger(t, b.DB, b.Ring(t))
}

// effects checks that each posted transfer came once to each consumer.
func effects(t *testing.T, bank *local.Bank, posted int) {
	t.Helper()
	rows, err := bank.DB.Pool().Query(t.Context(), `
SELECT t.id::text,
       (SELECT count(*) FROM posting p WHERE p.id = t.id),
       (SELECT count(*) FROM outbox o WHERE o.subject = t.id::text AND o.type = 'com.tidebank.transfer.posted.v1'),
       (SELECT count(*) FROM message m WHERE m.event_id = e.id AND m.kind = 'transfer.out'),
       (SELECT count(*) FROM message m WHERE m.event_id = e.id AND m.kind = 'transfer.in')
         - (SELECT count(*) FROM account a, account b
             WHERE a.id = t.debit_id AND b.id = t.credit_id AND a.customer_id <> b.customer_id),
       (SELECT count(*) FROM audit_record a WHERE a.event_id = e.id),
       (SELECT count(*) FROM fraud_score f WHERE f.event_id = e.id)
  FROM transfer t
  LEFT JOIN LATERAL (SELECT min(o.id::text) AS id FROM outbox o
                      WHERE o.subject = t.id::text AND o.type = 'com.tidebank.transfer.posted.v1') AS e ON true`)
	check.Must(t, err)
	var id string
	var n [6]int
	count := 0
	_, err = pgx.ForEachRow(rows, []any{&id, &n[0], &n[1], &n[2], &n[3], &n[4], &n[5]}, func() error {
		count++
		if n != [6]int{1, 1, 1, 0, 1, 1} {
			return fmt.Errorf("transfer %s: postings, events, sent messages, surplus received messages, audits, scores: %v", id, n)
		}
		return nil
	})
	check.Must(t, err)
	if count != posted {
		t.Errorf("%d transfers are stored, %d were answered", count, posted)
	}
}
