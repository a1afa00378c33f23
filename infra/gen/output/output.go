// Package output writes generated files, or finds the files that are stale.
package output

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Files are generated contents by path.
type Files map[string][]byte

// Write stores the files that differ.
func (f Files) Write() error {
	for path, content := range f {
		if same(path, content) {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // source folders
			return fmt.Errorf("generate: %w", err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil { //nolint:gosec // source files
			return fmt.Errorf("generate: %w", err)
		}
	}
	return nil
}

// ErrStale reports that the generated files are not up to date.
var ErrStale = errors.New("generated files are stale: run make gen and commit the changes")

// Check names the files that differ.
func (f Files) Check() error {
	var stale error
	for path, content := range f {
		if !same(path, content) {
			fmt.Fprintln(os.Stderr, "stale:", path)
			stale = ErrStale
		}
	}
	return stale
}

func same(path string, content []byte) bool {
	old, err := os.ReadFile(path)
	return err == nil && bytes.Equal(old, content)
}
