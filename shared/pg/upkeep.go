package pg

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

const pruneBatch = 5000

// Retention is the time that the rows of a table are kept, and the SQL that deletes
// older rows. The package that owns the table declares it; the worker bank-upkeep
// runs it.
type Retention struct {
	Table string
	Keep  time.Duration
	SQL   string // deletes at most $1 rows that are older than the instant $2
	Why   string // the reason why the window is long enough
}

const sqlPruneBefore = `-- prune.before
SELECT least(now(), $1::timestamptz) - $2::interval`

// Prune deletes all rows of the table that are older than its window, and returns
// their number. The window ends at now, or at PostgreSQL's time if that is earlier: a
// clock that is ahead deletes nothing too early. Each batch commits by itself, so that
// Prune holds no lock for long.
func (db *DB) Prune(ctx context.Context, r Retention, now time.Time) (int64, error) {
	var before time.Time
	if err := db.Reader().QueryRow(ctx, sqlPruneBefore, now, r.Keep).Scan(&before); err != nil {
		return 0, Classify(fmt.Errorf("prune %s: %w", r.Table, err))
	}
	for total := int64(0); ; {
		tag, err := db.Pool().Exec(ctx, r.SQL, pruneBatch, before)
		if err != nil {
			return total, Classify(fmt.Errorf("prune %s: %w", r.Table, err))
		}
		if total += tag.RowsAffected(); tag.RowsAffected() < pruneBatch {
			return total, nil
		}
	}
}

// RunEvery does work at once, and again after each pause until ctx ends. It logs an
// error under the work's name, and continues.
func RunEvery(ctx context.Context, log *slog.Logger, name string, each time.Duration, work func(context.Context) error) {
	tick := time.NewTicker(each)
	defer tick.Stop()
	for {
		if err := work(ctx); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, name, slog.Any("cause", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
