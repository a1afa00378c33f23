// Package onevent records every event of the bank.
//
//	every type → audit_record
//
// The record holds the event's id, type, subject, time and data. It is part of the
// chain that functions/audit keeps. An event that comes twice leaves one record. The
// chain's order is the order of arrival.
package onevent

import (
	"context"
	"encoding/json"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions/audit"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Event(fn.Spec{
	Name: audit.Consumer, Summary: "Record every event in the audit chain",
	Consumes:     events.Types(),
	Keys:         []keys.Purpose{keys.Audit},
	Requirements: []string{"AUDIT-001", "AUDIT-003", "AUDIT-006"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.Reaction[json.RawMessage], error) {
	return func(_ context.Context, e fn.Delivery[json.RawMessage]) (fn.Effect, error) {
		record := audit.Record{EventID: e.ID, Type: e.Type, Subject: e.Subject, Occurred: e.Time, Data: e.Data}
		return func(ctx context.Context, tx pg.Tx) error { return audit.Append(ctx, tx, lent.Keys, record) }, nil
	}, nil
}
