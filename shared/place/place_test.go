package place_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/shared/place"
	"github.com/tidebank/tidebank/test/check"
)

func open(t *testing.T, text string) (*place.Table, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "places.csv")
	check.Must(t, os.WriteFile(file, []byte(text), 0o600))
	return place.Open(place.Config{File: file})
}

// An address is in the range whose first and last address enclose it, and in no other.
func TestOf(t *testing.T) {
	t.Parallel()
	table, err := open(t, "# first, last, place\n203.0.113.64,203.0.113.127,杭州\n203.0.113.0,203.0.113.9,上海\n"+
		"2001:db8:1::,2001:db8:1:ffff:ffff:ffff:ffff:ffff,北京\n::ffff:198.51.100.7,198.51.100.7,广州\n")
	check.Must(t, err)
	for ip, want := range map[string]string{
		"203.0.113.0": "上海", "203.0.113.5": "上海", "203.0.113.9": "上海", "203.0.113.10": place.Unknown,
		"203.0.113.63": place.Unknown, "203.0.113.64": "杭州", "203.0.113.127": "杭州", "203.0.113.128": place.Unknown,
		"203.0.112.255": place.Unknown, "198.51.100.7": "广州", "198.51.100.8": place.Unknown,
		"2001:db8::ffff": place.Unknown, "2001:db8:1::7": "北京", "2001:db8:2::": place.Unknown,
		"0.0.0.0": place.Unknown, "unknown": place.Unknown, "": place.Unknown,
	} {
		if got := table.Of(ip); got != want {
			t.Errorf("%s is in %s, want %s", ip, got, want)
		}
	}
}

func TestWithoutAFileEveryPlaceIsUnknown(t *testing.T) {
	t.Parallel()
	table, err := place.Open(place.Config{})
	check.Must(t, err)
	if got := table.Of("203.0.113.5"); got != place.Unknown {
		t.Error(got)
	}
}

// A file with a mistake is refused when the process starts.
func TestFilesWithMistakes(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no place":       "203.0.113.0,203.0.113.9,\n",
		"a long place":   "203.0.113.0,203.0.113.9," + strings.Repeat("x", 65) + "\n",
		"a control sign": "203.0.113.0,203.0.113.9,\"a\nb\"\n",
		"backwards":      "203.0.113.9,203.0.113.0,上海\n",
		"two families":   "203.0.113.9,2001:db8::,上海\n",
		"a zone":         "fe80::1%eth0,fe80::2,上海\n",
		"no address":     "here,203.0.113.9,上海\n",
		"no last one":    "203.0.113.0,,上海\n",
		"overlap":        "203.0.113.0,203.0.113.9,上海\n203.0.113.9,203.0.113.10,杭州\n",
		"twice":          "203.0.113.0,203.0.113.9,上海\n203.0.113.0,203.0.113.9,上海\n",
	} {
		if _, err := open(t, text); !errors.Is(err, place.ErrRange) {
			t.Errorf("%s: %v, want ErrRange", name, err)
		}
	}
	if _, err := open(t, "203.0.113.0,203.0.113.9\n"); err == nil || !strings.Contains(err.Error(), "PLACE_RANGES_FILE") {
		t.Errorf("two fields: %v", err)
	}
	if _, err := place.Open(place.Config{File: filepath.Join(t.TempDir(), "none")}); err == nil {
		t.Error("a missing file is read")
	}
}
