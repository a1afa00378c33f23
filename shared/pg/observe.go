package pg

import (
	"context"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

// Observe registers the metrics of the pool, of group commit, and of PostgreSQL's answers.
func (db *DB) Observe(registry prometheus.Registerer) {
	read := func(value func(*pgxpool.Stat) float64) func() float64 {
		return func() float64 { return value(db.pool.Stat()) }
	}
	gauge := func(name, help string, value func(*pgxpool.Stat) float64) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read(value)))
	}
	counter := func(name, help string, value func(*pgxpool.Stat) float64) {
		registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, read(value)))
	}
	gauge("tidebank_db_connections", "Open connections to PostgreSQL.",
		func(s *pgxpool.Stat) float64 { return float64(s.TotalConns()) })
	gauge("tidebank_db_connections_in_use", "Connections to PostgreSQL that are in use.",
		func(s *pgxpool.Stat) float64 { return float64(s.AcquiredConns()) })
	gauge("tidebank_db_connections_idle", "Open connections to PostgreSQL that nobody uses.",
		func(s *pgxpool.Stat) float64 { return float64(s.IdleConns()) })
	gauge("tidebank_db_connections_max", "Connections to PostgreSQL that may be open.",
		func(s *pgxpool.Stat) float64 { return float64(s.MaxConns()) })
	counter("tidebank_db_waits_total", "Callers that waited for a connection to PostgreSQL, because none was idle.",
		func(s *pgxpool.Stat) float64 { return float64(s.EmptyAcquireCount()) })
	counter("tidebank_db_wait_seconds_total", "Time for which callers waited for a connection to PostgreSQL.",
		func(s *pgxpool.Stat) float64 { return s.EmptyAcquireWaitTime().Seconds() })
	registry.MustRegister(db.units.size, db.units.split, db.batches.size, db.batches.split, db.ungrouped)
	db.timer.Register(registry)
}

const gaugeWait = time.Second

// Gauge registers a metric. A query computes it at each collection. Its value is NaN
// while the query fails.
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

// Gauges is a metric with a label. A query computes it at each collection: rows of the
// label's value and a number. Values lists all values of the label, so that each has a
// series; one that the query does not return is 0. All are NaN while the query fails.
type Gauges struct {
	Name, Help, Label string
	Values            []string
	SQL               string
}

// GaugeEach registers a metric with a label.
func (db *DB) GaugeEach(registry prometheus.Registerer, g Gauges) {
	registry.MustRegister(&gauges{
		Gauges: g, db: db, desc: prometheus.NewDesc(g.Name, g.Help, []string{g.Label}, nil),
	})
}

type gauges struct {
	Gauges
	db   *DB
	desc *prometheus.Desc
}

// Describe tells the name and the label.
func (g *gauges) Describe(to chan<- *prometheus.Desc) { to <- g.desc }

// Collect asks the database.
func (g *gauges) Collect(to chan<- prometheus.Metric) {
	found, err := g.ask()
	for _, label := range g.Values {
		value := found[label]
		if err != nil {
			value = math.NaN()
		}
		to <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, value, label)
	}
}

func (g *gauges) ask() (map[string]float64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), gaugeWait)
	defer cancel()
	rows, err := g.db.Reader().Query(ctx, g.SQL)
	if err != nil {
		return nil, err
	}
	found := map[string]float64{}
	var label string
	var value float64
	_, err = pgx.ForEachRow(rows, []any{&label, &value}, func() error {
		found[label] = value
		return nil
	})
	return found, err //nolint:wrapcheck // Collect shows no cause
}

// groupSizes counts transactions of a kind of work by how many callers shared them.
func groupSizes(kind string) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "tidebank_db_callers", Help: "Callers whose work shared a transaction.",
		ConstLabels: prometheus.Labels{"work": kind}, Buckets: []float64{1, 2, 4, 8, 16, groupMax},
	})
}

// groupSplits counts groups of a kind of work that PostgreSQL refused.
func groupSplits(kind string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{
		Name:        "tidebank_db_groups_split_total",
		Help:        "Shared transactions that PostgreSQL rolled back; the work of each caller was then sent separately.",
		ConstLabels: prometheus.Labels{"work": kind},
	})
}

// unitsUngrouped counts units that can't join a group, by the statement that prevents it.
func unitsUngrouped() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tidebank_db_units_ungrouped_total",
		Help: "Units of work that can't share a transaction because of the named statement.",
	}, []string{"statement"})
}
