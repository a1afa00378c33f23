//go:build !linux

// Command ha needs Linux: it reads /proc, and ends processes with their parent.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "make test-ha needs root on Debian Linux")
	os.Exit(1)
}
