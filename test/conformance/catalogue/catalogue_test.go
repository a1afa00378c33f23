package catalogue

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/test/check"
)

const root = "../../.."

// The catalogue is a copy of the standard's. A change of it must be meant.
func TestCatalogueIsTheStandards(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join(root, Path))
	check.Must(t, err)
	digest := sha256.Sum256(raw)
	const want = "bc7b4c63bdfdbbfaf5d41ca7d02b142337808258a1f5d70b0d0601356a44d067"
	if got := hex.EncodeToString(digest[:]); got != want {
		t.Errorf("SHA-256 is %s, want %s", got, want)
	}
}

func TestCounts(t *testing.T) {
	t.Parallel()
	requirements, err := Load(root)
	check.Must(t, err)
	type count struct{ Requirements, WithPoints, Points int }
	got := map[string]count{}
	for _, r := range requirements {
		for _, scope := range []string{r.Scope, "all"} {
			c := got[scope]
			c.Requirements++
			if len(r.Points) > 0 {
				c.WithPoints++
			}
			c.Points += len(r.Points)
			got[scope] = c
		}
	}
	want := map[string]count{
		"all":    {Requirements: 468, WithPoints: 410, Points: 1308},
		"server": {Requirements: 364, WithPoints: 364, Points: 1164},
		"web":    {Requirements: 16, WithPoints: 16, Points: 46},
		"ops":    {Requirements: 30, WithPoints: 30, Points: 98},
		"client": {Requirements: 23},
		"org":    {Requirements: 35},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPointsAreNumberedFromOne(t *testing.T) {
	t.Parallel()
	r := Requirement{ID: "OTP-002", Points: []string{"first", "second"}}
	if got := []string{r.PointID(0), r.PointID(1)}; !cmp.Equal(got, []string{"OTP-002.1", "OTP-002.2"}) {
		t.Error(got)
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, want string }{
		"nothing":     {"requirements: []\n", "no requirements"},
		"no YAML":     {"requirements: [\n", "yaml"},
		"an id twice": {"requirements: [{id: A-001}, {id: A-001}]\n", "A-001"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, Path)
		check.Must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		check.Must(t, os.WriteFile(path, []byte(tt.text), 0o600))
		if got, err := Load(dir); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %d requirements, %v; want an error with %q", name, len(got), err, tt.want)
		}
	}
	if _, err := Load(t.TempDir()); err == nil {
		t.Error("a folder without a catalogue was accepted")
	}
}
