package monitoring_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/infra/gen/monitoring"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
	"github.com/tidebank/tidebank/workers"
	"github.com/tidebank/tidebank/workers/probe"
)

const root = "../../../"

// document is what the check reads of a manifest.
type document struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name   string            `yaml:"name"`
		Labels map[string]string `yaml:"labels"`
	} `yaml:"metadata"`
	Spec struct {
		Ingress []struct { // of a network policy
			From []struct {
				Namespace struct {
					Labels map[string]string `yaml:"matchLabels"`
				} `yaml:"namespaceSelector"`
			} `yaml:"from"`
			Ports []struct {
				Port int `yaml:"port"`
			} `yaml:"ports"`
		} `yaml:"ingress"`
		Template struct {
			Metadata struct {
				Labels map[string]string `yaml:"labels"`
			} `yaml:"metadata"`
			Spec struct {
				Containers []struct {
					Ports []struct {
						ContainerPort int `yaml:"containerPort"`
					} `yaml:"ports"`
					Env []struct {
						Name  string `yaml:"name"`
						Value string `yaml:"value"`
					} `yaml:"env"`
				} `yaml:"containers"`
			} `yaml:"spec"`
		} `yaml:"template"`
	} `yaml:"spec"`
}

// documents reads the manifests in some folders.
func documents(t *testing.T, folders ...string) (list []document) {
	t.Helper()
	for _, folder := range folders {
		paths, err := filepath.Glob(root + folder + "/*.yaml")
		check.Must(t, err)
		for _, path := range req.AtLeast(t, 2, paths) {
			raw, err := os.ReadFile(path)
			check.Must(t, err)
			for decoder := yaml.NewDecoder(bytes.NewReader(raw)); ; {
				var d document
				err := decoder.Decode(&d)
				if errors.Is(err, io.EOF) {
					break
				}
				check.Must(t, err)
				list = append(list, d)
			}
		}
	}
	return list
}

// deployed lists what the manifests in some folders deploy. It knows nothing of the
// registries.
func deployed(t *testing.T, folders ...string) []monitoring.Part {
	t.Helper()
	parts := []monitoring.Part{
		{Kind: "host", Name: "host", Probe: `up{job="host"}`}, port("edge", `probe_success{job="ports",target="edge"}`),
	}
	for _, d := range documents(t, folders...) {
		parts = append(parts, partsOf(d)...)
	}
	slices.SortFunc(parts, func(a, b monitoring.Part) int { return strings.Compare(a.Kind+a.Name, b.Kind+b.Name) })
	return slices.Compact(parts)
}

// adminPort is the port of metrics of a function or worker; 0 if the document is no such process.
func (d document) adminPort() int {
	for _, c := range d.Spec.Template.Spec.Containers {
		for _, e := range c.Env {
			if port, err := strconv.Atoi(e.Value); e.Name == "FN_ADMIN_PORT" && err == nil {
				return port
			}
		}
	}
	return 0
}

func port(name, series string) monitoring.Part {
	return monitoring.Part{Kind: "port", Name: "port " + name, Probe: series}
}

// partsOf lists a process, its ports, and the stores and services that it reaches.
func partsOf(d document) (parts []monitoring.Part) {
	name := d.Metadata.Name
	switch {
	case d.Kind == "Service" && strings.HasPrefix(d.APIVersion, "serving.knative.dev"):
		parts = append(parts, monitoring.Part{
			Kind: "function", Name: name, Probe: fmt.Sprintf(`tidebank_probe_success{function=%q,step="answers"}`, name),
		})
	case d.Kind == "Deployment":
		parts = append(parts, monitoring.Part{Kind: "worker", Name: name, Probe: fmt.Sprintf(`up{job="tidebank",process=%q}`, name)})
	case d.Kind == "Broker":
		return []monitoring.Part{
			{Kind: "broker", Name: "event-broker", Probe: `up{job="event-broker"}`},
			port("event-broker", `probe_success{job="ports",target="event-broker"}`),
		}
	}
	for _, c := range d.Spec.Template.Spec.Containers {
		for _, p := range c.Ports {
			series := map[int]string{8080: `tidebank_probe_success{step="answers"}`, 9464: `up{job="tidebank"}`}[p.ContainerPort]
			parts = append(parts, port(fmt.Sprint(p.ContainerPort), series))
		}
		for _, e := range c.Env {
			switch e.Name {
			case "FN_ADMIN_PORT":
				parts = append(parts, port(e.Value, `up{job="tidebank"}`),
					monitoring.Part{Kind: "process", Name: "process", Probe: `probe_success{job="ready"}`})
			case "DATABASE_URL":
				parts = append(parts, monitoring.Part{Kind: "database", Name: "postgresql", Probe: `pg_up{job="postgresql"}`},
					port("postgresql", `probe_success{job="ports",target="postgresql"}`))
			case "REDIS_URL":
				parts = append(parts, monitoring.Part{Kind: "cache", Name: "redis", Probe: `redis_up{job="redis"}`},
					port("redis", `probe_success{job="ports",target="redis"}`))
			case "SMS_URL":
				parts = append(parts, port("sms-gateway", `probe_success{job="ports",target="sms-gateway"}`))
			case "FACE_URL":
				parts = append(parts, port("face-engine", `probe_success{job="ports",target="face-engine"}`))
			}
		}
	}
	return parts
}

