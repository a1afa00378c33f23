package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/infra/gen/process"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
	"github.com/tidebank/tidebank/workers"
)

// tide runs the command as a shell would.
func tide(args ...string) (stdout, stderr string, err error) {
	var out, problem bytes.Buffer
	c := newCommand()
	c.SetArgs(args)
	c.SetOut(&out)
	c.SetErr(&problem)
	err = c.Execute()
	return out.String(), problem.String(), err
}

func TestKeysCreate(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	stdout, _, err := tide("keys", "create", "--file", file)
	if err != nil || !strings.Contains(stdout, file) {
		t.Fatalf("it says %q, %v", stdout, err)
	}
	if _, err := keys.Open(t.Context(), keys.Config{File: file}, keys.All()...); err != nil {
		t.Errorf("the keys: %v", err)
	}
	before, err := os.ReadFile(file)
	check.Must(t, err)
	_, stderr, err := tide("keys", "create", "--file", file)
	if !errors.Is(err, fs.ErrExist) || !strings.Contains(stderr, file) {
		t.Errorf("a second time: %q, %v", stderr, err)
	}
	if after, err := os.ReadFile(file); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file changed, %v", err)
	}
}

// The operator renews the channel key step by step. Each step shows the keys.
func TestKeysChannel(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	check.Must(t, keys.Create(file))
	step := func(name string, more ...string) string {
		t.Helper()
		stdout, _, err := tide(append([]string{"keys", "channel", name, "--file", file}, more...)...)
		check.Must(t, err)
		return stdout
	}
	first, _ := strings.CutPrefix(step("list"), "current  ")
	if got := step("add"); !strings.HasPrefix(got, "current  "+first+"next     ") {
		t.Errorf("after add: %q", got)
	}
	promoted := step("promote")
	if !strings.HasPrefix(promoted, "current  ") || !strings.HasSuffix(promoted, "old      "+first) {
		t.Errorf("after promote: %q", promoted)
	}
	if got := step("retire", "--pin", strings.TrimSpace(first)); got+"old      "+first != promoted {
		t.Errorf("after retire: %q", got)
	}
	for _, pin := range []string{strings.TrimSpace(first), "x", ""} {
		if _, _, err := tide("keys", "channel", "retire", "--file", file, "--pin", pin); !errors.Is(err, keys.ErrNotOld) {
			t.Errorf("retire %q: %v", pin, err)
		}
	}
}

func TestKeysAdd(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	check.Must(t, keys.Create(file))
	stdout, _, err := tide("keys", "add", "--file", file)
	if err != nil || !strings.Contains(stdout, "lacks no key") {
		t.Errorf("of a new file it says %q, %v", stdout, err)
	}
	var content map[string]any
	raw, err := os.ReadFile(file)
	check.Must(t, err)
	check.Must(t, json.Unmarshal(raw, &content))
	delete(content, "macs")
	check.Must(t, os.WriteFile(file, check.JSON(t, content), 0o600))
	stdout, _, err = tide("keys", "add", "--file", file)
	if err != nil || !strings.Contains(stdout, "[pepper]") {
		t.Errorf("of an old file it says %q, %v", stdout, err)
	}
	if _, err := keys.Open(t.Context(), keys.Config{File: file}, keys.All()...); err != nil {
		t.Errorf("the keys: %v", err)
	}
}

// Each process gets a file with its own keys: one function's file opens for its purposes,
// and lacks the keys of the others.
func TestKeysExport(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, folder := filepath.Join(dir, "keys.json"), filepath.Join(dir, "own")
	check.Must(t, keys.Create(file))
	stdout, _, err := tide("keys", "export", "--file", file, "--out", folder)
	check.Must(t, err)
	all := process.Describe(functions.All(), workers.All(), events.Declared())
	want := 0
	for _, one := range req.AtLeast(t, 25, append(all.Functions, all.Workers...)) {
		path := filepath.Join(folder, one.Name+".json")
		if len(one.Keys) == 0 {
			if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s uses no keys: %v", one.Name, err)
			}
			continue
		}
		want++
		for _, p := range keys.All() {
			_, err := keys.Open(t.Context(), keys.Config{File: path}, p)
			if declared := slices.Contains(one.Keys, string(p)); declared != (err == nil) {
				t.Errorf("%s opens %s: %v, declares it: %v", one.Name, p, err, declared)
			}
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if n := strings.Count(stdout, "Made "); n != want {
		t.Errorf("it tells of %d files, want %d", n, want)
	}
	if _, _, err := tide("keys", "export", "--file", file, "--out", folder); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second time: %v", err)
	}
	one := filepath.Join(dir, "one")
	_, _, err = tide("keys", "export", "--file", file, "--out", one, "--process", "transfer-confirm")
	check.Must(t, err)
	if made, err := os.ReadDir(one); err != nil || len(made) != 1 || made[0].Name() != "transfer-confirm.json" {
		t.Errorf("for one process: %v, %v", made, err)
	}
}

func TestCommandsThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args string
		says string
	}{
		{"keys create", `"file" not set`},
		{"keys create --file=", "empty"},
		{"keys create --file=x y", "unknown command"},
		{"keys channel add", `"file" not set`},
		{"keys channel retire --file=x", `"pin" not set`},
		{"keys channel list --file=/no/such/file", "no key file"},
		{"keys add", `"file" not set`},
		{"keys add --file=/no/such/file", "no key file"},
		{"keys export --file=x", `"out" not set`},
		{"keys export --file=x --out=y --process=business-probe", "no function or worker of this name has keys"},
		{"keys make", `unknown command "make"`},
		{"events list --sqs", "use it with --dead"},
		{"events replay --sqs --all --reason x --operator y", "use it with --dead"},
		{"lottery", `unknown command "lottery"`},
	} {
		if _, stderr, err := tide(strings.Fields(tt.args)...); err == nil || !strings.Contains(stderr, tt.says) {
			t.Errorf("tide %s: it says %q, %v; want %q", tt.args, stderr, err, tt.says)
		}
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"": "keys", "--help": "keys", "keys": "create", "keys --help": "create", "keys create --help": "--file PATH",
	} {
		stdout, _, err := tide(strings.Fields(args)...)
		if err != nil || !strings.Contains(stdout, want) {
			t.Errorf("tide %s: %q, %v; want help with %q", args, stdout, err, want)
		}
	}
}
