package host

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics count and time the calls of each function, by outcome.
type Metrics struct {
	Registry *prometheus.Registry
	calls    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

// NewMetrics registers the runtime's metrics.
func NewMetrics(registry *prometheus.Registry) *Metrics {
	m := &Metrics{
		Registry: registry,
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidebank_calls_total", Help: "Calls by function and outcome code.",
		}, []string{"function", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tidebank_call_seconds", Help: "Duration of calls by function.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 3},
		}, []string{"function"}),
	}
	registry.MustRegister(m.calls, m.seconds)
	return m
}

// Handler serves the metrics to Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.Registry, promhttp.HandlerOpts{})
}

// Observe counts one call of a function and its outcome.
func (m *Metrics) Observe(function, code string, took time.Duration) {
	m.calls.WithLabelValues(function, code).Inc()
	m.seconds.WithLabelValues(function).Observe(took.Seconds())
}
