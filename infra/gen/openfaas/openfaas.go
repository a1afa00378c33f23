// Package openfaas writes the stack files of the bank for OpenFaaS from the declared
// functions, workers and subscriptions: stack.yml for OpenFaaS Standard, with every
// process but that of the platform's dead letters, and a smaller stack for the Community
// Edition. docs/openfaas.md describes both.
//
// OpenFaaS gives secrets as files in one folder, whose names are those of the secrets. So
// each secret key names its file, and each process has secrets of its own for its
// database role and its keys.
package openfaas

import (
	"bytes"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"text/template"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/infra/gen/output"
	"github.com/tidebank/tidebank/infra/gen/process"
	"github.com/tidebank/tidebank/shared/fn"
)

// The files, below the repository's root.
const (
	Standard  = "stack.yml"
	Community = "infra/openfaas/community.yml"
)

// Limits of the Community Edition, in faas-netes.
const (
	communityFunctions = 15
	communityReplicas  = 5
)

// communityCalls are the functions that a client calls in the profile for the Community
// Edition: a customer signs up, logs in, sees the accounts and transfers money. The
// edition takes too few functions for all, so this is a choice. A function that no
// longer exists is left out.
var communityCalls = []string{
	"channel-open", "captcha-issue", "otp-send", "identity-register", "identity-login",
	"account-overview", "transfer-prepare", "transfer-confirm",
}

// secretsFolder is where OpenFaaS mounts secrets.
const secretsFolder = "/var/openfaas/secrets"

// stack is what the template knows of a stack file.
type stack struct {
	Community            bool
	Processes            []process.Process
	Consumers            []string // event functions in the stack, if some are left out
	Absent               []string // functions of no stack
	Linger, Drain, Grace string
	Calls, Connections   int
	Folder               string
}

//go:embed templates/stack.yml
var text string

// Files makes both stack files.
func Files(all, workers []fn.Function, table events.Subscriptions) (output.Files, error) {
	b := process.Describe(all, workers, table)
	// The bank's own broker keeps dead letters itself: nobody would call this function.
	var absent []string
	b.Functions = slices.DeleteFunc(b.Functions, func(p process.Process) bool {
		if p.DeadLetters {
			absent = append(absent, p.Name)
		}
		return p.DeadLetters
	})
	b.Workers = process.WithoutQueues(b.Workers)
	parsed, err := template.New("").Funcs(template.FuncMap{
		"join": strings.Join, "topic": func(p process.Process) string { return strings.Join(p.Consumes, ",") },
		"secret": process.SecretName,
	}).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("openfaas: %w", err)
	}
	files := output.Files{}
	for path, s := range map[string]stack{
		Standard: {Processes: slices.Concat(b.Functions, b.Workers), Absent: absent}, Community: community(b),
	} {
		s.Linger, s.Drain, s.Grace = process.Linger.String(), process.Drain.String(), process.Grace.String()
		s.Calls, s.Folder, s.Connections = process.Calls, secretsFolder, process.Connections(s.Processes, len(s.Processes))
		var written bytes.Buffer
		if err := parsed.Execute(&written, s); err != nil {
			return nil, fmt.Errorf("openfaas: %w", err)
		}
		files[path] = written.Bytes()
	}
	return files, nil
}

// community chooses the processes for the Community Edition: the calls above, the
// workers but the probe, and of the event functions as many as there is room for. The relay then
// delivers to these only. First come those that make customers wait, then the audit, then
// the others; of these, first what hears of transfers, because the calls are there for them.
func community(b process.Bank) stack {
	s := stack{Community: true}
	var consumers []process.Process
	for _, f := range b.Functions {
		if f.Event {
			consumers = append(consumers, f)
		} else if slices.Contains(communityCalls, f.Name) {
			s.Processes = append(s.Processes, f)
		}
	}
	for _, w := range b.Workers {
		if !w.Probes { // it would try functions that are not there
			s.Processes = append(s.Processes, w)
		}
	}
	urgency := []events.Lane{events.LaneCodes, events.LaneAudit, events.LaneEvents}
	rank := func(p process.Process) int {
		of := 2 * slices.Index(urgency, b.Subscriptions.Lane(p.Name))
		if slices.Contains(p.Consumes, events.TypeTransferPosted) {
			return of
		}
		return of + 1
	}
	slices.SortStableFunc(consumers, func(a, b process.Process) int { return rank(a) - rank(b) })
	room := max(0, communityFunctions-len(s.Processes))
	if room < len(consumers) {
		consumers = consumers[:room]
		for _, c := range consumers {
			s.Consumers = append(s.Consumers, c.Name)
		}
	}
	s.Processes = append(s.Processes, consumers...)
	slices.SortStableFunc(s.Processes, func(a, b process.Process) int { return strings.Compare(a.Name, b.Name) })
	for i := range s.Processes {
		s.Processes[i].Scale = min(s.Processes[i].Scale, communityReplicas)
	}
	return s
}
