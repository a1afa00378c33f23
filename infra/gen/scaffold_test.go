package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// scaffold renders both files of a new function.
func scaffold(t *testing.T, domain, op string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for name, text := range map[string]string{"handler.go": handlerTemplate, "handler_test.go": testTemplate} {
		source, err := render(text, map[string]string{"Domain": domain, "Op": op})
		if err != nil {
			t.Fatal(err)
		}
		files["functions/"+domain+"/"+op+"/"+name] = string(source)
	}
	return files
}

// The generator finds what the scaffold wrote.
func TestScaffoldIsAFunction(t *testing.T) {
	t.Parallel()
	got, err := scan(tree(t, scaffold(t, "transfer", "cancel")))
	if err != nil {
		t.Fatal(err)
	}
	want := []function{{"transfer-cancel", module + "/functions/transfer/cancel", "transfercancel"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("functions (-want +got):\n%s", diff)
	}
}

// The scaffold and its test compile: laid over this tree, not written into it.
func TestScaffoldCompiles(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("compiles; left out with -short")
	}
	files := scaffold(t, "transfer", "neverbefore")
	dir := tree(t, files)
	top, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	replace := map[string]string{}
	for name := range files {
		replace[filepath.Join(top, name)] = filepath.Join(dir, name)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(t.TempDir(), "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-vet=off", "-c", "-o", os.DevNull, "-overlay", list,
		"./functions/transfer/neverbefore")
	cmd.Dir = top
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestScaffoldRefuses(t *testing.T) {
	dir := tree(t, map[string]string{"functions/transfer/confirm/handler.go": handler(`"transfer-confirm"`)})
	t.Chdir(dir)
	for _, tt := range []struct {
		domain, op string
		want       error
	}{
		{"transfer", "", errScheme},
		{"", "cancel", errScheme},
		{"Transfer", "cancel", errScheme},
		{"transfer", "can-cel", errScheme},
		{"transfer", "1st", errScheme},
		{"..", "cancel", errScheme},
		{"transfer", "a/b", errScheme},
		{"transfer", "cancel\n", errScheme},
		{"transfer", "confirm", errExists},
	} {
		if err := scaffoldFunction(tt.domain, tt.op); !errors.Is(err, tt.want) {
			t.Errorf("%q %q: %v, want %v", tt.domain, tt.op, err, tt.want)
		}
	}
	all, err := filepath.Glob("functions/*/*/*")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"functions/transfer/confirm/handler.go"}, all); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}
