package dev

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/events/broker"
	"github.com/tidebank/tidebank/localstack/devapi"
)

func (p Page) events(w http.ResponseWriter, r *http.Request) {
	list, err := p.Broker.List(r.Context(), r.FormValue("subject"), r.FormValue("dead") == "true", 100)
	if list == nil {
		list = []broker.Row{}
	}
	for i := range list {
		if err == nil && p.Elsewhere {
			list[i].Deliveries, err = p.recorded(r.Context(), list[i])
		}
	}
	reply(w, list, err)
}

// recorded lists the deliveries of an event by what its consumers have recorded.
func (p Page) recorded(ctx context.Context, row broker.Row) (json.RawMessage, error) {
	consumers := p.Broker.Subscriptions.Consumers(row.Type)
	had, err := events.Seen(ctx, p.Host.DB, events.Source, row.ID, consumers...)
	if err != nil {
		return nil, err
	}
	list := []devapi.Delivery{}
	for _, name := range consumers {
		state := "due"
		if slices.Contains(had, name) {
			state = "done"
		}
		list = append(list, devapi.Delivery{Consumer: name, State: state})
	}
	raw, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("deliveries: %w", err)
	}
	return raw, nil
}
