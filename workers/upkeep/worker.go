// Package upkeep keeps the bank's tables small. It writes the waiting entries of
// internal accounts and folds them into their balances, and deletes old rows that the
// bank no longer needs. It also writes the access records of calls that were refused
// before they were admitted, one for each channel, code and minute, and fetches the certificate
// authority's lists of revoked certificates.
//
//	ledger_fold → entry, account every UPKEEP_FOLD_EVERY (1 s)
//	refused calls → outbox       every 10 s, when their minute is over
//	Retentions() → deleted rows  every UPKEEP_PRUNE_EVERY (10 min)
//	revocation lists → revocation_list, certificate   every minute, if the bank has an authority
//
// docs/retention.md lists the windows. Any number of upkeep workers may run.
package upkeep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/events/broker"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/downstream"
	"github.com/tidebank/tidebank/shared/environment"
	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/idem"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/limit"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sms"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Worker declares the worker. The registry and its main are generated from it.
var Worker = fn.Worker(fn.Spec{
	Name: "bank-upkeep", RecordsRefused: true,
	Summary: "Fold internal accounts, prune old rows, record refused calls and fetch revocation lists",
}, wire)

const (
	recordEvery = 10 * time.Second
	recordWait  = 30 * time.Second // bounds one round
	relistEvery = time.Minute
	relistWait  = 10 * time.Second // likewise
)

// Config holds the pauses between two rounds, and the way to the certificate authority.
type Config struct {
	FoldEvery  time.Duration `envconfig:"UPKEEP_FOLD_EVERY" default:"1s" min:"100ms" max:"1h"`
	PruneEvery time.Duration `envconfig:"UPKEEP_PRUNE_EVERY" default:"10m" min:"1s" max:"24h"`
	Authority  cert.Config
}

// Retentions lists the retention of every pruned table; the owner of the table
// declares it.
func Retentions() []pg.Retention {
	return slices.Concat(
		[]pg.Retention{
			customer.Retention(), idem.Retention(), stepup.Retention(), limit.Retention(), broker.Retention(), environment.Retention(),
			device.Retention(),
		},
		password.Retentions(), otp.Retentions(), sms.Retentions(), face.Retentions(), events.Retentions(),
	)
}

// Kept lists the tables without a retention, with the reason why their rows stay.
func Kept() map[string]string {
	return map[string]string{
		"account":           "one row for each account",
		"audit_record":      "the audit chain is permanent until it is archived",
		"certificate":       "certificates are evidence of what their holders signed",
		"credential":        "one row for each customer",
		"customer":          "one row for each customer",
		"device":            "one row for each bound device",
		"entry":             "vouchers are permanent",
		"evidence":          "evidence of what customers have signed",
		"face_reference":    "one row for each customer with a reference photo",
		"fraud_score":       "scores are evidence of decisions about a customer",
		"function_revision": "one row: the revision of the SQL functions",
		"ledger_fold":       "folding deletes its rows",
		"message":           "the customer's inbox belongs to the customer",
		"option_change":     "acknowledged warnings are evidence of the customer's decision",
		"policy":            "dated figures are the record of past policies",
		"posting":           "vouchers are permanent",
		"reseal_progress":   "one row for each sealed column",
		"revocation_list":   "lists are evidence of which certificates were good",
		"stepup_cap":        "dated caps are the record of past policies",
		"stepup_preference": "one row for each customer who has chosen",
		"stepup_rule":       "dated rules are the record of past policies",
		"token":             "one row for each token that the bank has handed out",
		"transfer":          "vouchers are permanent",
	}
}

func wire(_ context.Context, lent *fn.WorkerLent, config Config) (fn.Work, error) {
	pruned := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tidebank_rows_pruned_total", Help: "Rows that were older than their table's window.",
	}, []string{"table"})
	var there prometheus.AlreadyRegisteredError
	if err := lent.Metrics.Register(pruned); errors.As(err, &there) { // this process has a second upkeep worker
		pruned, _ = there.ExistingCollector.(*prometheus.CounterVec)
	} else if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	} else {
		sms.Observe(lent.DB, lent.Metrics)   //nolint:contextcheck // a scrape has its own time-out
		observeSchema(lent.DB, lent.Metrics) //nolint:contextcheck // a scrape has its own time-out
	}
	prune := func(ctx context.Context) error {
		for _, r := range Retentions() {
			n, err := lent.DB.Prune(ctx, r, lent.Clock.Now())
			pruned.WithLabelValues(r.Table).Add(float64(n))
			if err != nil {
				lent.Log.WarnContext(ctx, "prune", slog.String("table", r.Table), slog.Any("cause", err))
			}
		}
		return nil
	}
	authority, err := cert.NewAuthority(config.Authority, lent.Clock, lent.Downstream(downstream.Certificates))
	if err != nil {
		return nil, err
	}
	relist := func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, relistWait)
		defer cancel()
		return authority.Relist(ctx, lent.DB)
	}
	fold := func(ctx context.Context) error { return ledger.FoldAll(ctx, lent.DB) }
	record := func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, recordWait)
		defer cancel()
		return lent.RecordRefused(ctx)
	}
	return func(ctx context.Context) {
		var wait sync.WaitGroup
		wait.Go(func() { pg.RunEvery(ctx, lent.Log, "record refused calls", recordEvery, record) })
		wait.Go(func() { pg.RunEvery(ctx, lent.Log, "fold", config.FoldEvery, fold) })
		wait.Go(func() { pg.RunEvery(ctx, lent.Log, "prune", config.PruneEvery, prune) })
		if authority.Exists() {
			wait.Go(func() { pg.RunEvery(ctx, lent.Log, "fetch revocation lists", relistEvery, relist) })
		}
		wait.Wait()
	}, nil
}
