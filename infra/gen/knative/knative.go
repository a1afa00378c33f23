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
	"maps"
	"reflect"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/infra/gen/output"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
)

// Folder is where the files go, below the repository's root.
const Folder = "infra/knative/base"

// Figures of every process. The grace period of a pod is its time-out; it is longer
// than the sum of linger and drain, so that a call in flight always ends.
const (
	linger     = 5 * time.Second
	drain      = 15 * time.Second
	grace      = 30 * time.Second
	userID     = 65532
	connLimit  = 2  // connections of one instance at most
	scaleLimit = 10 // instances of one function at most
)

// secretKeys are the settings that come from a Secret: its name, and the key in it.
// A name that ends in a dash is followed by the process's own name.
var secretKeys = map[string]source{
	"SMS_SECRET": {Secret: "tidebank-sms", Key: "secret"},
	"SMS_URL":    {Secret: "tidebank-sms", Key: "url"},
}

// platformKeys are the settings that Knative itself sets.
var platformKeys = []string{"K_SINK", "SINK_URL"}

type source struct{ Secret, Key string }

// process is what the templates know of a function or a worker.
type process struct {
	Name, Summary string
	Event         bool // only the broker calls it
	DeadLetters   bool // the broker sends it what the others failed to take
	DB, Redis     bool
	Clients       bool // it answers clients, whose addresses count
	Keys          []string
	Secrets       []setting
	Settings      []setting
	Conns         int
	Scale         int
}

// setting is one environment variable: of a Secret, or with a default of its own.
type setting struct {
	Name, Value string
	From        source
}

// bank is what the templates know of the whole bank.
type bank struct {
	Functions, Workers []process
	Subscriptions      events.Subscriptions
	Linger, Drain      string
	Grace, User        int
	Connections        int // of all instances at their greatest scale
}

//go:embed templates/*.yaml
var templates embed.FS

// Files makes every file of the base.
func Files(all, workers []fn.Function, table events.Subscriptions) (output.Files, error) {
	b := bank{
		Subscriptions: table, Linger: linger.String(), Drain: drain.String(), Grace: int(grace.Seconds()), User: userID,
	}
	for _, f := range all {
		b.Functions = append(b.Functions, describe(f))
	}
	for _, w := range workers {
		p := describe(w)
		p.Scale = 2 // one works, the other takes over
		b.Workers = append(b.Workers, p)
	}
	for _, p := range slices.Concat(b.Functions, b.Workers) {
		b.Connections += p.Conns * p.Scale
	}
	helpers := template.FuncMap{"join": strings.Join, "q": quote, "of": of}
	parsed, err := template.New("").Funcs(helpers).ParseFS(templates, "templates/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("knative: %w", err)
	}
	files := output.Files{}
	for _, t := range parsed.Templates() {
		if !strings.HasSuffix(t.Name(), ".yaml") || t.Name() == "parts.yaml" {
			continue
		}
		var text bytes.Buffer
		if err := t.Execute(&text, b); err != nil {
			return nil, fmt.Errorf("knative: %w", err)
		}
		files[Folder+"/"+t.Name()] = text.Bytes()
	}
	return files, nil
}

// describe reads what the templates need from the declaration.
func describe(f fn.Function) process {
	needs := f.Needs()
	p := process{
		Name: f.Spec.Name, Summary: f.Spec.Summary, Event: f.Trigger == fn.TriggerEvent, DeadLetters: f.Spec.DeadLetters,
		DB: needs.DB, Redis: needs.Redis, Clients: needs.Clients, Scale: scaleLimit,
	}
	if needs.DB {
		p.Conns = connLimit
		if f.Trigger == fn.TriggerWorker {
			p.Conns = 4 // and one that listens
		}
	}
	purposes := map[keys.Purpose]bool{}
	for _, k := range needs.Purposes {
		purposes[k] = true
	}
	for k := range maps.Keys(purposes) {
		p.Keys = append(p.Keys, string(k))
	}
	slices.Sort(p.Keys)
	for _, name := range required(f.Config) {
		from, secret := secretKeys[name]
		switch {
		case slices.Contains(platformKeys, name):
		case secret:
			p.Secrets = append(p.Secrets, setting{Name: name, From: from})
		default:
			p.Settings = append(p.Settings, setting{Name: name})
		}
	}
	return p
}

// required lists the keys of a configuration that have no default, in the order of the
// fields.
func required(t reflect.Type) []string {
	var list []string
	for f := range t.Fields() {
		if f.Type.Kind() == reflect.Struct && f.Tag.Get("envconfig") == "" {
			list = append(list, required(f.Type)...)
			continue
		}
		if name := f.Tag.Get("envconfig"); name != "" && f.Tag.Get("required") == "true" {
			list = append(list, name)
		}
	}
	return list
}

// of gives a part of a template the bank and one process.
func of(b bank, p process) map[string]any { return map[string]any{"Bank": b, "Process": p} }

// quote writes a text as a YAML scalar in double quotes.
func quote(text any) string { return fmt.Sprintf("%q", fmt.Sprint(text)) }
