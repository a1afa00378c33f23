package output_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/infra/gen/output"
	"github.com/tidebank/tidebank/test/check"
)

func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	check.Must(t, err)
	return string(raw)
}

func TestWriteMakesWhatCheckWants(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "deep", "er", "b")
	files := output.Files{a: []byte("甲"), b: nil}
	if err := files.Check(); !errors.Is(err, output.ErrStale) {
		t.Errorf("nothing there: %v, want ErrStale", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("Check wrote %v", left)
	}
	check.Must(t, files.Write())
	if err := files.Check(); err != nil {
		t.Errorf("just written: %v", err)
	}
	if diff := cmp.Diff([]string{"甲", ""}, []string{read(t, a), read(t, b)}); diff != "" {
		t.Errorf("contents (-want +got):\n%s", diff)
	}
	// One that differs is enough, and is written again.
	check.Must(t, os.WriteFile(a, []byte("甲 "), 0o600))
	if err := files.Check(); !errors.Is(err, output.ErrStale) || read(t, a) != "甲 " {
		t.Errorf("one differs: %v, and it holds %q", err, read(t, a))
	}
	if err := files.Write(); err != nil || files.Check() != nil {
		t.Errorf("written again: %v, %v", err, files.Check())
	}
}

// A file that is as it should be keeps its time, so that nothing is built again.
func TestWriteTouchesOnlyWhatDiffers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a")
	files := output.Files{path: []byte("x")}
	check.Must(t, files.Write())
	long := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	check.Must(t, os.Chtimes(path, long, long))
	check.Must(t, files.Write())
	info, err := os.Stat(path)
	if err != nil || !info.ModTime().Equal(long) {
		t.Errorf("changed at %v, %v", info.ModTime(), err)
	}
}

func TestWriteTellsWhatItCannot(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	check.Must(t, os.WriteFile(file, nil, 0o600))
	if err := (output.Files{filepath.Join(file, "below"): []byte("x")}).Write(); err == nil {
		t.Error("wrote below a file")
	}
	if err := (output.Files{filepath.Dir(file): []byte("x")}).Write(); err == nil {
		t.Error("wrote onto a folder")
	}
}
