package monitoring

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidebank/tidebank/shared/downstream"
	"github.com/tidebank/tidebank/shared/fn"
)

// Part is a part of the bank that must be monitored.
type Part struct {
	Kind string // function, worker, process, database, cache, broker, service, host or port
	Name string // the label component of its alert
	// Probe is the series that tells whether the part works: 1 or 0.
	Probe string
	On    Platform
}

// Platform is where a part exists. Each platform has a folder for the rules about its own
// parts, so that no platform raises an alert for a part that it lacks.
type Platform string

// The platforms with parts of their own. OpenFaaS has none.
const (
	Everywhere Platform = ""
	Knative    Platform = "knative" // Knative's broker, and the function that takes its dead letters
	AWS        Platform = "aws"     // the worker that takes events from SQS (docs/aws.md)
)

// The kinds.
const (
	KindFunction = "function"
	KindWorker   = "worker"
	KindProcess  = "process" // every instance of a function or worker
	KindDatabase = "database"
	KindCache    = "cache"
	KindBroker   = "broker"
	KindService  = "service"
	KindHost     = "host"
	KindPort     = "port"
)

// The ports of every process of the bank, by the names of the manifests' own.
const (
	portPublic = 8080
	portAdmin  = 9464
)

// Edge is the port where the bank's customers come in.
const Edge = "edge"

// Parts lists the parts: the functions and workers of the registries, the services that they
// call, the hosts, and every port.
func Parts(all, workers []fn.Function) []Part {
	var parts []Part
	for _, f := range all {
		probe, on := fmt.Sprintf(`tidebank_probe_success{function=%q,step="answers"}`, f.Spec.Name), Everywhere
		if f.Spec.DeadLetters {
			on = Knative
		}
		parts = append(parts, Part{KindFunction, f.Spec.Name, probe, on})
	}
	for _, w := range workers {
		on := Everywhere
		if w.Spec.Queues {
			on = AWS
		}
		parts = append(parts, Part{KindWorker, w.Spec.Name, fmt.Sprintf(`up{job="tidebank",process=%q}`, w.Spec.Name), on})
	}
	stores := []Part{
		{KindDatabase, string(downstream.PostgreSQL), `pg_up{job="postgresql"}`, Everywhere},
		{KindCache, string(downstream.Redis), `redis_up{job="redis"}`, Everywhere},
		{KindBroker, string(downstream.Broker), `up{job="event-broker"}`, Knative},
		{KindService, string(downstream.SMS), `probe_success{job="ports",target="sms-gateway"}`, Everywhere},
		{KindService, string(downstream.Face), `probe_success{job="ports",target="face-engine"}`, Everywhere},
		{KindHost, "host", `up{job="host"}`, Everywhere},
	}
	parts = append(parts, stores...)
	for _, target := range []string{
		Edge, string(downstream.PostgreSQL), string(downstream.Redis), string(downstream.Broker), string(downstream.SMS),
		string(downstream.Face),
	} {
		on := Everywhere
		if target == string(downstream.Broker) {
			on = Knative
		}
		parts = append(parts, Part{KindPort, "port " + target, fmt.Sprintf(`probe_success{job="ports",target=%q}`, target), on})
	}
	return append(parts,
		Part{KindProcess, "process", `probe_success{job="ready"}`, Everywhere},
		Part{KindPort, fmt.Sprint("port ", portPublic), `tidebank_probe_success{step="answers"}`, Everywhere},
		Part{KindPort, fmt.Sprint("port ", portAdmin), `up{job="tidebank"}`, Everywhere})
}

// partAlerts makes the alerts about the parts of a platform: one rule for each part. A part
// whose probe tells nothing raises its alert too, so that no part is ever without a probe.
// Only the processes and their two ports may have no series: all functions may be scaled to
// zero, and the rules of the functions tell that the business probe has no results.
func partAlerts(parts []Part, on Platform) []Rule {
	var rules []Rule
	for _, p := range parts {
		if p.On != on {
			continue
		}
		down := fmt.Sprintf("min(%s) == 0", p.Probe)
		either := fmt.Sprintf("%s or absent(%s)", down, p.Probe)
		switch p.Kind {
		case KindFunction:
			rules = append(rules, alert("FunctionDown", critical, layerSymptom, "1m", down,
				"函数 "+p.Name+" 没有给出探测所期望的应答", "component", p.Name, "kind", p.Kind),
				alert("FunctionNotProbed", critical, layerProcess, "5m", fmt.Sprintf("absent(%s)", p.Probe),
					"函数 "+p.Name+" 没有业务探测的结果", "component", p.Name, "kind", p.Kind))
		case KindWorker:
			rules = append(rules, alert("WorkerDown", critical, layerProcess, "2m",
				fmt.Sprintf("max(%s) == 0 or absent(%s)", p.Probe, p.Probe),
				"后台进程 "+p.Name+" 没有一个实例在运行", "component", p.Name, "kind", p.Kind))
		case KindHost:
			rules = append(rules, alert("HostDown", critical, layerProcess, "2m",
				fmt.Sprintf("%s == 0 or absent(%s)", p.Probe, p.Probe),
				"主机 {{ $labels.instance }} 没有应答", "component", p.Name, "kind", p.Kind))
		case KindProcess:
			rules = append(rules, alert("NotReady", warning, layerProcess, "3m", p.Probe+" == 0",
				"进程 {{ $labels.process }} 的实例 {{ $labels.instance }} 不能处理请求", "component", p.Name, "kind", p.Kind))
		case KindPort:
			rules = append(rules, portAlert(p, either))
		default:
			rules = append(rules, alert("DependencyDown", critical, layerDependency, "1m", either,
				"依赖 "+p.Name+" 没有应答", "component", p.Name, "kind", p.Kind, "dependency", p.Name))
		}
	}
	return rules
}

func portAlert(p Part, either string) Rule {
	switch p.Name {
	case "port 8080":
		return alert("PortClosed", critical, layerSymptom, "1m", fmt.Sprintf("max(%s) == 0", p.Probe),
			"没有一个函数在端口 8080 应答业务探测", "component", p.Name, "kind", p.Kind)
	case "port 9464":
		return alert("ScrapeFailing", warning, layerProcess, "3m", p.Probe+" == 0",
			"进程 {{ $labels.process }} 的实例 {{ $labels.instance }} 没有提供指标", "component", p.Name, "kind", p.Kind)
	}
	return alert("PortClosed", critical, layerDependency, "1m", either, p.Name+" 不能连接", "component", p.Name, "kind", p.Kind)
}

// Uncovered lists the deployed parts without a probe or without an alert. probed tells
// whether somebody asks the part. The alerts are the rules as they are written: the alert
// of a part carries its name, and follows its probe.
func Uncovered(deployed []Part, probed func(Part) bool, alerts []Rule) []string {
	var missing []string
	for _, p := range deployed {
		if !probed(p) {
			missing = append(missing, p.Kind+" "+p.Name+" has no probe")
		}
		named := func(r Rule) bool {
			return r.Alert != "" && r.Labels["component"] == p.Name && r.Labels["kind"] == p.Kind && strings.Contains(r.Expr, p.Probe)
		}
		if !slices.ContainsFunc(alerts, named) {
			missing = append(missing, p.Kind+" "+p.Name+" has no alert")
		}
	}
	return missing
}
