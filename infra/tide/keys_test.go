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
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
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
	receiver, stdout := exportTo(t, file, folder)
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
			_, err := keys.Open(t.Context(), keys.Config{File: path, Receiver: receiver}, p)
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
	again, pin := newReceiver(t)
	_, _, err := tide("keys", "export", "--file", file, "--receiver", again+".pub", "--pin", pin, "--out", folder)
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second time: %v", err)
	}
	one := filepath.Join(dir, "one")
	exportTo(t, file, one, "--process", "transfer-confirm")
	if made, err := os.ReadDir(one); err != nil || len(made) != 1 || made[0].Name() != "transfer-confirm.json" {
		t.Errorf("for one process: %v, %v", made, err)
	}
}

// stores are the purposes whose keys seal rows of the database.
var stores = []keys.Purpose{keys.Storage, keys.Credential, keys.Token}

// Functions that keep different things in the database have different keys for it. Each
// opens what it has sealed. The file of another one refuses this, and none of its keys opens
// it by hand.
func TestFunctionsHaveTheirOwnDatabaseKeys(t *testing.T) {
	t.Parallel()
	req.Covers(t, "KEY-008.3")
	dir := t.TempDir()
	file, folder := filepath.Join(dir, "keys.json"), filepath.Join(dir, "own")
	check.Must(t, keys.Create(file))
	receiver, _ := exportTo(t, file, folder)
	own := map[keys.Purpose]string{} // a function whose only key for the database is of this purpose
	for _, f := range functions.All() {
		has := slices.DeleteFunc(slices.Clone(stores), func(p keys.Purpose) bool { return !slices.Contains(f.Needs().Purposes, p) })
		if len(has) == 1 && f.Needs().DB {
			own[has[0]] = f.Spec.Name
		}
	}
	if len(own) != len(stores) {
		t.Fatalf("functions with a database key of their own: %v", own)
	}
	place, text := keys.AAD("table", "column", "row"), []byte("王小明")
	path := func(p keys.Purpose) string { return filepath.Join(folder, own[p]+".json") }
	ring := func(p keys.Purpose) *keys.Ring {
		opened, err := keys.Open(t.Context(), keys.Config{File: path(p), Receiver: receiver}, p)
		check.Must(t, err)
		return opened
	}
	for _, mine := range stores {
		sealed, err := ring(mine).Seal(mine, place, text)
		check.Must(t, err)
		for _, other := range stores {
			got, err := ring(other).Open(other, place, sealed)
			if opens := err == nil && bytes.Equal(got, text); opens != (mine == other) {
				t.Errorf("%s has sealed, %s opens: %q, %v", own[mine], own[other], got, err)
			}
			if opens := opensByHand(t, file, own[other], place, sealed); opens != (mine == other) {
				t.Errorf("%s has sealed, a key of %s opens it: %v", own[mine], own[other], opens)
			}
			if _, err := ring(other).Seal(mine, place, text); (err == nil) != (mine == other) {
				t.Errorf("%s seals for %s: %v", own[other], mine, err)
			}
		}
	}
}

// opensByHand tries all keys of a process on a sealed text, past the rules of package keys.
func opensByHand(t *testing.T, file, process string, place, sealed []byte) bool {
	t.Helper()
	return slices.ContainsFunc(keytest.Clear(t, file, purposesOf(process)...), func(raw []byte) bool {
		key, err := sm.Subkey(sm.Key(raw[:16]), place)
		check.Must(t, err)
		_, err = sm.Open(key, sealed[3:], place)
		return err == nil
	})
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
		{"keys receiver", `"out" not set`},
		{"keys export --file=x --out=y", `"pin", "receiver" not set`},
		{"keys export --file=x --receiver=x --pin=00 --out=y --process=business-probe", "no function or worker of this name has keys"},
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
