package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// workshop is the folder in which gremlins makes and tests mutants.
type workshop struct {
	dir      string
	gremlins string
	env      []string
	watch    io.Writer // receives the output of the commands
}

// realGo names the go command for goCommand.
const realGo = "MUTATE_GO"

func newWorkshop(ctx context.Context, gremlins string, watch io.Writer) (*workshop, error) {
	gremlins, err := filepath.Abs(gremlins)
	if err != nil {
		return nil, fmt.Errorf("gremlins: %w", err)
	}
	command, err := exec.LookPath("go")
	if err != nil {
		return nil, fmt.Errorf("go: %w", err)
	}
	flags, err := exec.CommandContext(ctx, command, "env", "GOFLAGS").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("executable: %w", err)
	}
	dir, err := os.MkdirTemp("", "tidebank-mutate-")
	if err != nil {
		return nil, fmt.Errorf("folder: %w", err)
	}
	w := &workshop{dir: dir, gremlins: gremlins, watch: watch}
	// -trimpath: the copies share the build cache. -count=1: a cached pass would make the time limit far too
	// short. -vet=off: only tests may kill. rapid: a failure is enough, and one mutant's must not help against the next.
	w.env = append(os.Environ(), "PATH="+w.path("bin")+string(os.PathListSeparator)+os.Getenv("PATH"), realGo+"="+command,
		"GOFLAGS="+strings.TrimSpace(string(flags))+" -trimpath -count=1 -vet=off",
		"RAPID_SHRINKTIME=0s", "RAPID_NOFAILFILE=true", "NO_COLOR=1")
	err = errors.Join(os.Mkdir(w.path("bin"), 0o755), os.Symlink(self, w.path("bin/go")), copyModule(w.path("module"), "."))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return w, nil
}

func (w *workshop) path(name string) string { return filepath.Join(w.dir, name) }

// copyModule copies the module's files, except hidden files and build output.
func copyModule(to, from string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		switch {
		case path == "build" || path != "." && strings.HasPrefix(name, "."):
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case entry.IsDir():
			return os.MkdirAll(filepath.Join(to, path), 0o755)
		case !entry.Type().IsRegular():
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, path), content, 0o644)
	})
}

// mutate tries all mutants of a package.
func (w *workshop) mutate(ctx context.Context, t target) ([]mutant, error) {
	// The time limit is a multiple of the time of gremlins' first run. The first run
	// must compile only the package, like each later run.
	if err := w.inModule(ctx, "go", "test", "-run", "^$", "./"+t.dir); err != nil {
		return nil, err
	}
	out := w.path("mutants.json")
	args := []string{"unleash", "--workers", "1", "--timeout-coefficient", "20", "--output", out}
	others, err := t.excluded(w.path("module"))
	if err != nil {
		return nil, err
	}
	for _, name := range others {
		args = append(args, "--exclude-files", name)
	}
	if err := w.inModule(ctx, w.gremlins, append(args, "./"+t.dir)...); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx) // gremlins reports no error after an interrupt
	}
	raw, err := os.ReadFile(out)
	if err != nil {
		return nil, fmt.Errorf("gremlins found no mutant: %w", err)
	}
	if err := os.Remove(out); err != nil {
		return nil, fmt.Errorf("result: %w", err)
	}
	return readMutants(raw, w.path("module"), t.dir)
}

// excluded returns the patterns of the files that are not mutated.
func (t target) excluded(module string) ([]string, error) {
	patterns := []string{"^testdata/"}
	if len(t.files) == 0 {
		return patterns, nil
	}
	paths, err := filepath.Glob(filepath.Join(module, t.dir, "*.go"))
	if err != nil {
		return nil, fmt.Errorf("files: %w", err)
	}
	for _, p := range paths {
		if name := filepath.Base(p); !slices.Contains(t.files, name) {
			patterns = append(patterns, "^"+regexp.QuoteMeta(name)+"$")
		}
	}
	return patterns, nil
}

// inModule runs a command in the copy. An error holds the command's whole output.
func (w *workshop) inModule(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	if name == "go" {
		cmd.Path = w.path("bin/go")
		cmd.Err = nil
	}
	cmd.Dir, cmd.Env = w.path("module"), w.env
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	var out bytes.Buffer
	cmd.Stdout = io.MultiWriter(&out, w.watch)
	cmd.Stderr = cmd.Stdout
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(name), err, &out)
	}
	return nil
}

// shortest is the minimum time of gremlins' first run. The time limit of later runs
// is twenty times this time, because each must compile a mutant, perhaps on a busy
// machine.
const shortest = 3 * time.Second

// goCommand replaces the go command while gremlins runs. The go command exits with 1
// for a failing test and for code that doesn't compile, and gremlins takes 1 for
// killed. So goCommand exits with 2, not viable, for code that doesn't compile.
// goCommand also completes the coverage profile.
func goCommand(args []string) int {
	var out bytes.Buffer
	cmd := exec.CommandContext(context.Background(), os.Getenv(realGo), args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	err := cmd.Run()
	if slices.Contains(args, "-coverprofile") {
		time.Sleep(shortest - time.Since(began))
		if err == nil {
			if err = fillProfile(args); err != nil {
				fmt.Fprintln(&out, err)
			}
		}
	}
	_, _ = os.Stdout.Write(out.Bytes()) // gremlins shows the output when the tests fail without a mutant
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case bytes.Contains(out.Bytes(), []byte("[build failed]")):
		return 2
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return 1
}

// readMutants reads gremlins' result for a package, and looks up the lines.
func readMutants(raw []byte, module, dir string) ([]mutant, error) {
	var doc struct {
		Files []struct {
			Name      string `json:"file_name"`
			Mutations []struct {
				Type   string `json:"type"`
				Status string `json:"status"`
				Line   int    `json:"line"`
				Column int    `json:"column"`
			} `json:"mutations"`
		} `json:"files"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("result: %w", err)
	}
	var all []mutant
	for _, f := range doc.Files {
		file := filepath.ToSlash(filepath.Join(dir, f.Name))
		source, err := os.ReadFile(filepath.Join(module, file))
		if err != nil {
			return nil, fmt.Errorf("source: %w", err)
		}
		lines := strings.Split(string(source), "\n")
		for _, m := range f.Mutations {
			all = append(all, mutant{
				survivor: survivor{File: file, Mutation: m.Type, Line: mark(lines[m.Line-1], m.Column)},
				status:   m.Status, number: m.Line,
			})
		}
	}
	slices.SortFunc(all, func(a, b mutant) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.number, b.number), cmp.Compare(a.Line, b.Line))
	})
	return all, nil
}
