package environment

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/pg"
)

const (
	// A repeated nonce makes its row the newest of the session in which it came again.
	sqlReportPut = `-- device_report.put
INSERT INTO device_report (id, customer_id, device_id, channel, intent_id, nonce, findings, page, grave, reported_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (customer_id, nonce) DO UPDATE
   SET id = $1, device_id = $3, channel = $4, findings = array_append($7::text[], 'replayed'), reported_at = $10,
       grave = device_report.grave OR $9
RETURNING 'replayed' = ANY (findings)`

	sqlStanding = `-- device_report.standing
SELECT coalesce(r.findings, '{missing}')
       || CASE WHEN r.reported_at <= $4::timestamptz - make_interval(secs => policy_value('device.report_seconds', $5))
               THEN '{stale}'::text[] ELSE '{}' END
       || CASE WHEN r.intent_id <> $6::uuid THEN '{other_order}'::text[] ELSE '{}' END
       || CASE WHEN EXISTS (
              SELECT 1 FROM device_report d WHERE d.customer_id = $1 AND d.device_id = $2 AND d.grave
                 AND d.reported_at > $4::timestamptz - make_interval(secs => policy_value('device.risk_seconds', $5)))
               THEN '{risky_device}'::text[] ELSE '{}' END
  FROM (SELECT) AS session
  LEFT JOIN LATERAL (
      SELECT findings, reported_at, intent_id FROM device_report WHERE customer_id = $1 AND channel = $3
       ORDER BY reported_at DESC, id DESC LIMIT 1) AS r ON true`

	sqlReportPrune = `-- device_report.prune
DELETE FROM device_report WHERE id IN (SELECT id FROM device_report WHERE reported_at < $2::timestamptz LIMIT $1)`

	sqlReportForget = `-- device_report.forget
DELETE FROM device_report WHERE customer_id = $1`
)

// Session is a customer's session on a device, at a time.
type Session struct {
	CustomerID uuid.UUID
	DeviceID   string
	Channel    channel.ID
	Now        time.Time
}

// put is the statement that stores a report with its findings. A login without a report is
// stored too, so that no report of an earlier session on its channel counts.
func put(in Session, r *Report, found []Finding) (pg.Statement, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return pg.Statement{}, bankerr.ErrInternal.Because(err)
	}
	if r == nil {
		r = &Report{Nonce: id[:]}
	}
	return pg.Statement{SQL: sqlReportPut, Args: []any{
		id, in.CustomerID, in.DeviceID, in.Channel[:], r.IntentID, r.Nonce, texts(found), r.Page,
		Judge(found).TransferDisabled, in.Now,
	}}, nil
}

// StoreReport stores the report of a login; r is nil if it holds none.
func StoreReport(ctx context.Context, to pg.Writer, in Session, r *Report, found []Finding) error {
	statement, err := put(in, r, found)
	if err != nil {
		return err
	}
	return to.Write(ctx, statement)
}

// QueueReport adds to the batch the statement that stores a report. read gets true if its
// nonce was used before.
func QueueReport(batch *pgx.Batch, in Session, r Report, found []Finding, read func(replayed bool)) error {
	statement, err := put(in, &r, found)
	if err != nil {
		return err
	}
	batch.Queue(statement.SQL, statement.Args...).QueryRow(func(row pgx.Row) error {
		var replayed bool
		if err := row.Scan(&replayed); err != nil {
			return fmt.Errorf("store report: %w", err)
		}
		read(replayed)
		return nil
	})
	return nil
}

// QueueStanding adds to the batch the query for what counts in the session now. intent is the
// order to confirm, or nil.
func QueueStanding(batch *pgx.Batch, in Session, intent *uuid.UUID, read func(Standing)) {
	args := []any{in.CustomerID, in.DeviceID, in.Channel[:], in.Now, clock.BusinessDay(in.Now), intent}
	batch.Queue(sqlStanding, args...).QueryRow(func(row pgx.Row) error {
		var found Standing
		var texts []string
		if err := row.Scan(&texts); err != nil {
			return fmt.Errorf("standing of the environment: %w", err)
		}
		for _, text := range texts {
			found.Findings = append(found.Findings, Finding(text))
		}
		read(found)
		return nil
	})
}

// Retention keeps reports for 180 days.
func Retention() pg.Retention {
	return pg.Retention{
		Table: "device_report", Keep: 180 * 24 * time.Hour, SQL: sqlReportPrune,
		Why: "A report counts for its session, which lasts a day at most, and for its device for a day.",
	}
}

// Forget deletes the reports of a customer whose record is erased.
func Forget(ctx context.Context, to pg.Writer, customer uuid.UUID) error {
	return to.Write(ctx, pg.Statement{SQL: sqlReportForget, Args: []any{customer}})
}
