package main

import (
	"strings"

	"github.com/tidebank/tidebank/infra/gen/grants"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/risk"
)

// roles lists what gets a database role: each function with a database, and each worker
// with one.
func roles(all, workers []fn.Function) []grants.Role {
	var list []grants.Role
	for _, f := range all {
		if f.Spec.NoDatabase {
			continue
		}
		domain, operation, _ := strings.Cut(f.Spec.Name, "-")
		list = append(list, grants.Role{
			Name: f.Spec.Name, Folder: "functions/" + domain + "/" + strings.ReplaceAll(operation, "-", ""), Roots: roots(f),
		})
	}
	for _, w := range workers {
		if w.Spec.NoDatabase {
			continue
		}
		_, folder, _ := strings.Cut(w.Spec.Name, "-")
		list = append(list, grants.Role{Name: w.Spec.Name, Folder: "workers/" + strings.ReplaceAll(folder, "-", ""), Roots: roots(w)})
	}
	return list
}

// roots names what the runtime runs on the database for a function (shared/fn).
func roots(f fn.Function) []string {
	var list []string
	if f.Trigger == fn.TriggerEvent && !f.Spec.DeadLetters {
		list = append(list, "events.Seen", "events.Claim")
	}
	if f.Spec.Audit != fn.AuditNone {
		list = append(list, "events.Emit")
	}
	if f.Spec.RecordsRefused {
		list = append(list, "events.EmitOnce")
	}
	if f.Spec.Idempotent {
		list = append(list, "shared/idem.QueueLookup", "shared/idem.Record")
	}
	if f.Spec.Risk != risk.None {
		list = append(list, "shared/customer.QueueGrade", "shared/environment.QueueStanding")
	}
	if f.Spec.StepUp {
		list = append(list, "shared/stepup.Verification.QueueProofs", "shared/stepup.Verification.Verify",
			"shared/stepup.Verification.Settle", "shared/stepup.Verified.Consume")
	}
	return list
}
