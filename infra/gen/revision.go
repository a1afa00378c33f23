package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tidebank/tidebank/shared/sm"
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
	var parts [][]byte
	for _, path := range list {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("revision: %w", err)
		}
		parts = append(parts, []byte(filepath.Base(path)), []byte{0}, text, []byte{0})
	}
	digest := fmt.Sprintf("%x", sm.Digest(parts...))
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
