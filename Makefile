# Everything that people and CI run. `make help` lists it.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
BIN := $(CURDIR)/build/bin
GOLANGCI := $(BIN)/golangci-lint
GOVULNCHECK := $(BIN)/govulncheck
GREMLINS := $(BIN)/gremlins
GITLEAKS := $(BIN)/gitleaks
TOFU := $(BIN)/tofu
TFLINT := $(BIN)/tflint
KUSTOMIZE := $(BIN)/kustomize
TFBUILD := $(CURDIR)/build/terraform
CHECKOV := $(TFBUILD)/checkov/bin/checkov
# The schema of this version of the AWS provider is in version 21.22.1 of the npm package @cdktf/provider-aws.
AWSPROVIDER := $(TFBUILD)/mirror/registry.opentofu.org/hashicorp/aws/6.25.0/$(shell go env GOOS)_$(shell go env GOARCH)
TESTFLAGS ?=

.PHONY: help run demo test quick e2e fuzz bench cover new gen gen-check lint fmt vuln build migrate mutate images render test-images \
	test-manifests test-knative test-events test-openfaas test-ha test-alerts test-aws tf-check secrets release release-check evidence

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

run: ## start the whole bank on this machine (flags: ARGS="--fresh --listen :8081")
	go run ./localstack $(ARGS)

demo: ## be a customer of the running bank (BANK_URL)
	go run ./client/demo

test: ## run every test, most with the race detector, and report what they prove, in build/
	go run ./test/conformance -race -strict

quick: ## run every test without the race detector and without the report (TESTFLAGS)
	go test -timeout 10m $(TESTFLAGS) ./...

e2e: ## only the journeys through the whole bank
	go test -timeout 10m -count=1 ./test/e2e/... ./test/chaos/...

fuzz: ## run each fuzz target for FUZZTIME (10s)
	@grep -rHoE '^func Fuzz[A-Za-z0-9_]+' --include='*_test.go' --exclude-dir=testdata . \
	  | sed -E 's,^(.*)/[^/]*:func (.*)$$,\1 \2,' \
	  | xargs -P 2 -n 2 bash -c 'echo "== $$0 $$1"; go test -run "^$$" -fuzz "^$$1\$$" -fuzztime $${FUZZTIME:-10s} -parallel 1 "$$0"'

bench: ## measure the ratios of docs/performance.md (ARGS="--quick")
	go run ./test/bench $(ARGS)

mutate: $(GREMLINS) ## mutation tests, for hours (PACKAGES="shared/money shared/page")
	go run ./test/mutate -gremlins $(GREMLINS) $(PACKAGES)

cover: ## coverage of the tests, in build/coverage.html
	@mkdir -p build
	go test -timeout 20m -coverpkg=./... -coverprofile=build/coverage.out ./...
	go tool cover -html=build/coverage.out -o build/coverage.html
	go tool cover -func=build/coverage.out | tail -1

TRIGGER ?= query
EVENT ?= com.tidebank.transfer.posted.v1
new: ## scaffold: make new DOMAIN=transfer OP=cancel [TRIGGER=query|command|confirm|event|worker] [EVENT=type]
	go run ./infra/gen new --domain "$(DOMAIN)" --op "$(OP)" --trigger "$(TRIGGER)" --event "$(EVENT)"

gen: ## write what is generated from the functions
	go run ./infra/gen

gen-check: ## fail if something generated is stale
	go run ./infra/gen check
	@go mod tidy -diff

lint: $(GOLANGCI) ## golangci-lint
	$(GOLANGCI) run ./...

fmt: $(GOLANGCI) ## format the code
	$(GOLANGCI) fmt ./...

