package pg

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	pruneBatch = 5000
	gaugeWait  = time.Second
)

// Retention says how long the rows of a table are kept, and how older rows go. The
// package that owns the table declares it; the worker bank-upkeep carries it out.
type Retention struct {
	Table string
	Keep  time.Duration
	SQL   string // deletes at most $1 rows that are older than the interval $2
	Why   string // why the window is long enough
}

// Prune deletes all rows of the table that are older than its window, and says how
// many. Each batch commits, so that no lock is held long.
func (db *DB) Prune(ctx context.Context, r Retention) (int64, error) {
	for total := int64(0); ; {
		tag, err := db.Pool().Exec(ctx, r.SQL, pruneBatch, r.Keep)
		if err != nil {
			return total, Classify(fmt.Errorf("prune %s: %w", r.Table, err))
		}
		if total += tag.RowsAffected(); tag.RowsAffected() < pruneBatch {
			return total, nil
		}
	}
}

// RunEvery does work at once, and again after each pause until ctx ends. It logs an
// error under the work's name, and goes on.
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

// Gauge registers a metric that a query computes whenever it is collected. The metric
// is not a number while the query fails.
func (db *DB) Gauge(registry prometheus.Registerer, name, help, sql string) {
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
		ctx, cancel := context.WithTimeout(context.Background(), gaugeWait)
		defer cancel()
		var value float64
		if err := db.Reader().QueryRow(ctx, sql).Scan(&value); err != nil {
			return math.NaN()
		}
		return value
	}))
}
