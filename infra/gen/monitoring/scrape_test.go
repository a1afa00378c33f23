package monitoring_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
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

// kept reports whether the rules of a job keep a pod with these labels.
func (j job) kept(t *testing.T, labels map[string]string) bool {
	t.Helper()
	about := map[string]string{"__meta_kubernetes_pod_phase": "Running"}
	for name, value := range labels {
		about["__meta_kubernetes_pod_label_"+regexp.MustCompile(`\W`).ReplaceAllString(name, "_")] = value
	}
	for _, r := range j.Relabel {
		var values []string
		for _, name := range r.Sources {
			values = append(values, about[name])
		}
		matches := regexp.MustCompile("^(?:" + r.Regex + ")$").MatchString(strings.Join(values, ";"))
		if r.Action == "keep" && !matches || r.Action == "drop" && matches {
			return false
		}
	}
	return true
}

// Prometheus asks the pods that serve metrics, and not the pod of the migrations, which
// serves no port: it would be reported as failing during each deployment.
func TestPrometheusAsksThePodsThatServeMetrics(t *testing.T) {
	t.Parallel()
	asked, others := 0, 0
	for _, d := range documents(t, "infra/knative/base", "infra/knative/queues") {
		pod := d.Spec.Template
		if len(pod.Spec.Containers) == 0 {
			continue
		}
		for _, j := range readProbes(t).Jobs {
			if j.Name != "tidebank" && j.Name != "ready" {
				continue
			}
			serves := d.adminPort() != 0
			if kept := j.kept(t, pod.Metadata.Labels); kept != serves {
				t.Errorf("%s %s: the job %s asks its pod: %v; it serves metrics: %v", d.Kind, d.Metadata.Name, j.Name, kept, serves)
			}
			if serves {
				asked++
			} else {
				others++
			}
		}
	}
	if asked < 50 || others != 2 {
		t.Errorf("%d pods with metrics and %d without were tried", asked, others)
	}
}
