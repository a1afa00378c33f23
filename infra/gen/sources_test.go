package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

const root = "../.."

// tree writes files below a folder of the test's own.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		check.Must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		check.Must(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return dir
}

func handler(name string) string {
	return "package x\n\nvar Function = fn.HTTP(fn.Spec{\n\tName: " + name + ", Summary: \"x\",\n}, wire)\n"
}

func TestGeneratedSourcesAreUpToDate(t *testing.T) {
	t.Parallel()
	files, err := sources(root)
	check.Must(t, err)
	for path, want := range files {
		got, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Error(err)
			continue
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s is stale: run make gen (-generated +committed):\n%s", path, diff)
		}
	}
	mains, err := filepath.Glob(filepath.Join(root, "infra/mains/*/main.go"))
	check.Must(t, err)
	var want []string
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if strings.HasPrefix(path, "infra/mains/") {
			want = append(want, filepath.Join(root, path))
		}
	}
	if diff := cmp.Diff(req.AtLeast(t, 20, want), mains); diff != "" {
		t.Errorf("mains (-of functions +there are):\n%s", diff)
	}
}

func TestScan(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"functions/transfer/confirm/handler.go": handler(`"transfer-confirm"`),
		"functions/account/list/handler.go":     handler("account.List"), // a const of its domain names it
		"functions/account/names.go":            "package account\n\nconst List = \"account-list\"\n",
		"functions/notify/onotp/handler.go":     handler(`"notify-on-otp"`),
		"test/otptest/otptest.go":               "package otptest\n", // no handler, no function
		"functions/registry.go":                 "package functions\n",
	})
	got, err := scan(dir)
	check.Must(t, err)
	want := []declared{
		{Name: "account-list", Import: module + "/functions/account/list", Alias: "accountlist", Kind: "Function"},
		{Name: "notify-on-otp", Import: module + "/functions/notify/onotp", Alias: "notifyonotp", Kind: "Function"},
		{Name: "transfer-confirm", Import: module + "/functions/transfer/confirm", Alias: "transferconfirm", Kind: "Function"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("functions (-want +got):\n%s", diff)
	}
	files, err := sources(dir)
	check.Must(t, err)
	paths := []string{
		"functions/registry.go", "infra/mains/account-list/main.go", "infra/mains/notify-on-otp/main.go",
		"infra/mains/transfer-confirm/main.go", revisionFile, "workers/registry.go",
	}
	if diff := cmp.Diff(paths, slices.Sorted(maps.Keys(files))); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if text := string(files[paths[2]]); !strings.Contains(text, "fn.Serve(onotp.Function)") ||
		!strings.Contains(text, `"github.com/tidebank/tidebank/functions/notify/onotp"`) {
		t.Errorf("a main:\n%s", text)
	}
}

func worker(name string) string {
	return "package x\n\nvar Worker = fn.Worker(fn.Spec{\n\tName: " + name + ", Summary: \"x\",\n}, wire)\n"
}

// A worker's folder may be called anything; its main is called as its Spec says.
func TestScanWorkers(t *testing.T) {
	t.Parallel()
	files, err := sources(tree(t, map[string]string{
		"workers/relay/worker.go": worker(`"events-relay"`), "workers/upkeep/worker.go": worker(`"bank-upkeep"`),
		"workers/registry.go": "package workers\n",
	}))
	check.Must(t, err)
	paths := []string{
		"functions/registry.go", "infra/mains/bank-upkeep/main.go", "infra/mains/events-relay/main.go", revisionFile,
		"workers/registry.go",
	}
	if diff := cmp.Diff(paths, slices.Sorted(maps.Keys(files))); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if text := string(files[paths[4]]); !strings.Contains(text, "\t\tupkeep.Worker,\n\t\trelay.Worker,\n") {
		t.Errorf("the registry:\n%s", text)
	}
	if text := string(files[paths[2]]); !strings.Contains(text, "fn.Serve(relay.Worker)") ||
		!strings.Contains(text, `"github.com/tidebank/tidebank/workers/relay"`) {
		t.Errorf("a main:\n%s", text)
	}
}

