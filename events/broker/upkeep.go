package broker

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	sqlPrune = `-- delivery.prune
DELETE FROM delivery WHERE (consumer, event_id) IN (
    SELECT consumer, event_id FROM delivery WHERE state = 'done' AND due_at < now() - interval '7 days' LIMIT $1)`

	sqlWaiting = `-- delivery.waiting
SELECT count(*)::float8 FROM delivery WHERE state = 'due'`

	sqlDead = `-- delivery.dead
SELECT count(*)::float8 FROM delivery WHERE state = 'dead'`
)

// Prune deletes deliveries done a week ago; dead letters stay until somebody has
// looked at them.
func (b *Broker) Prune(ctx context.Context) error { return b.DB.Trim(ctx, sqlPrune) }

// Observe registers what is to be watched of the deliveries: how many wait, and how
// many are dead letters.
func (b *Broker) Observe(registry prometheus.Registerer) {
	b.DB.Gauge(registry, "tidebank_deliveries_waiting", "Deliveries that their consumers have not taken yet.", sqlWaiting)
	b.DB.Gauge(registry, "tidebank_dead_letters", "Deliveries that failed for good and wait for a person.", sqlDead)
}
