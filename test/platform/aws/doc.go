// Package aws proves the adapters of AWS against an emulator, and the bank on them: what
// Terraform and the emulator make of infra/aws/inventory.json is what the processes need.
// `make test-aws` runs it. It has a module of its own, so that `go test ./...` of the bank
// needs no Python.
package aws
