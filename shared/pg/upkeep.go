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
	trimEach  = 10 * time.Minute
	trimBatch = 5000
	gaugeWait = time.Second
)

// Trim repeats a statement that deletes at most $1 rows, until it has deleted all. Each
// run commits, so that no lock is held long.
func (db *DB) Trim(ctx context.Context, sql string) error {
	for {
		tag, err := db.Pool().Exec(ctx, sql, trimBatch)
		if err != nil {
			return Classify(fmt.Errorf("trim: %w", err))
		}
		if tag.RowsAffected() < trimBatch {
			return nil
		}
	}
}

// TrimEvery trims at once and every ten minutes until ctx ends.
func (db *DB) TrimEvery(ctx context.Context, log *slog.Logger, sql string) {
	RunEvery(ctx, log, "trim", trimEach, func(ctx context.Context) error { return db.Trim(ctx, sql) })
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
