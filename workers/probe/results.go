package probe

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidebank/tidebank/shared/clock"
)

// Step is a part of a round that has results of its own.
type Step string

// The steps.
const (
	StepAnswers  Step = "answers"  // the function gives the known answer to a harmless request
	StepLogin    Step = "login"    // log in by password and one-time code
	StepBalance  Step = "balance"  // read the balance
	StepTransfer Step = "transfer" // transfer 0.01 between two accounts, and check both
)

// results are the metrics of the probe.
type results struct {
	success *prometheus.GaugeVec
	seconds *prometheus.GaugeVec
	failed  *prometheus.CounterVec
}

func newResults(registry prometheus.Registerer) (*results, error) {
	labels := []string{"function", "step"}
	r := &results{
		success: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tidebank_probe_success", Help: "1 if the function's last answer to the probe was the expected one, 0 if not.",
		}, labels),
		seconds: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tidebank_probe_seconds", Help: "Duration of the probe's last call of the function.",
		}, labels),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidebank_probe_failures_total", Help: "Calls of the probe without the expected answer.",
		}, labels),
	}
	return r, errors.Join(registry.Register(r.success), registry.Register(r.seconds), registry.Register(r.failed))
}

// Observe registers the metrics of the probe with one series of each, for the list of
// metrics.
func Observe(registry prometheus.Registerer) error {
	r, err := newResults(registry)
	if err != nil {
		return err
	}
	labels := []string{"", string(StepAnswers)}
	r.success.WithLabelValues(labels...)
	r.seconds.WithLabelValues(labels...)
	r.failed.WithLabelValues(labels...)
	return nil
}

// observer measures calls and keeps their results.
type observer struct {
	*results
	clock clock.Clock
	log   *slog.Logger
}

// try makes a call of a function and keeps its result.
func (o observer) try(ctx context.Context, function string, step Step, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, stepWithin)
	defer cancel()
	begun := o.clock.Now()
	err := call(ctx)
	if errors.Is(err, context.Canceled) { // the probe ends
		return err
	}
	labels := []string{function, string(step)}
	o.seconds.WithLabelValues(labels...).Set(o.clock.Now().Sub(begun).Seconds())
	if err == nil {
		o.success.WithLabelValues(labels...).Set(1)
		return nil
	}
	o.success.WithLabelValues(labels...).Set(0)
	o.failed.WithLabelValues(labels...).Inc()
	o.log.LogAttrs(ctx, slog.LevelError, "probe failed", slog.String("function", function),
		slog.String("step", string(step)), slog.Any("cause", err))
	return err
}

// stepWithin bounds a step, which may be two requests: a new channel and a call.
const stepWithin = 2*answerWithin + time.Second
