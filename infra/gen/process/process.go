// Package process describes the bank's processes to the generators of manifests: what
// each function and worker needs, and the figures that hold for all of them, whatever the
// platform.
package process

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
)

// Figures of every process. The grace period of a process is longer than the sum of
// linger and drain, so that a call in flight always ends.
const (
	Linger = 5 * time.Second
	Drain  = 15 * time.Second
	Grace  = 30 * time.Second
	UserID = 65532
	Calls  = 80 // at once in one instance of a function

	HashCalls = 4      // at once in an instance that hashes passwords, before another one starts
	HashCPU   = "100m" // of such an instance: where the processors are busy, its share of them is by this figure

	ConnLimit       = 2  // connections of one instance of a function at most
	WorkerConnLimit = 4  // of one instance of a worker, besides the one of a worker that listens
	ScaleLimit      = 6  // instances of one function at most
	LoginScale      = 30 // instances of a function that hashes passwords to start sessions (docs/capacity.md)
	WorkerScale     = 2  // they share the work, and one goes on without the other

	Wave = 4 // Services that infra/knative/deploy replaces at a time (DEPLOY_WAVE)
)

// Process is a function or a worker.
type Process struct {
	Name, Summary string
	Worker        bool
	Event         bool // only a broker calls it
	DeadLetters   bool // a broker sends it what the others failed to take
	Probes        bool // it tries the functions as a client; one instance of it runs
	Queues        bool // a worker that only a platform with queues runs (docs/aws.md)
	DB, Redis     bool
	Clients       bool // it answers clients, whose addresses count
	Keys          []string
	Required      []Setting // settings without a default, besides those of the stores, keys and proxies
	Optional      []string  // keys of its other settings
	Consumes      []string  // event types, of an event function
	Timeout       time.Duration
	Conns         int // of the pool of an instance
	Listens       bool
	Scale         int    // instances at most
	Target        int    // calls at once in an instance, before another one starts
	CPU           string // of an instance, which the platform reserves
}

// Setting is one environment variable. A secret one may name a file instead.
type Setting struct {
	Name   string
	Secret bool
	Later  bool // the process starts without it: nobody can make it before the bank serves
}

// Bank is every process.
type Bank struct {
	Functions, Workers []Process
	Subscriptions      events.Subscriptions
}

// Describe reads the declarations.
func Describe(all, workers []fn.Function, table events.Subscriptions) Bank {
	b := Bank{Subscriptions: table}
	for _, f := range all {
		b.Functions = append(b.Functions, describe(f))
	}
	for _, w := range workers {
		b.Workers = append(b.Workers, describe(w))
	}
	return b
}

// WithoutQueues returns the workers that every platform runs.
func WithoutQueues(workers []Process) []Process {
	return slices.DeleteFunc(slices.Clone(workers), func(p Process) bool { return p.Queues })
}

// Connections is how many connections the processes have open at most: at their greatest
// scale, while a deployment replaces all workers, and so many functions at a time. The old
// instances of these stand beside the new ones. The functions with the most connections
// count twice, because any functions may be replaced together.
func Connections(list []Process, wave int) (sum int) {
	var functions []int
	for _, p := range list {
		open := p.connections()
		sum += open
		if p.Worker {
			sum += open
			continue
		}
		functions = append(functions, open)
	}
	slices.Sort(functions)
	for _, open := range functions[max(0, len(functions)-wave):] {
		sum += open
	}
	return sum
}

// connections are those of a process at its greatest scale, in one version.
func (p Process) connections() int {
	each := p.Conns
	if p.Listens {
		each++
	}
	return each * p.Scale
}

func describe(f fn.Function) Process {
	needs := f.Needs()
	p := Process{
		Name: f.Spec.Name, Summary: f.Spec.Summary,
		Worker: f.Trigger == fn.TriggerWorker, Event: f.Trigger == fn.TriggerEvent, DeadLetters: f.Spec.DeadLetters,
		Probes: f.Spec.Probes,
		Queues: f.Spec.Queues, Listens: f.Spec.Listens,
		DB: needs.DB, Redis: needs.Redis, Clients: needs.Clients,
		Consumes: f.Spec.Consumes, Timeout: f.Spec.Timeout, Scale: ScaleLimit, Target: Calls, CPU: "25m",
	}
	p.settings(f.Config)
	if p.Timeout == 0 {
		p.Timeout = fn.DefaultTimeout
	}
	if slices.Contains(needs.Purposes, keys.Pepper) {
		p.Target, p.CPU = HashCalls, HashCPU
		if f.Spec.Session == fn.SessionStarts {
			p.Scale, p.CPU = LoginScale, "500m"
		}
	}
	conns := ConnLimit
	if p.Worker {
		p.Scale, conns = WorkerScale, WorkerConnLimit
		if f.Spec.Probes {
			p.Scale = 1
		}
	}
	if needs.DB {
		p.Conns = conns
	}
	for _, k := range needs.Purposes {
		p.Keys = append(p.Keys, string(k))
	}
	slices.Sort(p.Keys)
	p.Keys = slices.Compact(p.Keys)
	return p
}

// settings lists the keys of a configuration, in the order of the fields.
func (p *Process) settings(t reflect.Type) {
	for f := range t.Fields() {
		name := f.Tag.Get("envconfig")
		switch {
		case name == "" && f.Type.Kind() == reflect.Struct:
			p.settings(f.Type)
		case name == "":
		case f.Tag.Get("required") == "true" || f.Tag.Get("later") == "true":
			p.Required = append(p.Required, Setting{
				Name: name, Secret: f.Tag.Get("secret") == "true", Later: f.Tag.Get("later") == "true",
			})
		default:
			p.Optional = append(p.Optional, name)
		}
	}
}

// SecretName is the name of the secret that several processes share for a key: SMS_URL is
// in tidebank-sms-url.
func SecretName(key string) string {
	return "tidebank-" + strings.ToLower(strings.ReplaceAll(key, "_", "-"))
}

// DatabaseSecret is the name of the secret with the process's own address of the database.
func (p Process) DatabaseSecret() string { return SecretName(p.Name + "-database-url") }

// Takes reports whether the process reads a setting that has a default.
func (p Process) Takes(key string) bool { return slices.Contains(p.Optional, key) }
