package dev_test

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/test/check"
)

// docs/sandbox.md lists each route of the developer page.
func TestTheDocumentListsTheRoutes(t *testing.T) {
	t.Parallel()
	find := func(path, pattern string) (list []string) {
		text, err := os.ReadFile(path)
		check.Must(t, err)
		for _, found := range regexp.MustCompile(pattern).FindAllSubmatch(text, -1) {
			list = append(list, string(found[1]))
		}
		slices.Sort(list)
		return list
	}
	routes := find("dev.go", `mux\.Handle(?:Func)?\("((?:GET|POST) /[a-z./]+)"`)
	if len(routes) < 10 {
		t.Fatalf("only the routes %q", routes)
	}
	if diff := cmp.Diff(routes, find("../../docs/sandbox.md", "(?m)^\\| `((?:GET|POST) [^`]+)` \\|")); diff != "" {
		t.Errorf("routes (-code +document):\n%s", diff)
	}
}