vuln: $(GOVULNCHECK) ## known vulnerabilities in what the code calls (VULNDB=/folder: an unpacked vulndb.zip, without network)
	$(GOVULNCHECK) $(if $(VULNDB),-db file://$(VULNDB)) ./...

secrets: $(GITLEAKS) ## secrets in the source
	$(GITLEAKS) dir . --config infra/release/gitleaks.toml --no-banner --redact --verbose

release: ## make a release, or say why not (VERSION=v1.2.0 TRUST=/folder VULNDB=/folder; docs/release.md)
	go run ./infra/release make --version "$(VERSION)" --trust "$(TRUST)" --vulndb "$(VULNDB)"

release-check: ## what each commit must hold: plan, assessed components, test data of the reserved ranges
	go run ./infra/release check

build: ## every function's binary, into build/functions
	@mkdir -p build/functions
	CGO_ENABLED=0 go build -trimpath -tags grpcnotrace -ldflags='-s -w' -o build/functions/ ./infra/mains/...

images: ## an OCI image of each function and worker, without Docker (ARGS="--push REGISTRY --tag v1 transfer-confirm")
	cd infra/images && go run . --out $(CURDIR)/build/images $(ARGS)

OVERLAY ?= infra/knative/overlays/prod
render: $(KUSTOMIZE) ## print the manifests for Knative (OVERLAY=infra/knative/overlays/aws, or the folder of a release)
	@$(KUSTOMIZE) build $(OVERLAY)

test-images: ## what an image holds, and that the same source makes the same image
	cd infra/images && go test -count=1 -timeout 10m ./...

test-manifests: ## decode and validate infra/knative by Knative's own types
	cd test/platform/manifests && go test -count=1 -timeout 20m ./...

test-knative: ## run the bank on a real Kubernetes with Knative, as root on Linux (ARGS="--only demo,forged --keep")
	@mkdir -p build/cluster/bin
	@go build -o build/cluster/bin/cluster ./test/platform/cluster
	@build/cluster/bin/cluster $(ARGS)

test-events: ## read events as the official feature files of CloudEvents say
	cd test/platform/cloudevents && go test -count=1 -timeout 5m ./...

test-openfaas: ## decode stack.yml by OpenFaaS' own types, build it, and run the demo behind OpenFaaS' proxy
	cd test/platform/openfaas && go test -count=1 -timeout 20m ./...

test-ha: ## as root on Debian: kill database, cache, instances and sites under load, and count (ARGS="--only primary,site")
	@mkdir -p build
	go run ./test/platform/ha $(ARGS)

test-alerts: ## judge infra/monitoring by promtool and Alertmanager
	go run ./test/conformance -module test/platform/monitoring

test-aws: ## the adapters of AWS, and the demo on them, against an emulator (installed into build/moto)
	go run ./test/conformance -module test/platform/aws

evidence: ## copy the records of platforms and modules to docs/evidence, for auditors
	go run ./test/conformance -evidence

tf-check: $(TOFU) $(TFLINT) $(CHECKOV) $(AWSPROVIDER)/schema.json.gz ## check terraform/ without an account (STEPS="fmt lint validate test checkov")
	@cd infra/tools/awsschema && go test -count=1 ./...
	terraform/check $(STEPS)

migrate: ## bring the database at DATABASE_URL up to date
	go run ./infra/migrations/migrate

$(GOLANGCI):
	GOBIN=$(BIN) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

$(GOVULNCHECK):
	GOBIN=$(BIN) go install golang.org/x/vuln/cmd/govulncheck@v1.9.0

$(GREMLINS):
	GOBIN=$(BIN) go install github.com/go-gremlins/gremlins/cmd/gremlins@v0.6.0

$(GITLEAKS):
	GOBIN=$(BIN) go install github.com/zricethezav/gitleaks/v8@v8.30.1

# With kustomize's library 0.20.1, by which test/platform/manifests renders.
$(KUSTOMIZE):
	@GOBIN=$(BIN) go install sigs.k8s.io/kustomize/kustomize/v5@v5.7.1

$(TOFU): infra/tools/tofu/go.mod
	cd infra/tools/tofu && go build -trimpath -ldflags='-s -w' -o $(TOFU) github.com/opentofu/opentofu/cmd/tofu

$(TFLINT):
	GOBIN=$(BIN) go install github.com/terraform-linters/tflint@v0.64.0

$(CHECKOV):
	python3 -m venv $(TFBUILD)/checkov
	$(TFBUILD)/checkov/bin/pip install --quiet checkov==3.3.30

# A provider that knows the schema of AWS' provider and nothing else, where OpenTofu looks for providers.
$(AWSPROVIDER)/schema.json.gz: $(wildcard infra/tools/awsschema/*.go) infra/tools/awsschema/go.mod
	mkdir -p $(AWSPROVIDER)
	cd $(TFBUILD) && npm pack --silent @cdktf/provider-aws@21.22.1
	cd infra/tools/awsschema && go build -trimpath -ldflags='-s -w' -o $(AWSPROVIDER)/terraform-provider-aws .
	$(AWSPROVIDER)/terraform-provider-aws extract $(TFBUILD)/cdktf-provider-aws-21.22.1.tgz $@
