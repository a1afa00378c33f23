package gate

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
)

// pipeline is the name of a kind of run, and of its file for monitoring.
type pipeline string

const (
	releasing pipeline = "release"
	scanning  pipeline = "scan"
)

// The check that failed when the run itself ended by an error.
const runItself = "run"

// Status is what monitoring learns of the last run of a pipeline.
type Status struct {
	Failed     *prometheus.GaugeVec // by pipeline and check, a stage or a rule
	Unfinished *prometheus.GaugeVec // by pipeline
}

// NewStatus registers the metrics.
func NewStatus(registry *prometheus.Registry) Status {
	s := Status{
		Failed: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tidebank_pipeline_failed", Help: "1 for each stage and rule that the last run of a pipeline failed, else 0.",
		}, []string{"pipeline", "check"}),
		Unfinished: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tidebank_pipeline_unfinished", Help: "1 while a run of a pipeline has begun and not ended.",
		}, []string{"pipeline"}),
	}
	registry.MustRegister(s.Failed, s.Unfinished)
	return s
}

// tell writes the state of a run into the folder, as a file that node_exporter's textfile
// collector reads. A run whose machine has died stays unfinished.
//
// Source: CLOUD-004 (a failed check of the release pipeline raises an alert).
func (p pipeline) tell(folder string, unfinished bool, stages []Result, problems []Problem, err error) error {
	registry := prometheus.NewRegistry()
	status := NewStatus(registry)
	set := func(check string, bad bool) { status.Failed.WithLabelValues(string(p), check).Set(flag(bad)) }
	set(runItself, err != nil && len(problems) == 0)
	for _, s := range stages {
		set(s.Stage, !s.Passed)
	}
	for _, one := range problems {
		if one.Rule != ruleStage { // the stage itself is listed
			set(one.Rule, true)
		}
	}
	status.Unfinished.WithLabelValues(string(p)).Set(flag(unfinished))
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // node_exporter reads it as another user
		return fmt.Errorf("state for monitoring: %w", err)
	}
	if err := prometheus.WriteToTextfile(filepath.Join(folder, string(p)+".prom"), registry); err != nil {
		return fmt.Errorf("state for monitoring: %w", err)
	}
	return nil
}

func flag(set bool) float64 {
	if set {
		return 1
	}
	return 0
}
