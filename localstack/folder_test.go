package main

import (
	"os"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/test/check"
)

// A second bank does no harm to the one that runs in the same directory.
func TestOneBankInADirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := openFolder(dir, false)
	check.Must(t, err)
	for _, shared := range []bool{false, true} {
		if _, err := openFolder(dir, shared); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("a second bank opens the directory: %v", err)
		}
	}
	check.Must(t, os.WriteFile(first.file("keys.json"), nil, 0o600))
	err = run(t.Context(), options{listen: "127.0.0.1:0", data: dir, fresh: true})
	if _, gone := os.Stat(first.file("keys.json")); err == nil || gone != nil {
		t.Errorf("a second bank with --fresh: %v, and the keys: %v", err, gone)
	}
	first.close()
	for range 2 { // banks that share a database share the keys
		next, err := openFolder(dir, true)
		check.Must(t, err)
		t.Cleanup(next.close)
	}
}

// --fresh deletes nothing when the bank can't listen, and its own files only.
func TestFreshDeletesItsOwnFiles(t *testing.T) {
	t.Parallel()
	dir, err := openFolder(t.TempDir(), false)
	check.Must(t, err)
	t.Cleanup(dir.close)
	for _, name := range []string{"keys.json", "clock", "notes.txt"} {
		check.Must(t, os.WriteFile(dir.file(name), nil, 0o600))
	}
	check.Must(t, dir.clear())
	for _, name := range []string{"keys.json", "clock"} {
		if _, err := os.Stat(dir.file(name)); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", name, err)
		}
	}
	if _, err := os.Stat(dir.file("notes.txt")); err != nil {
		t.Errorf("a file of somebody else: %v", err)
	}
}

func TestArgumentsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	good := options{listen: "127.0.0.1:8080", data: ".tidebank"}
	for name, tt := range map[string]struct {
		change func(*options)
		args   []string
		want   string // "": it passes
	}{
		"as they are":       {change: func(*options) {}},
		"a port alone":      {change: func(o *options) { o.listen = ":9000" }},
		"fresh":             {change: func(o *options) { o.fresh = true }},
		"no address":        {change: func(o *options) { o.listen = "" }, want: "--listen"},
		"no port":           {change: func(o *options) { o.listen = "127.0.0.1:" }, want: "--listen"},
		"a blank directory": {change: func(o *options) { o.data = "  " }, want: "--data"},
		"an argument":       {change: func(*options) {}, args: []string{"extra"}, want: "extra"},
		"fresh on a given database": {
			change: func(o *options) { o.fresh, o.unsafe, o.database = true, true, "postgres://x" }, want: "--fresh",
		},
		"a given database":          {change: func(o *options) { o.database = "postgres://x" }, want: "DATABASE_URL"},
		"a given database, unsafe":  {change: func(o *options) { o.database, o.unsafe = "postgres://x", true }},
		"every address":             {change: func(o *options) { o.listen = "0.0.0.0:8080" }, want: "--unsafe"},
		"every address of IPv6":     {change: func(o *options) { o.listen = "[::]:8080" }, want: "--unsafe"},
		"a name":                    {change: func(o *options) { o.listen = "bank.example:8080" }, want: "--unsafe"},
		"another machine's network": {change: func(o *options) { o.listen = "192.168.1.7:8080" }, want: "--unsafe"},
		"every address, unsafe":     {change: func(o *options) { o.listen, o.unsafe = "0.0.0.0:8080", true }},
		"this machine by IPv6":      {change: func(o *options) { o.listen = "[::1]:8080" }},
		"this machine by name":      {change: func(o *options) { o.listen = "localhost:8080" }},
	} {
		o := good
		tt.change(&o)
		err := o.check(tt.args)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
		if name == "a port alone" && o.listen != "127.0.0.1:9000" {
			t.Errorf("listens at %s", o.listen)
		}
	}
}
