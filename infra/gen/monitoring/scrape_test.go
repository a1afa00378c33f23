package monitoring_test

import (
	"fmt"
	"regexp"
	"slices"
	"testing"
)

// podPort is the port of a pod at which a job of Prometheus asks.
var podPort = regexp.MustCompile(`\$1:(\d+)`)

// The network policies let the namespace monitoring reach each port at which Prometheus
// asks the pods, and each process serves it.
func TestPrometheusReachesThePortsOfThePods(t *testing.T) {
	t.Parallel()
	var open, served []int
	for _, d := range documents(t, "infra/knative/base", "infra/knative/queues") {
		for _, in := range d.Spec.Ingress {
			for _, from := range in.From {
				if from.Namespace.Labels["kubernetes.io/metadata.name"] != "monitoring" {
					continue
				}
				for _, p := range in.Ports {
					open = append(open, p.Port)
				}
			}
		}
		if port := d.adminPort(); port != 0 && !slices.Contains(served, port) {
			served = append(served, port)
		}
	}
	asked := 0
	for _, job := range readProbes(t).Jobs {
		for _, r := range job.Relabel {
			found := podPort.FindStringSubmatch(r.Replacement)
			if found == nil || !slices.Contains(r.Sources, "__meta_kubernetes_pod_ip") {
				continue
			}
			asked++
			for _, ports := range [][]int{open, served} {
				if len(ports) != 1 || fmt.Sprint(ports[0]) != found[1] {
					t.Errorf("the job %s asks port %s; open to it are %v, metrics are at %v", job.Name, found[1], open, served)
				}
			}
		}
	}
	if asked != 2 {
		t.Errorf("%d jobs ask the pods, want tidebank and ready", asked)
	}
}
