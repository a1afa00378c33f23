package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidebank/tidebank/events/broker"
	"github.com/tidebank/tidebank/infra/release/gate"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/downstream"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/redisdb"
	"github.com/tidebank/tidebank/workers/probe"
	"github.com/tidebank/tidebank/workers/relay"
	"github.com/tidebank/tidebank/workers/upkeep"
)

// metric is one metric as the bank's processes register it.
type metric struct{ name, kind, labels, help string }

// metrics makes the parts of a process with metrics and starts the workers, but lets no work
// run. It reads what they have registered. No store needs to be there: none is asked for a
// value that counts.
func metrics(ctx context.Context, all []fn.Function) ([]metric, error) {
	h := &host.Host{Metrics: host.NewMetrics(prometheus.NewRegistry()), Clock: clock.System{}, Log: slog.New(slog.DiscardHandler)}
	defer h.Close()
	var err error
	if h.DB, err = pg.Open(ctx, pg.Config{URL: "postgres://127.0.0.1:1/none", MaxConns: 1}); err != nil {
		return nil, err
	}
	h.DB.Observe(h.Metrics.Registry)
	if h.Redis, err = redisdb.Open(redisdb.Config{URL: "redis://127.0.0.1:1"}); err != nil {
		return nil, err
	}
	redisdb.Observe(h.Redis, h.Metrics.Registry)
	for _, name := range downstream.Names() {
		h.Metrics.Downstream(name)
	}
	h.Metrics.KeyDue().WithLabelValues("") // a process sets it for each purpose of its keys
	for _, f := range all {
		h.Metrics.Declare(f.Spec.Name)
	}
	local := &broker.Broker{DB: h.DB}
	local.Observe(h.Metrics.Registry) //nolint:contextcheck // a scrape has its own time-out
	settings := host.Values(
		relay.Config{Sink: local, Lease: time.Minute, Batch: 1}, upkeep.Config{FoldEvery: time.Hour, PruneEvery: time.Hour},
	)
	for _, w := range []fn.Function{relay.Worker, upkeep.Worker} {
		if _, err := w.Start(ctx, h, settings); err != nil {
			return nil, err
		}
	}
	if err := probe.Observe(h.Metrics.Registry); err != nil {
		return nil, err
	}
	pipelines := gate.NewStatus(h.Metrics.Registry)
	pipelines.Failed.WithLabelValues("", "")
	pipelines.Unfinished.WithLabelValues("")
	return registered(h.Metrics.Registry)
}

var descForm = regexp.MustCompile(`^Desc\{fqName: "([^"]+)", help: "([^"]*)", (?:unit: "[^"]*", )?` +
	`constLabels: \{([^}]*)\}, variableLabels: \{([^}]*)\}\}$`)

// registered lists what the registry's collectors describe, once for each name.
func registered(registry *prometheus.Registry) ([]metric, error) {
	families, err := registry.Gather()
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	kinds := map[string]string{}
	for _, f := range families {
		kinds[f.GetName()] = strings.ToLower(dto.MetricType_name[int32(f.GetType())])
	}
	descs := make(chan *prometheus.Desc)
	go func() {
		defer close(descs)
		registry.Describe(descs)
	}()
	var list []metric
	for d := range descs {
		found := descForm.FindStringSubmatch(d.String())
		if found == nil {
			return nil, fmt.Errorf("metrics: %s can't be read", d) //nolint:err113 // the generator is wrong
		}
		m := metric{name: found[1], kind: kinds[found[1]], help: found[2], labels: labels(found[3], found[4])}
		if m.kind == "" && strings.HasSuffix(m.name, "_total") {
			m.kind = "counter" // it has no series yet
		}
		if m.kind == "" {
			return nil, fmt.Errorf("metrics: %s has no series, so its kind is not known", m.name) //nolint:err113 // as above
		}
		if strings.HasPrefix(m.name, "tidebank_") {
			list = append(list, m)
		}
	}
	slices.SortFunc(list, func(a, b metric) int { return strings.Compare(a.name, b.name) })
	return slices.CompactFunc(list, func(a, b metric) bool { return a.name == b.name }), nil
}

// labels joins the names of constant and variable labels.
func labels(constant, variable string) string {
	var names []string
	for pair := range strings.SplitSeq(constant, ",") {
		if name, _, ok := strings.Cut(pair, "="); ok {
			names = append(names, "`"+name+"`")
		}
	}
	for name := range strings.SplitSeq(variable, ",") {
		if name != "" {
			names = append(names, "`"+name+"`")
		}
	}
	return strings.Join(names, ", ")
}

// metricList writes docs/metrics.md.
func metricList(list []metric) []byte {
	var b bytes.Buffer
	b.WriteString(notice)
	b.WriteString("# Metrics\n\nEach process serves its metrics at `/metrics` of `FN_ADMIN_PORT`, for Prometheus. A process has the " +
		"metrics of the parts that it opens, and those of Prometheus' client about the process itself (`process_…`). No label " +
		"holds data of a customer, or a value that a caller chooses. The release machine writes those of its " +
		"pipelines into files ([release.md](release.md)). [observability.md](observability.md) tells which alerts " +
		"and dashboards use them.\n\n| metric | kind | labels | meaning |\n|---|---|---|---|\n")
	for _, m := range list {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.name, m.kind, m.labels, m.help)
	}
	return b.Bytes()
}
