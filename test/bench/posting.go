package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/idem"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/pg"
)

// ledgerRatios measures the bank's postings: idempotency record, both balances,
// posting, two entries and the event, in one unit of work.
func ledgerRatios(ctx context.Context, m *machine, o options) error {
	fmt.Printf("\nPostings, %d clients\n", o.clients)
	reference, err := newTPCB(ctx, m, o)
	if err != nil {
		return err
	}
	accounts, err := openAccounts(ctx, m, o.pool)
	if err != nil {
		return err
	}
	var uniform, hot []float64
	for range o.rounds {
		if err := reference.run(ctx); err != nil {
			return err
		}
		for _, c := range []struct {
			name string
			hot  bool
			into *[]float64
		}{{"posting", false, &uniform}, {"posting, one account in 20%", true, &hot}} {
			value, err := postFor(ctx, m, o, accounts, c.hot)
			if err != nil {
				return err
			}
			say("%-28s %8.0f /s", c.name, value)
			*c.into = append(*c.into, value)
		}
	}
	ratio("ledger_posting_vs_tpcb", median(uniform)/median(reference.runs), 1.0)
	ratio("ledger_posting_hot_vs_tpcb", median(hot)/median(reference.runs), 0.6)
	return nil
}

// openAccounts opens accounts without a customer and with large balances.
func openAccounts(ctx context.Context, m *machine, count int) ([]uuid.UUID, error) {
	say("%d accounts …", count)
	rows, err := m.db.Pool().Query(ctx, `
INSERT INTO account (id, kind, no_ct, no_bidx, no_masked, balance)
SELECT gen_random_uuid(), 'debit', '', uuid_send(gen_random_uuid()), '', 1000000000000 FROM generate_series(1, $1)
RETURNING id`, count)
	if err != nil {
		return nil, fmt.Errorf("accounts: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("accounts: %w", err)
	}
	if _, err := m.db.Pool().Exec(ctx, "VACUUM ANALYZE account"); err != nil {
		return nil, fmt.Errorf("accounts: %w", err)
	}
	return ids, nil
}

func postFor(ctx context.Context, m *machine, o options, accounts []uuid.UUID, hot bool) (perSecond float64, err error) {
	var count atomic.Int64
	began := time.Now()
	end := began.Add(o.round)
	group, ctx := errgroup.WithContext(ctx)
	for range o.clients {
		group.Go(func() error {
			for time.Now().Before(end) {
				if err := post(ctx, m, accounts, hot && rand.IntN(5) == 0); err != nil {
					return err
				}
				count.Add(1)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return 0, fmt.Errorf("post: %w", err)
	}
	return float64(count.Load()) / time.Since(began).Seconds(), nil
}

func post(ctx context.Context, m *machine, accounts []uuid.UUID, hot bool) error {
	debit, credit := accounts[1+rand.IntN(len(accounts)-1)], accounts[0]
	for !hot && (credit == accounts[0] || credit == debit) {
		credit = accounts[1+rand.IntN(len(accounts)-1)]
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	p := ledger.Posting{
		ID: uuid.Must(uuid.NewV7()), Kind: "transfer", Debit: debit, Credit: credit, Amount: 1,
		BusinessDay: clock.BusinessDay(now), PostedAt: now,
		DebitSide:  ledger.Side{Counterparty: "*小明", Summary: "转账"},
		CreditSide: ledger.Side{Counterparty: "*小红", Summary: "转账"},
	}
	var unit pg.Unit
	ticket := idem.Ticket{Caller: "customer:" + debit.String(), Operation: "bench", Key: p.ID.String(), BodyHash: p.ID[:]}
	reply := []byte(`{"transfer_id":"00000000-0000-0000-0000-000000000000","status":"posted"}`)
	if err := idem.Record(&unit, m.ring, ticket, reply); err != nil {
		return err
	}
	ledger.Post(&unit, p, func(parts ...[]byte) ([]byte, string) { return m.ring.MAC(keys.Ledger, parts...) })
	err := events.Emit(ctx, &unit, p.ID.String(), debit, events.TransferPosted{
		TransferID: p.ID.String(), AmountFen: p.Amount, PostedAt: now,
	})
	if err != nil {
		return err
	}
	return m.db.Commit(ctx, &unit)
}
