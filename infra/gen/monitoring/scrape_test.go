package monitoring_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/test/req"
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

// process is the label process that the rules of a job give a pod with these labels, and
// whether they keep the pod.
func (j job) process(t *testing.T, labels map[string]string) (name string, kept bool) {
	t.Helper()
	about := map[string]string{"__meta_kubernetes_pod_phase": "Running"}
	for label, value := range labels {
		about["__meta_kubernetes_pod_label_"+regexp.MustCompile(`\W`).ReplaceAllString(label, "_")] = value
	}
	for _, r := range j.Relabel {
		var values []string
		for _, source := range r.Sources {
			values = append(values, about[source])
		}
		value := strings.Join(values, ";")
		matches := regexp.MustCompile("^(?:" + r.Regex + ")$").MatchString(value)
		switch {
		case r.Action == "keep" && !matches, r.Action == "drop" && matches:
			return "", false
		case r.Target == "process" && matches:
			name = value
		}
	}
	return name, true
}

// pods are the jobs that ask the pods.
func (p probes) pods(t *testing.T) []job {
	t.Helper()
	list := slices.DeleteFunc(slices.Clone(p.Jobs), func(j job) bool { return j.Name != "tidebank" && j.Name != "ready" })
	return req.AtLeast(t, 2, list)
}

// Prometheus asks the pods that serve metrics, and names their processes. It does not ask the
// pods of the migrations, which serve no port: they would be reported as failing during each
// deployment.
func TestPrometheusAsksThePodsThatServeMetrics(t *testing.T) {
	t.Parallel()
	var asked, others []string
	for _, d := range documents(t, "infra/knative/base", "infra/knative/queues") {
		pod, want := d.Spec.Template, d.Metadata.Name
		if len(pod.Spec.Containers) == 0 {
			continue
		}
		if d.Kind == "Service" {
			pod.Metadata.Labels["serving.knative.dev/service"] = want // Knative sets it
		}
		if d.adminPort() == 0 {
			others, want = append(others, want), ""
		} else {
			asked = append(asked, want)
		}
		for _, j := range readProbes(t).pods(t) {
			if got, kept := j.process(t, pod.Metadata.Labels); got != want || kept != (want != "") {
				t.Errorf("%s %s: the job %s keeps its pod: %v, as %q; want %q", d.Kind, d.Metadata.Name, j.Name, kept, got, want)
			}
		}
	}
	if req.AtLeast(t, 30, asked); !slices.Equal(others, []string{"migrate", "rights"}) {
		t.Errorf("pods without metrics: %q", others)
	}
}

// OpenFaaS labels the pod of each process with its name, and with nothing of the bank.
func TestPrometheusAsksThePodsOfOpenFaaS(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"transfer-confirm", "events-relay"} {
		for _, j := range readProbes(t).pods(t) {
			if got, kept := j.process(t, map[string]string{"faas_function": name}); !kept || got != name {
				t.Errorf("the job %s keeps the pod of %s: %v, as %q", j.Name, name, kept, got)
			}
			if _, kept := j.process(t, map[string]string{"app": "gateway"}); kept {
				t.Errorf("the job %s keeps a pod of OpenFaaS itself", j.Name)
			}
		}
	}
}
