package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/test/check"
)

// Each test that docs/security.md names exists in the folder that it names, and each
// line of its tables names one.
func TestSecurityNamesRealTests(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("security.md")
	check.Must(t, err)
	cited := regexp.MustCompile("`([a-z/]+)` `(Test[A-Za-z0-9_]+)`")
	kinds, lines := 0, 0
	for line := range strings.Lines(string(text)) {
		switch {
		case strings.HasPrefix(line, "## "):
			kinds++
		case strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| they can't |"):
			lines++
			found := cited.FindAllStringSubmatch(line, -1)
			if len(found) == 0 {
				t.Errorf("no test shows it: %s", line)
			}
			for _, f := range found {
				if !declares(t, f[1], f[2]) {
					t.Errorf("%s has no %s", f[1], f[2])
				}
			}
		}
	}
	if kinds < 8 || lines < 30 {
		t.Errorf("read %d headings and %d lines of tables", kinds, lines)
	}
}

// declares reports whether a test file of the folder declares the test.
func declares(t *testing.T, folder, test string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(folder), "*_test.go"))
	check.Must(t, err)
	for _, f := range files {
		source, err := os.ReadFile(f)
		check.Must(t, err)
		if strings.Contains(string(source), "\nfunc "+test+"(t *testing.T)") {
			return true
		}
	}
	return false
}
