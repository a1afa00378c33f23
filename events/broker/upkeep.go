package broker

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidebank/tidebank/shared/pg"
)

const (
	sqlPrune = `-- delivery.prune
DELETE FROM delivery WHERE (consumer, event_id) IN (
    SELECT consumer, event_id FROM delivery WHERE state = 'done' AND due_at < $2::timestamptz LIMIT $1)`

	sqlWaiting = `-- delivery.waiting
SELECT count(*)::float8 FROM delivery WHERE state = 'due'`

	sqlDead = `-- delivery.dead
SELECT count(*)::float8 FROM delivery WHERE state = 'dead'`
)

// Retention keeps a finished delivery for 7 days. A dead letter stays until a person
// has handled it.
func Retention() pg.Retention {
	return pg.Retention{
		Table: "delivery", Keep: 7 * 24 * time.Hour, SQL: sqlPrune,
		Why: "The delivery is finished; a dead letter stays until a person has handled it.",
	}
}

// Observe registers the metrics of deliveries: how many wait, and how many are dead
// letters.
func (b *Broker) Observe(registry prometheus.Registerer) {
	b.DB.Gauge(registry, "tidebank_deliveries_waiting", "Deliveries that their consumers have not taken yet.", sqlWaiting)
	b.DB.Gauge(registry, "tidebank_dead_letters", "Deliveries that failed for good; an operator must handle them.", sqlDead)
}
