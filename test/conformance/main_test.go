package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Of the two packages, one claims a point that the catalogue does not have.
func TestRunReportsAndFails(t *testing.T) {
	t.Chdir("../..")
	for _, tt := range []struct {
		pkg, problem string
		want         error
	}{
		{"./test/conformance/catalogue", "", nil},
		{"./test/conformance/testdata/allpass", "TestOne claims TEST-001.1, which the catalogue does not have", errRunFailed},
	} {
		out := filepath.Join(t.TempDir(), "build")
		var shown strings.Builder
		o := options{timeout: time.Minute, out: out, evidence: filepath.Join(out, "none"), packages: []string{tt.pkg}}
		if err := run(t.Context(), o, &shown); !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
			t.Errorf("%s: %v, want %v", tt.pkg, err, tt.want)
		}
		lines := strings.Split(strings.TrimSpace(shown.String()), "\n")
		const last = "CONFORMANCE server whole 0/364 begun 0 points 0/1164 " +
			"web whole 0/16 begun 0 points 0/46 ops whole 0/30 begun 0 points 0/98"
		if got := lines[len(lines)-1]; got != last {
			t.Errorf("%s: the last line is %q, want %q", tt.pkg, got, last)
		}
		if !strings.HasPrefix(lines[0], "ok  \tgithub.com/tidebank/tidebank/test/conformance/") {
			t.Errorf("%s: the first line is %q, want the package's", tt.pkg, lines[0])
		}
		if !strings.Contains(shown.String(), tt.problem) {
			t.Errorf("%s: shown without %q:\n%s", tt.pkg, tt.problem, shown.String())
		}
		for _, name := range []string{"conformance.html", "conformance.json"} {
			if _, err := os.Stat(filepath.Join(out, name)); err != nil {
				t.Error(err)
			}
		}
	}
}
