package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
)

// tally is what a count has found.
type tally struct {
	Acknowledged int
	Lost         int
	Doubled      int
	firstLost    time.Time // acknowledgement of the oldest transfer that is lost
	Unsound      string    // what else is wrong
}

// acknowledgedBefore lists the orders that the bank had acknowledged at a time.
func (ld *load) acknowledgedBefore(t time.Time) (list []*order) {
	ld.mu.Lock()
	defer ld.mu.Unlock()
	for _, o := range ld.orders {
		if len(o.acknowledged) > 0 && o.at.Before(t) {
			list = append(list, o)
		}
	}
	return list
}

// transfers reads the transfers of a database, by the intent that they carry out.
func transfers(ctx context.Context, db *pg.DB) (map[uuid.UUID][]stored, error) {
	rows, err := db.Pool().Query(ctx, `-- ha.transfers
SELECT t.intent_id, t.id, t.amount, t.debit_id, t.credit_id,
       (SELECT count(*) FROM posting p
         WHERE p.id = t.id AND p.amount = t.amount AND p.debit_id = t.debit_id AND p.credit_id = t.credit_id)
  FROM transfer t`)
	if err != nil {
		return nil, fmt.Errorf("transfers: %w", err)
	}
	found := map[uuid.UUID][]stored{}
	var intent uuid.UUID
	var s stored
	_, err = pgx.ForEachRow(rows, []any{&intent, &s.id, &s.amount, &s.debit, &s.credit, &s.postings}, func() error {
		found[intent] = append(found[intent], s)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("transfers: %w", err)
	}
	return found, nil
}

type stored struct {
	id, debit, credit uuid.UUID
	amount            money.Fen
	postings          int
}

func (s stored) carriesOut(o *order) bool {
	return s.debit == o.debit && s.credit == o.credit && s.amount == o.amount && s.postings == 1
}

// count compares a database with what the bank acknowledged before a time.
func (l *lab) count(ctx context.Context, db *pg.DB, before time.Time) (t tally, err error) {
	promised := l.load.acknowledgedBefore(before)
	found, err := transfers(ctx, db)
	if err != nil {
		return t, err
	}
	t.Acknowledged = len(promised)
	for _, o := range promised {
		have := found[o.intent]
		if len(have) == 0 || have[0].id != o.acknowledged[0] || !have[0].carriesOut(o) {
			t.Lost++
			if t.firstLost.IsZero() || o.at.Before(t.firstLost) {
				t.firstLost = o.at
			}
		}
		if len(have) > 1 || len(o.acknowledged) > 1 {
			t.Doubled++
		}
	}
	l.load.mu.Lock()
	for _, o := range l.load.orders {
		delete(found, o.intent)
	}
	l.load.mu.Unlock()
	t.Doubled += len(found) // transfers that nobody has ordered
	t.Unsound, err = l.unsound(ctx, db)
	return t, err
}

// unsound tells what is wrong in the books of a database, or nothing.
func (l *lab) unsound(ctx context.Context, db *pg.DB) (string, error) {
	report, err := ledger.Verify(ctx, db, func(id string, sum []byte, parts ...[]byte) error {
		return l.ring.VerifyMAC(keys.Ledger, id, sum, parts...)
	})
	if err != nil {
		return "", fmt.Errorf("ledger: %w", err)
	}
	if !report.Sound() {
		return fmt.Sprintf("ledger: %+v", report), nil
	}
	var sum, loose int64
	err = db.Pool().QueryRow(ctx, `-- ha.sums
SELECT (SELECT sum(balance) FROM account WHERE kind <> 'internal'),
       (SELECT count(*) FROM posting p
         WHERE p.kind <> 'opening' AND NOT EXISTS (SELECT FROM transfer t WHERE t.id = p.id))`).
		Scan(&sum, &loose)
	if err != nil {
		return "", fmt.Errorf("sums: %w", err)
	}
	if want := int64(2*opening) * int64(len(l.load.people)); sum != want || loose > 0 {
		return fmt.Sprintf("customers have %d fen, not %d; %d postings are of no transfer", sum, want, loose), nil
	}
	return "", nil
}

// settled waits until every event has reached its consumers, and counts transfers that
// have not exactly one effect at each consumer.
func (l *lab) settled(ctx context.Context, db *pg.DB) (astray int, err error) {
	err = await(ctx, 90*time.Second, "events", func(ctx context.Context) error {
		var waiting, dead int
		err := db.Pool().QueryRow(ctx, `-- ha.waiting
SELECT (SELECT count(*) FROM outbox WHERE published_at IS NULL) + (SELECT count(*) FROM delivery WHERE state = 'due'),
       (SELECT count(*) FROM delivery WHERE state = 'dead')`).Scan(&waiting, &dead)
		if err == nil && waiting+dead > 0 {
			err = fmt.Errorf("%w: %d events wait, %d are dead letters", errFailed, waiting, dead)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	err = db.Pool().QueryRow(ctx, `-- ha.effects
WITH published AS (SELECT subject, min(id::text) AS id, count(*) AS n FROM outbox
                    WHERE type = 'com.tidebank.transfer.posted.v1' GROUP BY subject),
     told AS (SELECT event_id, count(*) FILTER (WHERE kind = 'transfer.out') AS payers,
                     count(*) FILTER (WHERE kind = 'transfer.in') AS payees FROM message GROUP BY event_id),
     audited AS (SELECT event_id, count(*) AS n FROM audit_record GROUP BY event_id),
     scored AS (SELECT event_id, count(*) AS n FROM fraud_score GROUP BY event_id)
SELECT count(*) FROM transfer t
  LEFT JOIN account d ON d.id = t.debit_id
  LEFT JOIN account c ON c.id = t.credit_id
  LEFT JOIN published e ON e.subject = t.id::text
  LEFT JOIN told m ON m.event_id = e.id
  LEFT JOIN audited a ON a.event_id = e.id
  LEFT JOIN scored f ON f.event_id = e.id
 WHERE coalesce(e.n, 0) <> 1 OR coalesce(m.payers, 0) <> 1 OR coalesce(a.n, 0) <> 1 OR coalesce(f.n, 0) <> 1
    OR coalesce(m.payees, 0) <> CASE WHEN d.customer_id <> c.customer_id THEN 1 ELSE 0 END`).Scan(&astray)
	if err != nil {
		return 0, fmt.Errorf("effects: %w", err)
	}
	return astray, nil
}
