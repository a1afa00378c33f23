package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/test/check"
)

var ratios = regexp.MustCompile(`\bratio\("([a-z0-9_]+)"`)

// The table of docs/performance.md has each line that the benchmark prints for programs.
func TestEachMeasurementIsListed(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("performance.md")
	check.Must(t, err)
	files, err := filepath.Glob("../test/bench/*.go")
	check.Must(t, err)
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		check.Must(t, err)
		for _, match := range ratios.FindAllStringSubmatch(string(text), -1) {
			found++
			if !strings.Contains(string(page), "| `"+match[1]+"` |") {
				t.Errorf("performance.md does not list %s", match[1])
			}
		}
	}
	if found < 5 {
		t.Errorf("only %d measurements were found", found)
	}
}