// probes are what asks about the parts: the jobs of prometheus.yml, and the business probe.
type probes struct {
	Rules     []string `yaml:"rule_files"` // on Knative
	Jobs      []job    `yaml:"scrape_configs"`
	functions []string
}

type job struct {
	Name    string `yaml:"job_name"`
	Relabel []struct {
		Sources     []string `yaml:"source_labels"`
		Regex       string   `yaml:"regex"`
		Action      string   `yaml:"action"`
		Target      string   `yaml:"target_label"`
		Replacement string   `yaml:"replacement"`
	} `yaml:"relabel_configs"`
	Static []struct {
		Labels map[string]string `yaml:"labels"`
	} `yaml:"static_configs"`
}

func readProbes(t *testing.T) probes {
	t.Helper()
	raw, err := os.ReadFile(root + monitoring.Folder + "/prometheus.yml")
	check.Must(t, err)
	p := probes{functions: probe.Functions()}
	check.Must(t, yaml.Unmarshal(raw, &p))
	return p
}

var (
	jobIn    = regexp.MustCompile(`job="([^"]+)"`)
	targetIn = regexp.MustCompile(`target="([^"]+)"`)
)

// ask reports whether somebody asks the part.
func (p probes) ask(part monitoring.Part) bool {
	switch {
	case part.Kind == "function":
		return slices.Contains(p.functions, part.Name)
	case part.Name == "port 8080": // where the functions answer the business probe
		return len(p.functions) > 0
	}
	job := jobIn.FindStringSubmatch(part.Probe)
	if job == nil {
		return false
	}
	for _, j := range p.Jobs {
		if j.Name != job[1] {
			continue
		}
		if target := targetIn.FindStringSubmatch(part.Probe); target != nil {
			for _, s := range j.Static {
				if s.Labels["target"] == target[1] {
					return true
				}
			}
			return false
		}
		if _, number, isPort := strings.Cut(part.Name, "port "); isPort {
			for _, r := range j.Relabel {
				if strings.Contains(r.Replacement, ":"+number) {
					return true
				}
			}
			return false
		}
		return true
	}
	return false
}

// rules reads the rules of some files, as they are written.
func rules(t *testing.T, patterns ...string) (list []monitoring.Rule) {
	t.Helper()
	for _, pattern := range patterns {
		paths, err := filepath.Glob(root + monitoring.Folder + "/" + pattern)
		check.Must(t, err)
		for _, path := range req.AtLeast(t, 1, paths) {
			raw, err := os.ReadFile(path)
			check.Must(t, err)
			var written struct {
				Groups []monitoring.Group `yaml:"groups"`
			}
			check.Must(t, yaml.Unmarshal(raw, &written))
			for _, g := range written.Groups {
				list = append(list, g.Rules...)
			}
		}
	}
	return list
}

// Every function, worker, store, broker, host and port that the manifests deploy has a
// probe and an alert.
func TestEveryDeployedPartHasAProbeAndAnAlert(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AVAIL-006.1")
	parts := req.AtLeast(t, 35, deployed(t, "infra/knative/base"))
	kinds := map[string]int{}
	for _, p := range parts {
		kinds[p.Kind]++
	}
	onKnative := slices.DeleteFunc(workers.All(), func(w fn.Function) bool { return w.Spec.Queues }) // the others are of AWS
	if kinds["function"] != len(functions.All()) || kinds["worker"] != len(onKnative) || kinds["database"] != 1 ||
		kinds["cache"] != 1 || kinds["broker"] != 1 || kinds["host"] != 1 || kinds["process"] != 1 || kinds["port"] != 8 {
		t.Errorf("the manifests deploy %v", kinds)
	}
	for _, missing := range monitoring.Uncovered(parts, readProbes(t).ask, rules(t, readProbes(t).Rules...)) {
		t.Error(missing)
	}
}

