package fraud

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/risk"
)

const (
	sqlHabits = `-- fraud.habits
SELECT count(*) FILTER (WHERE recent), count(*),
       coalesce(sum(amount) FILTER (WHERE recent), 0)::bigint, coalesce(sum(amount), 0)::bigint
  FROM (SELECT t.amount, t.posted_at > $2::timestamptz - interval '1 hour' AS recent
          FROM transfer t
         WHERE t.customer_id = $1 AND t.posted_at > $2::timestamptz - interval '24 hours' AND t.posted_at <= $2
           AND NOT EXISTS (SELECT 1 FROM account a WHERE a.id = t.credit_id AND a.customer_id = $1)) AS paid`

	sqlScore = `-- fraud.score
INSERT INTO fraud_score (event_id, customer_id, score, reasons, created_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING`

	// The newest transfer to another customer decides, in whatever order events come.
	sqlNewest = `-- fraud.newest
SELECT NOT EXISTS (
       SELECT 1 FROM fraud_score WHERE customer_id = $1 AND reasons <> $2 AND (created_at, event_id) > ($3, $4))`
)

// Lookup reads the payer's habits at an instant. It makes other events of the payer
// wait until the transaction ends.
func Lookup(ctx context.Context, tx pg.Tx, payer uuid.UUID, at time.Time) (Habits, error) {
	var h Habits
	// Events of one payer run one after another: the grade needs every earlier score.
	if err := customer.Lock(ctx, tx, payer); err != nil {
		return h, fmt.Errorf("take turn: %w", err)
	}
	err := tx.QueryRow(ctx, sqlHabits, payer, at).Scan(&h.HourCount, &h.DayCount, &h.HourAmount, &h.DayAmount)
	if err != nil {
		return h, fmt.Errorf("habits: %w", err)
	}
	return h, nil
}

// Save stores the verdict and grades the payer by it; call it after Lookup.
func Save(ctx context.Context, tx pg.Tx, event string, payer uuid.UUID, v Verdict, at time.Time) error {
	if _, err := tx.Exec(ctx, sqlScore, event, payer, v.Score, v.Reasons, at); err != nil {
		return fmt.Errorf("score: %w", err)
	}
	own := []string{ReasonOwnAccounts}
	if len(v.Reasons) == 1 && v.Reasons[0] == ReasonOwnAccounts {
		return nil
	}
	newest := false
	if err := tx.QueryRow(ctx, sqlNewest, payer, own, at, event).Scan(&newest); err != nil {
		return fmt.Errorf("newest: %w", err)
	}
	if !newest && v.Grade != risk.GradeHigh { // a transfer that is not the newest may still make the grade high
		return nil
	}
	return customer.Regrade(ctx, tx, payer, v.Grade)
}
