package terraform_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/test/check"
)

// terraform/check refuses an unknown step before it does anything. It runs in an empty
// tree, where each real step would fail or leave files.
func TestAnUnknownStepIsRefused(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("check")
	check.Must(t, err)
	for _, steps := range [][]string{{"chekov"}, {"fmt", "chekov"}, {""}, {"fmt chekov"}} {
		tree := t.TempDir()
		check.Must(t, os.Mkdir(filepath.Join(tree, "terraform"), 0o755))
		cmd := exec.CommandContext(t.Context(), "bash", append([]string{"-c", string(script), tree + "/terraform/check"}, steps...)...)
		text, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(text), "there is no step") {
			t.Errorf("%q: %v: %s", steps, err, text)
		}
		if left, err := os.ReadDir(tree); err != nil || len(left) != 1 {
			t.Errorf("%q: the tree holds %v, %v", steps, left, err)
		}
	}
}
