package host

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidebank/tidebank/shared/keys"
)

// watchKeys lets the process take up a changed key file while it serves, until the host is
// closed. A file that can't be used is logged, and the process goes on with its keys.
func (h *Host) watchKeys(config keys.Config) {
	due := h.Metrics.KeyDue()
	h.showDue(due, config)
	ctx, stop := context.WithCancel(context.Background())
	h.stop = stop
	go func() {
		tick := time.NewTicker(keys.ReloadEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				h.reloadKeys(ctx, due, config)
			}
		}
	}()
}

// KeyDue registers the metric of the keys' renewals. A process calls it once.
func (m *Metrics) KeyDue() *prometheus.GaugeVec {
	due := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "tidebank_key_due_timestamp_seconds",
		Help: "Time at which a purpose must have a newer key, in seconds since 1970.",
	}, []string{"purpose"})
	m.Registry.MustRegister(due)
	return due
}

func (h *Host) reloadKeys(ctx context.Context, due *prometheus.GaugeVec, config keys.Config) {
	changed, err := h.Keys.Reload(ctx)
	if err != nil {
		h.Log.Error("the changed key file can't be used; the process keeps its keys", slog.Any("error", err))
		return
	}
	if changed {
		h.Log.Info("took up a changed key file")
		h.showDue(due, config)
	}
}

// showDue sets the gauge of each purpose that the process has.
func (h *Host) showDue(due *prometheus.GaugeVec, config keys.Config) {
	list, err := keys.List(config)
	if err != nil {
		h.Log.Error("list keys", slog.Any("error", err))
		return
	}
	for _, k := range list {
		if !k.Due.IsZero() {
			due.WithLabelValues(string(k.Purpose)).Set(float64(k.Due.Unix()))
		}
	}
}
