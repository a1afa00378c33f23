package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// revisionFile holds the revision of the SQL functions and their digest.
const revisionFile = "infra/migrations/functions.txt"

// revision raises the revision if the SQL functions are not those of the digest. So the
// migrations of an earlier release know a later one's (infra/migrations).
func revision(root string) ([]byte, error) {
	list, err := filepath.Glob(filepath.Join(root, "infra/migrations/functions/*.sql"))
	if err != nil {
		return nil, fmt.Errorf("revision: %w", err)
	}
	sum := sha256.New()
	for _, path := range list {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("revision: %w", err)
		}
		fmt.Fprintf(sum, "%s %d\n%s", filepath.Base(path), len(text), text) // a hash takes all
	}
	digest := fmt.Sprintf("%x", sum.Sum(nil))
	var number int
	var known string
	old, err := os.ReadFile(filepath.Join(root, revisionFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("revision: %w", err)
	default:
		if _, err := fmt.Sscanf(string(old), "%d %s\n", &number, &known); err != nil {
			return nil, fmt.Errorf("%s is not a number and a digest (after a conflict, take either side): %w", revisionFile, err)
		}
	}
	if digest != known {
		number++
	}
	return fmt.Appendf(nil, "%d %s\n", number, digest), nil
}
