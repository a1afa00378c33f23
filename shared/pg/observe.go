package pg

import "github.com/prometheus/client_golang/prometheus"

// Observe registers the metrics of the pool and of what callers do together.
func (db *DB) Observe(registry prometheus.Registerer) {
	connections := func(name, help string, read func() int32) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help},
			func() float64 { return float64(read()) }))
	}
	connections("tidebank_db_connections", "Open connections to PostgreSQL.",
		func() int32 { return db.pool.Stat().TotalConns() })
	connections("tidebank_db_connections_in_use", "Connections to PostgreSQL that are at work.",
		func() int32 { return db.pool.Stat().AcquiredConns() })
	connections("tidebank_db_connections_max", "Connections to PostgreSQL that may be open.",
		func() int32 { return db.pool.Stat().MaxConns() })
	registry.MustRegister(db.units.size, db.units.undone, db.asks.size, db.asks.undone)
}

// groupSizes counts transactions of a kind of work by how many callers shared them.
func groupSizes(work string) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "tidebank_db_callers", Help: "Callers whose work shared a transaction.",
		ConstLabels: prometheus.Labels{"work": work}, Buckets: []float64{1, 2, 4, 8, 16, groupMax},
	})
}

// groupsUndone counts groups of a kind of work that PostgreSQL refused.
func groupsUndone(work string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tidebank_db_groups_undone_total", Help: "Shared transactions that were rolled back, and their work done one by one.",
		ConstLabels: prometheus.Labels{"work": work},
	})
}
