package main

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/localstack/devapi"
	"github.com/tidebank/tidebank/shared/host"
)

const sqlEvents = `-- outbox.list_consumed
SELECT o.id::text, o.type, coalesce((SELECT array_agg(c.consumer::text) FROM event_consumed c WHERE c.id = o.id::text), '{}')
  FROM outbox o WHERE o.subject = $1 OR o.data->>'transfer_id' = $1 ORDER BY o.id DESC LIMIT 100`

// consumed lists events as the developer page does. Here Knative's broker delivers them,
// so a delivery is done when its consumer has recorded the event.
func consumed(h *host.Host) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		rows, err := h.DB.Pool().Query(r.Context(), sqlEvents, r.FormValue("subject"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (devapi.Event, error) {
			var e devapi.Event
			var taken []string
			if err := row.Scan(&e.ID, &e.Type, &taken); err != nil {
				return e, err
			}
			for _, s := range functions.Subscriptions() {
				if !slices.Contains(s.Types, e.Type) {
					continue
				}
				state := "due"
				if slices.Contains(taken, s.Consumer) {
					state = "done"
				}
				e.Deliveries = append(e.Deliveries, devapi.Delivery{Consumer: s.Consumer, State: state})
			}
			return e, nil
		})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(list) // an error means that the client has left
	}
}
