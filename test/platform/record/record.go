// Package record keeps what a run on a real platform has shown, such as
// `make test-knative`, so that the conformance report counts the acceptance points that
// it proves.
//
// A run is no Go test, and `make test` does not start it. So a run writes its result to
// build/platform-<name>.json. The report counts it only if the source is the same:
// every tracked file but documents, without changes that are not committed.
package record

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// Run is what a platform has shown of one source.
type Run struct {
	Name    string  `json:"name"`    // knative
	Command string  `json:"command"` // make test-knative
	Source  string  `json:"source"`
	Checks  []Check `json:"checks"`
}

// Check is the result of one check.
type Check struct {
	Name   string    `json:"name"`
	OK     bool      `json:"ok"`
	Why    string    `json:"why,omitempty"` // it failed
	At     time.Time `json:"at"`
	Points []string  `json:"points,omitempty"` // acceptance points that the check proves if it is OK
}

// Unknown is the source of a tree with changes that are not committed. It equals no
// other source.
const Unknown = ""

// Source identifies the source at root, or returns Unknown. It leaves out documents and
// the folders that are named.
func Source(ctx context.Context, root string, without ...string) (string, error) {
	documents := []string{"--", ".", ":!*.md", ":!docs"}
	for _, folder := range without {
		documents = append(documents, ":!"+folder)
	}
	changed, err := git(ctx, root, append([]string{"status", "--porcelain", "--untracked-files=all"}, documents...)...)
	if err != nil || len(bytes.TrimSpace(changed)) > 0 {
		return Unknown, err
	}
	files, err := git(ctx, root, append([]string{"ls-files", "--stage"}, documents...)...)
	if err != nil {
		return Unknown, err
	}
	sum := sha256.Sum256(files)
	return hex.EncodeToString(sum[:]), nil
}

func git(ctx context.Context, root string, args ...string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...).Output()
	if err != nil {
		return nil, fmt.Errorf("git %s: %w", args[0], err)
	}
	return out, nil
}

func path(folder, name string) string { return filepath.Join(folder, "platform-"+name+".json") }

// Add writes a run into the folder. It keeps earlier checks of the same source that this
// run does not repeat.
func (r Run) Add(folder string) error {
	old, err := read(path(folder, r.Name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil && old.Source == r.Source && r.Source != Unknown {
		for _, c := range old.Checks {
			if !slices.ContainsFunc(r.Checks, func(n Check) bool { return n.Name == c.Name }) {
				r.Checks = append(r.Checks, c)
			}
		}
	}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	if err := os.WriteFile(path(folder, r.Name), text, 0o644); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	return nil
}

// Read returns the runs that the folder holds.
func Read(folder string) ([]Run, error) {
	files, err := filepath.Glob(path(folder, "*"))
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	var list []Run
	for _, file := range files {
		r, err := read(file)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

func read(file string) (r Run, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return r, fmt.Errorf("record: %w", err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("record: %s: %w", file, err)
	}
	return r, nil
}
