// Command describe writes the files that it generates from the compiled functions:
// the function index, the OpenAPI description, the error list, the client's methods,
// the event schemas, the lists of retentions and metrics, the functions that the probe tries, the table of subscriptions, the database
// roles, the manifests for Knative and OpenFaaS, the list for AWS, and the rules and dashboards of the monitoring.
package main

import (
	"context"
	"flag"
	"log"
	"maps"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/infra/gen/capacity"
	"github.com/tidebank/tidebank/infra/gen/grants"
	"github.com/tidebank/tidebank/infra/gen/inventory"
	"github.com/tidebank/tidebank/infra/gen/knative"
	"github.com/tidebank/tidebank/infra/gen/monitoring"
	"github.com/tidebank/tidebank/infra/gen/openfaas"
	"github.com/tidebank/tidebank/infra/gen/output"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/workers"
)

func main() {
	check := flag.Bool("check", false, "fail if a file is stale instead of writing it")
	flag.Parse()
	files, err := describe(".", functions.All())
	if err != nil {
		log.Fatal(err)
	}
	if *check {
		err = files.Check()
	} else {
		err = files.Write()
	}
	if err != nil {
		log.Fatal(err)
	}
}

// describe makes every file that this command writes, for the source tree at root.
func describe(root string, all []fn.Function) (output.Files, error) {
	api, err := openAPI(all)
	if err != nil {
		return nil, err
	}
	methods, err := clientAPI(all)
	if err != nil {
		return nil, err
	}
	rights, err := grants.SQL(root, roles(all, workers.All()))
	if err != nil {
		return nil, err
	}
	subscribed, err := declared(functions.Subscriptions())
	if err != nil {
		return nil, err
	}
	tried, err := probed(all)
	if err != nil {
		return nil, err
	}
	measured, err := metrics(context.Background(), all)
	if err != nil {
		return nil, err
	}
	files := output.Files{
		"docs/metrics.md":           metricList(measured),
		"workers/probe/declared.go": tried,
		"infra/roles/roles.sql":     rights,
		"client/api.go":             methods,
		"functions/README.md":       index(all, workers.All()),
		"docs/errors.md":            errorList(all),
		"docs/retention.md":         retention(),
		"docs/openapi.json":         api,
		"events/declared.go":        subscribed,
		"events/subscriptions.yaml": subscriptionList(functions.Subscriptions(), events.Catalogue()),
	}
	if files["docs/step-up.md"], err = stepUp(); err != nil {
		return nil, err
	}
	if files["docs/capacity.md"], err = capacity.Page(); err != nil {
		return nil, err
	}
	if err := addPlatforms(files, all); err != nil {
		return nil, err
	}
	return files, schemas(files)
}

// addPlatforms adds what runs and watches the functions on each platform.
func addPlatforms(files output.Files, all []fn.Function) error {
	subscribed := functions.Subscriptions()
	for _, platform := range []func() (output.Files, error){
		func() (output.Files, error) { return knative.Files(all, workers.All(), subscribed) },
		func() (output.Files, error) { return openfaas.Files(all, workers.All(), subscribed) },
		func() (output.Files, error) { return monitoring.Files(all, workers.All()) },
		func() (output.Files, error) { return inventory.Files(all, workers.All(), subscribed) },
	} {
		more, err := platform()
		if err != nil {
			return err
		}
		maps.Copy(files, more)
	}
	return nil
}
