// Package record keeps what a run has shown that `make test` does not start itself: a run
// on a real platform (`make test-knative`), the tests of another module
// (`make test-alerts`), or a measurement. The conformance report counts the acceptance
// points of these runs.
//
// A run writes its record to build/platform-<name>.json. `make evidence` copies the records
// of the present source to docs/evidence, where they are committed for auditors. The report
// reads both folders. A record counts only if its source is the report's own: every tracked
// file but documents, without changes that are not committed. So a commit of the record
// itself, or of a document, changes nothing.
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
	"strings"
	"time"
)

// The folders of records, below the root of the repository.
const (
	Fresh    = "build"         // of runs on this machine
	Evidence = "docs/evidence" // for auditors
)

// Run is what a run has shown of one source. Its checks may be of several runs of this
// source; each check says when it ran.
type Run struct {
	Name    string    `json:"name"`    // knative
	Command string    `json:"command"` // make test-knative
	Commit  string    `json:"commit"`
	At      time.Time `json:"at"` // when the run began
	Source  string    `json:"source"`
	Checks  []Check   `json:"checks"`
}

// Check is the result of one check or test.
type Check struct {
	Name    string             `json:"name"`
	Result  Result             `json:"result"`
	Why     string             `json:"why,omitempty"` // it has not passed
	Commit  string             `json:"commit"`
	At      time.Time          `json:"at"`
	Points  []string           `json:"points,omitempty"` // acceptance points that the check proves if it passed
	Figures map[string]float64 `json:"figures,omitempty"`
}

// Result is how a check ended.
type Result string

// The results.
const (
	Passed Result = "passed"
	Failed Result = "failed"
	Void   Result = "void" // a part of it did not run, so it proves nothing
)

// Unknown is the source of a tree with changes that are not committed. It equals no
// other source.
const Unknown = ""

// Begin starts a record of the source at root.
func Begin(ctx context.Context, root, name, command string) (r Run, err error) {
	r = Run{Name: name, Command: command, At: time.Now().Truncate(time.Second)}
	if r.Source, err = Source(ctx, root); err != nil {
		return r, err
	}
	head, err := git(ctx, root, "rev-parse", "--short=12", "HEAD")
	r.Commit = strings.TrimSpace(string(head))
	return r, err
}

// Add adds the result of a check: it passed if err is nil.
func (r *Run) Add(c Check, err error) {
	c.Result = Passed
	if err != nil {
		const longest = 600
		text := strings.Join(strings.Fields(err.Error()), " ")
		c.Result, c.Why = Failed, strings.ToValidUTF8(text[:min(len(text), longest)], "")
	}
	r.Put(c)
}

// Put adds a check with its result.
func (r *Run) Put(c Check) {
	if c.Commit = r.Commit; c.At.IsZero() {
		c.At = r.At
	}
	r.Checks = append(r.Checks, c)
}

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

// Keep ends a run that may have made only some of its checks, and writes it into the
// folder. It keeps the other checks of earlier runs of the same source. The source is
// unknown if it has changed since the run began.
func (r Run) Keep(ctx context.Context, root, folder string) error {
	now, err := Source(ctx, root)
	if err != nil {
		return err
	}
	if now != r.Source {
		r.Source = Unknown
	}
	return r.merge(folder)
}

// Replace does the same for a run that has made all its checks: the folder's earlier
// record goes.
func (r Run) Replace(ctx context.Context, root, folder string) error {
	err := os.Remove(path(folder, r.Name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("record: %w", err)
	}
	return r.Keep(ctx, root, folder)
}

func path(folder, name string) string { return filepath.Join(folder, "platform-"+name+".json") }

// merge writes a run into the folder, with the later result of each check.
func (r Run) merge(folder string) error {
	old, err := read(path(folder, r.Name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil && old.Source == r.Source && r.Source != Unknown {
		r.Checks = Latest(r, old)
	}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	if err := os.WriteFile(path(folder, r.Name), append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	return nil
}

// Latest returns the checks of several records of one source. Of two results of one check,
// the later one counts; of two of the same time, the one of the first record.
func Latest(runs ...Run) (list []Check) {
	for _, r := range runs {
		for _, c := range r.Checks {
			i := slices.IndexFunc(list, func(had Check) bool { return had.Name == c.Name })
			switch {
			case i < 0:
				list = append(list, c)
			case c.At.After(list[i].At):
				list[i] = c
			}
		}
	}
	return list
}

// File is a record and its place.
type File struct {
	Path string
	Run
}

// Read returns the records that the folders hold. A folder may be missing.
func Read(folders ...string) (list []File, err error) {
	for _, folder := range folders {
		paths, err := filepath.Glob(path(folder, "*"))
		if err != nil {
			return nil, fmt.Errorf("record: %w", err)
		}
		for _, file := range paths {
			r, err := read(file)
			if err != nil {
				return nil, err
			}
			list = append(list, File{Path: file, Run: r})
		}
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

// Copy brings the records of a source from one folder to another one. It returns the
// copied files.
func Copy(source, from, to string) (copied []string, err error) {
	list, err := Read(from)
	if err != nil {
		return nil, err
	}
	for _, f := range list {
		if f.Source == Unknown || f.Source != source {
			continue
		}
		if err := f.merge(to); err != nil {
			return copied, err
		}
		copied = append(copied, path(to, f.Name))
	}
	return copied, nil
}
