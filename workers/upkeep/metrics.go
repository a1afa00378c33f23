package upkeep

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidebank/tidebank/shared/pg"
)

const sqlSchemaVersion = `-- schema.version
SELECT coalesce(max(version_id), 0)::float8 FROM goose_db_version WHERE is_applied`

// observeSchema registers the version of the database's schema.
func observeSchema(db *pg.DB, registry prometheus.Registerer) {
	db.Gauge(registry, "tidebank_schema_version", "Number of the newest migration that the database has.", sqlSchemaVersion)
}
