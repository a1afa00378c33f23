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

	sqlLock = `-- customer.lock
SELECT 1 FROM customer WHERE id = $1 FOR NO KEY UPDATE`

	// A high grade stays until the bank lifts it.
	sqlRegrade = `-- customer.regrade
UPDATE customer SET risk_grade = $2 WHERE id = $1 AND risk_grade <> $2 AND risk_grade <> $3`
)

// QueueGrade adds to the batch what reads the customer's risk grade. The batch fails
// if the customer is gone: no grade is not a normal grade.
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

// Lock makes other transactions that lock the customer wait for this one.
func Lock(ctx context.Context, to pg.Writer, id uuid.UUID) error {
	return to.Write(ctx, pg.Statement{SQL: sqlLock, Args: []any{id}})
}

// Regrade gives the customer a risk grade. A high grade stays: only the bank's staff
// lifts it.
func Regrade(ctx context.Context, to pg.Writer, id uuid.UUID, grade risk.Grade) error {
	return to.Write(ctx, pg.Statement{SQL: sqlRegrade, Args: []any{id, grade, risk.GradeHigh}})
}
