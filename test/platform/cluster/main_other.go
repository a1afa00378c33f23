//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "test-knative: a cluster on this machine needs Linux: its namespaces and cgroups")
	os.Exit(2)
}
