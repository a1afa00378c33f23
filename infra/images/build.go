package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// target is a program that gets an image.
type target struct{ Name, Package string }

// build compiles the program to a static binary without paths of this machine and
// without the commit: the commit would change every image. With its request traces, gRPC
// (of which the exporter of traces uses types) looks methods up by name, and then the
// linker keeps every method of every type.
func (t target) build(root, arch string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "tidebank-image-")
	if err != nil {
		return nil, fmt.Errorf("folder: %w", err)
	}
	defer os.RemoveAll(dir) // a copy of the binary is in memory
	out := filepath.Join(dir, t.Name)
	cmd := exec.Command("go", "build", "-trimpath", "-tags=grpcnotrace", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", out, t.Package)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOFLAGS=-mod=readonly", "GOWORK=off")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build: %w: %s", err, text)
	}
	binary, err := os.ReadFile(out)
	if err != nil {
		return nil, fmt.Errorf("build: %w", err)
	}
	return binary, nil
}
