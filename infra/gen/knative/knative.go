// Package knative writes the manifests of the bank for Knative from the declared
// functions, workers and subscriptions: infra/knative/base. The overlays beside the
// base are written by hand; docs/knative.md describes both.
//
// Each process gets a service account, a database role and the keys of its own, and
// only the settings that its configuration names.
package knative

import (
	"bytes"
	"embed"
	"fmt"
	"slices"
	"strings"
	"text/template"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/infra/gen/output"
	"github.com/tidebank/tidebank/infra/gen/process"
	"github.com/tidebank/tidebank/shared/fn"
)

// Where the files go, below the repository's root.
const (
	Folder = "infra/knative/base"
	Queues = "infra/knative/queues" // what the base lacks where SQS is the broker (docs/aws.md)
	Edge   = "infra/knative/edge"   // the routes for apps, for each kind of gateway
)

// gateways are the kinds of gateway that the bank has routes for. An overlay takes one.
func gateways() []string { return []string{"gateway-api", "istio", "kourier"} }

// secretKeys are the settings that come from a Secret: its name, and the key in it.
var secretKeys = map[string]source{
	"CERT_ROOTS":  {Secret: "tidebank-cert", Key: "roots"},
	"CERT_SECRET": {Secret: "tidebank-cert", Key: "secret"},
	"CERT_URL":    {Secret: "tidebank-cert", Key: "url"},

	"FACE_SECRET": {Secret: "tidebank-face", Key: "secret"},
	"FACE_URL":    {Secret: "tidebank-face", Key: "url"},

	"SMS_SECRET": {Secret: "tidebank-sms", Key: "secret"},
	"SMS_URL":    {Secret: "tidebank-sms", Key: "url"},

	"PROBE_CUSTOMER":  {Secret: "tidebank-probe", Key: "customer"},
	"PROBE_INBOX_URL": {Secret: "tidebank-probe", Key: "inbox-url"},
}

type source struct{ Secret, Key string }

// deployed is what the templates know of a function or a worker.
type deployed struct {
	process.Process
	Secrets  []setting
	Settings []setting
}

// setting is one environment variable: of a Secret, or with a default of its own.
type setting struct {
	Name, Value string
	From        source
	Later       bool // the Secret may be missing
}

// bank is what the templates know of the whole bank.
type bank struct {
	Functions, Workers []deployed
	Subscriptions      events.Subscriptions
	Routes             []string    // functions that apps call, a longer name before its beginning
	References         []reference // Secrets on AWS
	Linger, Drain      string
	Grace, User, Calls int
	Connections, Wave  int // connections of all instances at most, while a deployment replaces so many Services at a time
	Jobs               []job
}

// job brings the database up to date, before the instances of a release or after them.
type job struct{ Name, Roles string }

//go:embed templates/*.yaml
var templates embed.FS

// Files makes every file of the base.
func Files(all, workers []fn.Function, table events.Subscriptions) (output.Files, error) {
	described := process.Describe(all, workers, table)
	inBase := process.WithoutQueues(described.Workers)
	b := bank{
		Subscriptions: table, Linger: process.Linger.String(), Drain: process.Drain.String(),
		Grace: int(process.Grace.Seconds()), User: process.UserID, Calls: process.Calls, Wave: process.Wave,
		Connections: process.Connections(slices.Concat(described.Functions, inBase), process.Wave),
		Jobs:        []job{{"migrate", "add"}, {"rights", "exact"}},
	}
	for _, p := range described.Functions {
		b.Functions = append(b.Functions, deploy(p))
		if !p.Event {
			b.Routes = append(b.Routes, p.Name)
		}
	}
	slices.Sort(b.Routes)
	slices.Reverse(b.Routes) // Kourier takes the first path that the request's begins with
	onlyQueues := b
	var every []deployed
	for _, p := range slices.Concat(described.Functions, described.Workers) {
		every = append(every, deploy(p))
	}
	onlyQueues.References = references(every)
	for _, p := range described.Workers {
		if p.Queues {
			onlyQueues.Workers = append(onlyQueues.Workers, deploy(p))
		} else {
			b.Workers = append(b.Workers, deploy(p))
		}
	}
	helpers := template.FuncMap{"join": strings.Join, "q": quote, "of": of}
	parsed, err := template.New("").Funcs(helpers).ParseFS(templates, "templates/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("knative: %w", err)
	}
	files := output.Files{}
	for _, t := range parsed.Templates() {
		if !strings.HasSuffix(t.Name(), ".yaml") || t.Name() == "parts.yaml" || strings.HasPrefix(t.Name(), "edge-") {
			continue
		}
		to, of := Folder+"/"+t.Name(), b
		if name, ok := strings.CutPrefix(t.Name(), "queues-"); ok {
			to, of = Queues+"/"+name, onlyQueues
		}
		if files[to], err = executed(t, of); err != nil {
			return nil, err
		}
	}
	if files[SecretsPage], err = page(every); err != nil {
		return nil, err
	}
	if files[Queues+"/workers.yaml"], err = executed(parsed.Lookup("workers.yaml"), onlyQueues); err != nil {
		return nil, err
	}
	return files, routes(files, parsed, b)
}

// routes adds the files of each kind of gateway.
func routes(files output.Files, parsed *template.Template, b bank) error {
	for _, gateway := range gateways() {
		made := map[string]string{"routes.yaml": "edge-" + gateway + ".yaml", "kustomization.yaml": "edge-kustomization.yaml"}
		if gateway == "gateway-api" {
			made["grant.yaml"] = "edge-grant.yaml"
		}
		for name, from := range made {
			text, err := executed(parsed.Lookup(from), b)
			if err != nil {
				return err
			}
			files[Edge+"/"+gateway+"/"+name] = text
		}
	}
	return nil
}

func executed(t *template.Template, b bank) ([]byte, error) {
	var text bytes.Buffer
	if err := t.Execute(&text, b); err != nil {
		return nil, fmt.Errorf("knative: %w", err)
	}
	return text.Bytes(), nil
}

// deploy sorts the settings of a process by where they come from.
func deploy(p process.Process) deployed {
	d := deployed{Process: p}
	for _, s := range p.Required {
		if from, secret := secretKeys[s.Name]; secret {
			d.Secrets = append(d.Secrets, setting{Name: s.Name, From: from, Later: s.Later})
			continue
		}
		d.Settings = append(d.Settings, setting{Name: s.Name})
	}
	if p.Queues { // the worker refuses an empty one itself
		d.Settings = append(d.Settings, setting{Name: "FUNCTIONS_URL"})
	}
	return d
}

// of gives a part of a template the bank and one process.
func of(b bank, p deployed) map[string]any { return map[string]any{"Bank": b, "Process": p} }

// quote writes a text as a YAML scalar in double quotes.
func quote(text any) string { return fmt.Sprintf("%q", fmt.Sprint(text)) }
