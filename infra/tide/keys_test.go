package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/test/check"
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

func TestCommandsThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args string
		says string
	}{
		{"keys create", `"file" not set`},
		{"keys create --file=", "empty"},
		{"keys create --file=x y", "unknown command"},
		{"keys add", `"file" not set`},
		{"keys add --file=nowhere", "no such file"},
		{"keys make", `unknown command "make"`},
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
