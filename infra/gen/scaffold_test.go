package main

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/test/check"
)

// orders is one for each trigger, under names that no function or worker has.
func orders() []order {
	var list []order
	for _, trigger := range slices.Sorted(maps.Keys(templates())) {
		list = append(list, order{domain: "never", op: "before-" + trigger, trigger: trigger, event: events.TypeOTPIssued})
	}
	return list
}

func scaffoldedBy(t *testing.T, o order) map[string]string {
	t.Helper()
	files, err := o.scaffolded()
	check.Must(t, err)
	texts := map[string]string{}
	for path, source := range files {
		texts[path] = string(source)
	}
	return texts
}

// The generator finds the scaffolded function, with its name and place.
func TestScaffoldIsFound(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for _, o := range orders() {
		maps.Copy(files, scaffoldedBy(t, o))
	}
	dir := tree(t, files)
	functions, err := scan(dir)
	check.Must(t, err)
	workers, err := scanWorkers(dir)
	check.Must(t, err)
	var got []string
	for _, d := range slices.Concat(functions, workers) {
		got = append(got, d.Kind+" "+d.Name+" "+strings.TrimPrefix(d.Import, module))
	}
	want := []string{
		"Function never-before-command /functions/never/beforecommand", "Function never-before-confirm /functions/never/beforeconfirm",
		"Function never-before-event /functions/never/beforeevent", "Function never-before-query /functions/never/beforequery",
		"Worker never-before-worker /workers/beforeworker",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
}

// The scaffold of each trigger compiles, and its test passes: laid over this tree,
// not written into it.
func TestScaffoldPasses(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("compiles; left out with -short")
	}
	top, err := filepath.Abs(root)
	check.Must(t, err)
	var packages []string
	replace := map[string]string{}
	for _, o := range orders() {
		files := scaffoldedBy(t, o)
		dir := tree(t, files)
		for name := range files {
			replace[filepath.Join(top, name)] = filepath.Join(dir, name)
		}
		packages = append(packages, "./"+filepath.Dir(slices.Sorted(maps.Keys(files))[0]))
	}
	overlay := check.JSON(t, map[string]any{"Replace": replace})
	// The folders exist in the overlay only, so the test programs run elsewhere.
	dir := t.TempDir()
	list := filepath.Join(dir, "overlay.json")
	check.Must(t, os.WriteFile(list, overlay, 0o600))
	build := exec.CommandContext(t.Context(), "go", append([]string{
		"test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", list, "-o", dir + string(filepath.Separator),
	}, packages...)...)
	build.Dir = top
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, path := range packages {
		cmd := exec.CommandContext(t.Context(), filepath.Join(dir, filepath.Base(path)+".test"), "-test.v")
		cmd.Dir = filepath.Join(top, "functions")
		if out, err := cmd.CombinedOutput(); err != nil || strings.Count(string(out), "\n--- PASS: Test") != 1 {
			t.Errorf("%s: %v\n%s", path, err, out)
		}
	}
}

func TestScaffoldRefuses(t *testing.T) {
	dir := tree(t, map[string]string{
		"functions/transfer/confirm/handler.go": handler(`"transfer-confirm"`), "workers/relay/worker.go": worker(`"events-relay"`),
	})
	t.Chdir(dir)
	for _, tt := range []struct {
		order
		want error
	}{
		{order{"transfer", "", "query", ""}, errScheme},
		{order{"", "cancel", "query", ""}, errScheme},
		{order{"Transfer", "cancel", "query", ""}, errScheme},
		{order{"trans-fer", "cancel", "query", ""}, errScheme},
		{order{"transfer", "-cancel", "query", ""}, errScheme},
		{order{"transfer", "cancel-", "query", ""}, errScheme},
		{order{"transfer", "1st", "query", ""}, errScheme},
		{order{"transfer", "select", "query", ""}, errScheme},
		{order{"..", "cancel", "query", ""}, errScheme},
		{order{"transfer", "a/b", "query", ""}, errScheme},
		{order{"transfer", "cancel\n", "query", ""}, errScheme},
		{order{"transfer", "cancel", "", ""}, errTrigger},
		{order{"transfer", "cancel", "timer", ""}, errTrigger},
		{order{"transfer", "cancel", "event", ""}, errEvent},
		{order{"transfer", "cancel", "event", "com.tidebank.other.v1"}, errEvent},
		{order{"transfer", "confirm", "query", ""}, errExists},
		{order{"transfer", "con-firm", "query", ""}, errExists},
		{order{"events", "relay", "worker", ""}, errExists},
	} {
		if err := scaffold(tt.order); !errors.Is(err, tt.want) {
			t.Errorf("%q: %v, want %v", tt.order, err, tt.want)
		}
	}
	var all []string
	for _, pattern := range []string{"functions/*/*/*", "workers/*/*"} {
		found, err := filepath.Glob(pattern)
		check.Must(t, err)
		all = append(all, found...)
	}
	if diff := cmp.Diff([]string{"functions/transfer/confirm/handler.go", "workers/relay/worker.go"}, all); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}
