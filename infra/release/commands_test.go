package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/infra/record"
	"github.com/tidebank/tidebank/test/check"
)

// release runs a command, and returns all that it prints.
func release(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	c := newCommand()
	c.SetArgs(args)
	c.SetOut(&out)
	c.SetErr(&out)
	err := c.ExecuteContext(t.Context())
	return out.String(), err
}

// A person makes a key, whose public part goes into the trust file, and signs a record
// with it. A key is never overwritten.
func TestAPersonSigns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	public, err := release(t, "key", dir+"/li.key")
	check.Must(t, err)
	if info, err := os.Stat(dir + "/li.key"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key file: %v, %v", info, err)
	}
	if _, err := release(t, "key", dir+"/li.key"); err == nil {
		t.Error("a key was overwritten")
	}
	write(t, dir+"/r.yaml", "kind: exception\nsubject: GO-2026-1\nat: \"2026-11-26\"\nby: li\nsays: {reason: x}\n")
	if out, err := release(t, "sign", dir+"/r.yaml", "--key", dir+"/li.key"); err != nil {
		t.Fatal(out, err)
	}
	r, err := record.ReadFile(dir + "/r.yaml")
	check.Must(t, err)
	trust := record.Trust{Signers: []record.Signer{{Name: "li", Kinds: []record.Kind{record.Exception}, Key: strings.TrimSpace(public)}}}
	if err := trust.Check(r); err != nil {
		t.Error(err)
	}
	for name, text := range map[string]string{
		"no kind":       "subject: x\nat: \"2026-11-26\"\nby: li\n",
		"another kind":  "kind: wish\nsubject: x\nat: \"2026-11-26\"\nby: li\n",
		"no subject":    "kind: exception\nat: \"2026-11-26\"\nby: li\n",
		"no day":        "kind: exception\nsubject: x\nby: li\n",
		"nobody":        "kind: exception\nsubject: x\nat: \"2026-11-26\"\n",
		"unknown field": "kind: exception\nsubject: x\nat: \"2026-11-26\"\nby: li\nwho: me\n",
	} {
		write(t, dir+"/bad.yaml", text)
		if _, err := release(t, "sign", dir+"/bad.yaml", "--key", dir+"/li.key"); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
	write(t, dir+"/no.key", "x\n")
	if _, err := release(t, "sign", dir+"/r.yaml", "--key", dir+"/no.key"); err == nil {
		t.Error("signed with no key")
	}
}

// Each command refuses what it can't do, with a sentence.
func TestRefusals(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no trust":        {[]string{"make", "--version", "v1.0.0", "--vulndb", dir}, `"trust" not set`},
		"a bad version":   {[]string{"make", "--version", "1", "--trust", dir, "--vulndb", dir, "--out", dir}, "v1.2.3"},
		"no list":         {[]string{"make", "--version", "v1.0.0", "--trust", dir, "--vulndb", dir + "/none", "--out", dir}, "--vulndb"},
		"no list to scan": {[]string{"scan", "--root", root, "--out", dir + "/scans", "--vulndb", dir + "/none"}, "--vulndb"},
		"no release":      {[]string{"show", "--version", "v9.9.9", "--out", dir}, "there is no release"},
		"never scanned":   {[]string{"overdue", "--root", root, "--out", dir}, "never been scanned"},
		"no source":       {[]string{"check", "--root", dir}, "plan.yaml"},
		"no such commit":  {[]string{"review", "0000000", "--as", "li", "--key", dir + "/none"}, "no such file"},
		"no plan to scan": {[]string{"scan", "--root", dir, "--out", dir}, "plan.yaml"},
	} {
		out, err := release(t, c.args...)
		if err == nil || !strings.Contains(out+err.Error(), c.want) {
			t.Errorf("%s: %v, %q, want %q", name, err, out, c.want)
		}
	}
}
