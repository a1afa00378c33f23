package host

import (
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/downstream"
)

// Metrics count and time the calls of each function, by outcome. No label holds data of a
// customer, or a value that a caller chooses.
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
			Name: "tidebank_calls_total",
			Help: "Calls by function, outcome code and class of the code (ok, refused, limited, proof, left or failed).",
		}, []string{"function", "code", "class"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tidebank_call_seconds", Help: "Duration of calls by function.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 3},
		}, []string{"function"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "tidebank_build_info", Help: "Always 1; its labels are the commit and the Go release of the process.",
		ConstLabels: prometheus.Labels{"commit": commit(), "go": runtime.Version()},
	})
	build.Set(1)
	registry.MustRegister(m.calls, m.seconds, build, collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// commit is the commit of the source of this program.
func commit() string {
	info, _ := debug.ReadBuildInfo()
	if info != nil {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return "unknown"
}

// Handler serves the metrics to Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.Registry, promhttp.HandlerOpts{})
}

// Declare makes the series of a function before its first call. Otherwise Prometheus
// would not see the first failure of a process as an increase.
func (m *Metrics) Declare(function string) {
	m.seconds.WithLabelValues(function)
	m.calls.WithLabelValues(function, OK, string(bankerr.ClassOK))
	for _, e := range []*bankerr.Error{bankerr.ErrInternal, bankerr.ErrUnavailable} {
		m.calls.WithLabelValues(function, e.Code(), string(bankerr.ClassOf(e)))
	}
}

// OK is the code of a call that was not refused.
const OK = "OK"

// Observe counts one call of a function and its outcome; refused is nil after success.
func (m *Metrics) Observe(function string, refused error, took time.Duration) {
	code := OK
	if refused != nil {
		code = bankerr.From(refused).Code()
	}
	m.calls.WithLabelValues(function, code, string(bankerr.ClassOf(refused))).Inc()
	m.seconds.WithLabelValues(function).Observe(took.Seconds())
}

// Downstream returns the timer of a service that the process calls.
func (m *Metrics) Downstream(name downstream.Name) *downstream.Timer {
	return downstream.NewTimer(name).Register(m.Registry)
}