func TestScanRefuses(t *testing.T) {
	t.Parallel()
	const place = "functions/transfer/confirm/handler.go"
	for name, tt := range map[string]struct {
		files map[string]string
		want  string
	}{
		"no function":       {map[string]string{place: "package confirm\n"}, "declares no Function"},
		"no Go":             {map[string]string{place: "{\nvar Function = fn.HTTP"}, "expected 'package'"},
		"no name":           {map[string]string{place: "package x\n\nvar Function = fn.HTTP(fn.Spec{}, wire)\n"}, "no Name in its Spec"},
		"const of nowhere":  {map[string]string{place: handler("transfer.Confirm")}, "the const that names it is not in its domain"},
		"another domain":    {map[string]string{place: handler(`"account-confirm"`)}, "functions/<domain>/<operation>"},
		"another operation": {map[string]string{place: handler(`"transfer-prepare"`)}, "functions/<domain>/<operation>"},
		"domain alone":      {map[string]string{place: handler(`"transfer"`)}, "functions/<domain>/<operation>"},
		"no worker":         {map[string]string{"workers/relay/worker.go": "package relay\n"}, "declares no Worker"},
		"no worker name":    {map[string]string{"workers/relay/worker.go": worker("x")}, "no Name in its Spec"},
		"one name twice": {map[string]string{
			place: handler(`"transfer-confirm"`), "workers/relay/worker.go": worker(`"transfer-confirm"`),
		}, "called transfer-confirm"},
		"const elsewhere": {map[string]string{
			place: handler("transfer.Confirm"), "functions/account/names.go": "package account\n\nconst Confirm = \"transfer-confirm\"\n",
		}, "the const that names it is not in its domain"},
	} {
		dir := tree(t, tt.files)
		if files, err := sources(dir); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %d files, %v; want an error with %q", name, len(files), err, tt.want)
		}
	}
}

// The main of a function that is gone goes too, and nothing else does.
func TestStraysAreRemoved(t *testing.T) {
	dir := tree(t, map[string]string{
		"functions/transfer/confirm/handler.go":  handler(`"transfer-confirm"`),
		"infra/mains/transfer-confirm/main.go":   "package main\n",
		"infra/mains/transfer-cancelled/main.go": "package main\n",
		"infra/mains/README.md":                  "",
	})
	t.Chdir(dir)
	files, err := sources(".")
	check.Must(t, err)
	check.Must(t, removeStrays(files))
	left, err := filepath.Glob("infra/mains/*")
	check.Must(t, err)
	if diff := cmp.Diff([]string{"infra/mains/README.md", "infra/mains/transfer-confirm"}, left); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
}

// A change of the SQL functions raises their revision, once.
func TestTheRevisionCounts(t *testing.T) {
	t.Parallel()
	const function = "infra/migrations/functions/a.sql"
	dir := tree(t, map[string]string{function: "one"})
	next := func(want string) {
		t.Helper()
		text, err := revision(dir)
		check.Must(t, err)
		if number, _, _ := strings.Cut(string(text), " "); number != want {
			t.Errorf("revision %s, want %s", number, want)
		}
		check.Must(t, os.WriteFile(filepath.Join(dir, revisionFile), text, 0o600))
	}
	next("1")
	next("1")
	check.Must(t, os.WriteFile(filepath.Join(dir, function), []byte("two"), 0o600))
	next("2")
	next("2")
	check.Must(t, os.Rename(filepath.Join(dir, function), filepath.Join(dir, "infra/migrations/functions/b.sql")))
	next("3")
	check.Must(t, os.WriteFile(filepath.Join(dir, revisionFile), []byte("<<<<<<< HEAD\n3 x\n"), 0o600))
	if _, err := revision(dir); err == nil {
		t.Error("a conflict is taken for a revision")
	}
}
