// Package fraud holds the rules that score transfers after the fact. Scores are
// whole numbers from 0 to 100; amounts are fen.
package fraud

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/risk"
)

// Habits are what the payer did in the hour that ends with the transfer, which is
// counted.
type Habits struct {
	Count  int
	Amount money.Fen
}

// Verdict is the outcome for one transfer.
type Verdict struct {
	Score   int
	Grade   risk.Grade
	Reasons []string
}

// The weights and thresholds.
const (
	manyInAnHour = 5
	muchInAnHour = 30_000_00
	largeAmount  = 20_000_00

	raisedFrom = 50
	highFrom   = 85
)

// Score adds up what is unusual about a transfer.
func Score(t events.TransferPosted, h Habits) Verdict {
	var v Verdict
	add := func(points int, reason string) {
		v.Score = min(100, v.Score+points)
		v.Reasons = append(v.Reasons, reason)
	}
	if h.Count > manyInAnHour {
		add(30, "velocity.count")
	}
	if h.Count > 3*manyInAnHour {
		add(30, "velocity.burst")
	}
	if h.Amount > muchInAnHour {
		add(20, "velocity.amount")
	}
	if t.NewPayee {
		add(15, "payee.new")
	}
	if t.AmountFen >= largeAmount {
		add(15, "amount.large")
	}
	if hour := t.PostedAt.In(clock.Shanghai).Hour(); hour < 5 {
		add(15, "time.night")
	}
	switch {
	case t.Own:
		v.Score, v.Reasons = 0, []string{}
	case v.Score >= highFrom:
		v.Grade = risk.GradeHigh
	case v.Score >= raisedFrom:
		v.Grade = risk.GradeRaised
	}
	if v.Reasons == nil {
		v.Reasons = []string{}
	}
	return v
}

const (
	sqlHabits = `-- fraud.habits
SELECT count(*), coalesce(sum(amount), 0)::bigint FROM transfer
 WHERE customer_id = $1 AND posted_at > $2::timestamptz - interval '1 hour' AND posted_at <= $2`

	sqlScore = `-- fraud.score
INSERT INTO fraud_score (event_id, customer_id, score, reasons, created_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING`

	// Only the newest transfer's verdict grades: an older event that comes late
	// must not undo it.
	sqlGrade = `-- customer.grade
UPDATE customer SET risk_grade = $2
 WHERE id = $1 AND risk_grade <> $2
   AND NOT EXISTS (SELECT 1 FROM fraud_score WHERE customer_id = $1 AND created_at > $3)`
)

// Lookup reads the payer's habits at an instant, so that order of arrival
// changes nothing.
func Lookup(ctx context.Context, tx pgx.Tx, payer uuid.UUID, at time.Time) (Habits, error) {
	var h Habits
	if err := tx.QueryRow(ctx, sqlHabits, payer, at).Scan(&h.Count, &h.Amount); err != nil {
		return h, fmt.Errorf("habits: %w", err)
	}
	return h, nil
}

// Save stores the verdict and grades the payer by it.
func Save(ctx context.Context, tx pgx.Tx, event string, payer uuid.UUID, v Verdict, at time.Time) error {
	if _, err := tx.Exec(ctx, sqlScore, event, payer, v.Score, v.Reasons, at); err != nil {
		return fmt.Errorf("score: %w", err)
	}
	if _, err := tx.Exec(ctx, sqlGrade, payer, v.Grade, at); err != nil {
		return fmt.Errorf("grade: %w", err)
	}
	return nil
}
