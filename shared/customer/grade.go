package customer

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/risk"
)

const (
	sqlGrade = `-- customer.grade
SELECT risk_grade FROM customer WHERE id = $1`

	sqlLiftGrade = `-- customer.lift_grade
WITH held AS (SELECT id, risk_grade FROM customer WHERE id = $1 FOR NO KEY UPDATE)
UPDATE customer c SET risk_grade = $2 FROM held WHERE c.id = held.id RETURNING held.risk_grade`

	sqlLock = `-- customer.lock
SELECT 1 FROM customer WHERE id = $1 FOR NO KEY UPDATE`

	// A high grade stays until the bank lifts it.
	sqlRegrade = `-- customer.regrade
UPDATE customer SET risk_grade = $2 WHERE id = $1 AND risk_grade <> $2 AND risk_grade <> $3`
)

// QueueGrade adds the query that reads the customer's risk grade to the batch. The
// batch fails if there is no such customer: a missing grade must not count as normal.
func QueueGrade(batch *pgx.Batch, id uuid.UUID, read func(risk.Grade)) {
	batch.Queue(sqlGrade, id).QueryRow(func(row pgx.Row) error {
		var grade risk.Grade
		err := row.Scan(&grade)
		if err == nil {
			read(grade)
		}
		return err //nolint:wrapcheck // the batch's owner wraps it
	})
}

// LiftGrade makes the customer's risk grade normal and returns the grade before. Only an
// authorised operator may lift a grade.
func LiftGrade(ctx context.Context, tx pg.Tx, id uuid.UUID) (before risk.Grade, err error) {
	if err := tx.QueryRow(ctx, sqlLiftGrade, id, risk.GradeNormal).Scan(&before); err != nil {
		return 0, readError("lift the grade", err)
	}
	return before, nil
}

// Lock makes other transactions that lock the customer wait for this one.
func Lock(ctx context.Context, to pg.Writer, id uuid.UUID) error {
	return to.Write(ctx, pg.Statement{SQL: sqlLock, Args: []any{id}})
}

// Regrade sets the customer's risk grade. A high grade stays: only the bank's staff
// may lift it.
func Regrade(ctx context.Context, to pg.Writer, id uuid.UUID, grade risk.Grade) error {
	return to.Write(ctx, pg.Statement{SQL: sqlRegrade, Args: []any{id, grade, risk.GradeHigh}})
}