// The check names each part whose probe or alert is taken away, and a function that is
// deployed and that nobody knows.
func TestAPartWithoutAProbeFailsTheCheck(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AVAIL-006.3")
	parts, asked := deployed(t, "infra/knative/base"), readProbes(t)
	alerts := rules(t, asked.Rules...)
	for _, p := range req.AtLeast(t, 35, parts) {
		unasked := func(other monitoring.Part) bool { return other != p && asked.ask(other) }
		want := []string{p.Kind + " " + p.Name + " has no probe"}
		if got := monitoring.Uncovered(parts, unasked, alerts); !slices.Equal(got, want) {
			t.Errorf("without the probe: %q, want %q", got, want)
		}
		silent := slices.DeleteFunc(slices.Clone(alerts), func(r monitoring.Rule) bool {
			return r.Labels["component"] == p.Name && r.Labels["kind"] == p.Kind
		})
		want = []string{p.Kind + " " + p.Name + " has no alert"}
		if got := monitoring.Uncovered(parts, asked.ask, silent); !slices.Equal(got, want) {
			t.Errorf("without the alert: %q, want %q", got, want)
		}
	}
	stranger := monitoring.Part{Kind: "function", Name: "transfer-stray", Probe: `tidebank_probe_success{function="transfer-stray"`}
	want := []string{"function transfer-stray has no probe", "function transfer-stray has no alert"}
	if got := monitoring.Uncovered([]monitoring.Part{stranger}, asked.ask, alerts); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Every alert names a runbook that is there, and every runbook belongs to an alert.
func TestEveryAlertHasARunbook(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, r := range req.AtLeast(t, 50, rules(t, "rules/alerts.yml", "rules/*/alerts.yml")) {
		path := r.Annotations["runbook_url"]
		if _, err := os.Stat(root + path); err != nil || r.Annotations["summary"] == "" || r.Labels["severity"] == "" {
			t.Errorf("%s: runbook %q, summary %q, severity %q", r.Alert, path, r.Annotations["summary"], r.Labels["severity"])
		}
		known[filepath.Base(path)] = true
	}
	books, err := filepath.Glob(root + monitoring.Runbooks + "*.md")
	check.Must(t, err)
	for _, book := range req.AtLeast(t, 20, books) {
		if !known[filepath.Base(book)] {
			t.Errorf("%s belongs to no alert", book)
		}
		text, err := os.ReadFile(book)
		check.Must(t, err)
		for _, link := range regexp.MustCompile(`\]\((\w+\.md)\)`).FindAllSubmatch(text, -1) {
			if !known[string(link[1])] {
				t.Errorf("%s leads to %s, which is not there", book, link[1])
			}
		}
	}
}

// The rules and dashboards use only metrics that the bank, its exporters or the recording
// rules make, and each function has its panels.
func TestRulesAndDashboardsUseMetricsThatExist(t *testing.T) {
	t.Parallel()
	list, err := os.ReadFile(root + "docs/metrics.md")
	check.Must(t, err)
	recorded := map[string]bool{}
	for _, r := range rules(t, "rules/recording.yml") {
		recorded[r.Record] = true
	}
	files, err := monitoring.Files(functions.All(), workers.All())
	check.Must(t, err)
	used := 0
	for path, text := range files {
		for _, found := range regexp.MustCompile(`\btidebank[_:][a-z0-9_:]+`).FindAllString(string(text), -1) {
			name := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(found, "_bucket"), "_count"), "_sum")
			if strings.HasSuffix(name, "ratio_") || strings.HasPrefix(found, "tidebank:errors:ratio_.") { // a pattern
				continue
			}
			if used++; !recorded[found] && !strings.Contains(string(list), "| `"+name+"` |") {
				t.Errorf("%s uses %s, which nobody makes", path, found)
			}
		}
	}
	if used < 100 {
		t.Errorf("only %d uses", used)
	}
	board := string(files[monitoring.Folder+"/dashboards/tidebank-functions.json"])
	for _, f := range functions.All() {
		if strings.Count(board, `"title": "`+f.Spec.Name+" ") != 3 {
			t.Errorf("%s has not its three panels", f.Spec.Name)
		}
	}
}
