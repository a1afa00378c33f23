package pg

import "github.com/prometheus/client_golang/prometheus"

// Observe registers the metrics of the pool and of group commit.
func (db *DB) Observe(registry prometheus.Registerer) {
	connections := func(name, help string, read func() int32) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help},
			func() float64 { return float64(read()) }))
	}
	connections("tidebank_db_connections", "Open connections to PostgreSQL.",
		func() int32 { return db.pool.Stat().TotalConns() })
	connections("tidebank_db_connections_in_use", "Connections to PostgreSQL that are in use.",
		func() int32 { return db.pool.Stat().AcquiredConns() })
	connections("tidebank_db_connections_max", "Connections to PostgreSQL that may be open.",
		func() int32 { return db.pool.Stat().MaxConns() })
	registry.MustRegister(db.units.size, db.units.split, db.batches.size, db.batches.split, db.ungrouped)
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
