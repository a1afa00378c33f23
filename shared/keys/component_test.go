package keys_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/keys/shamir"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/req"
)

// split holds a ceremony: it returns the components as custodians read them again, and the
// key file without its root.
func split(t *testing.T, file string, shares, threshold int) (list []keys.Component, wrapped string) {
	t.Helper()
	wrapped = filepath.Join(t.TempDir(), "wrapped.json")
	made, err := keys.Split(shamir.Scheme{}, file, wrapped, shares, threshold)
	check.Must(t, err)
	for _, c := range made {
		again, err := keys.ParseComponent(" " + strings.ToLower(strings.ReplaceAll(c.Text(), "-", " - ")) + "\n")
		check.Must(t, err)
		list = append(list, again)
	}
	return list, wrapped
}

// The components recombine to the key with the same check value. One component, or all but
// one of those that are needed, do not. The exported file holds the keys wrapped only.
func TestAKeyIsExportedInComponents(t *testing.T) {
	t.Parallel()
	req.Covers(t, "KEY-003.1", "KEY-003.2", "KEY-003.3")
	file := newFile(t)
	want, err := keys.CheckValue(file)
	check.Must(t, err)
	for _, n := range [][2]int{{3, 3}, {5, 3}, {2, 2}} {
		list, wrapped := split(t, file, n[0], n[1])
		for _, some := range [][]keys.Component{list[:n[1]], list[n[0]-n[1]:], list} {
			to := filepath.Join(t.TempDir(), "joined.json")
			check.Must(t, keys.Join(shamir.Scheme{}, wrapped, to, some))
			same(t, open(t, file), open(t, to))
			if got, err := keys.CheckValue(to); err != nil || got != want {
				t.Errorf("check value %s, %v; want %s", got, err, want)
			}
		}
		for _, few := range [][]keys.Component{nil, list[:1], list[:n[1]-1]} {
			to := filepath.Join(t.TempDir(), "joined.json")
			if err := keys.Join(shamir.Scheme{}, wrapped, to, few); !errors.Is(err, keys.ErrTooFew) {
				t.Errorf("%d of %v: %v", len(few), n, err)
			}
			if _, err := os.Stat(to); !errors.Is(err, os.ErrNotExist) {
				t.Error("a key file was made")
			}
		}
		if ring, err := keys.Open(t.Context(), keys.Config{File: wrapped}, keys.Storage); !errors.Is(err, keys.ErrSplit) || ring != nil {
			t.Errorf("a process opened the file without its root: %v", err)
		}
		wantWrapped(t, file, wrapped)
	}
}

// wantWrapped fails the test if the file holds a key of the bank's in clear.
func wantWrapped(t *testing.T, file, wrapped string) {
	t.Helper()
	raw, err := os.ReadFile(wrapped)
	check.Must(t, err)
	clear := keytest.Clear(t, file)
	if len(clear) < 13 {
		t.Fatalf("only %d keys are known", len(clear))
	}
	for _, key := range clear {
		for _, text := range keytest.Forms(key) {
			if strings.Contains(string(raw), text) {
				t.Error("the exported file holds a key in clear")
			}
		}
	}
}

// A mistyped digit is found at once. A component of another ceremony, of another key or a
// second time makes no key.
func TestComponentsThatMakeNoKey(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	list, wrapped := split(t, file, 3, 2)
	others, _ := split(t, file, 3, 2)
	good := list[0].Text()
	for i := range good {
		for _, other := range "0F-" {
			bad := good[:i] + string(other) + good[i+1:]
			if c, err := keys.ParseComponent(bad); bad != good && err == nil {
				t.Fatalf("digit %d changed: %v", i, c)
			} else if err != nil && strings.Contains(err.Error(), good[20:40]) {
				t.Fatal("the error holds the component")
			}
		}
	}
	for _, bad := range []string{"", "TIDE1", good[:len(good)-1], good + "0", strings.Repeat("-", 12)} {
		if _, err := keys.ParseComponent(bad); !errors.Is(err, keys.ErrComponent) {
			t.Errorf("%d characters: %v", len(bad), err)
		}
	}
	to := filepath.Join(t.TempDir(), "joined.json")
	for name, tt := range map[string]struct {
		list []keys.Component
		want error
	}{
		"of another ceremony": {[]keys.Component{list[0], others[1]}, keys.ErrOtherSet},
		"one twice":           {[]keys.Component{list[1], list[1]}, keys.ErrTwice},
	} {
		if err := keys.Join(shamir.Scheme{}, wrapped, to, tt.list); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	if err := keys.Join(shamir.Scheme{}, file, to, list); !errors.Is(err, keys.ErrNotSplit) {
		t.Errorf("a file with its root: %v", err)
	}
	// The file says another check value.
	raw, err := os.ReadFile(wrapped)
	check.Must(t, err)
	value, err := keys.CheckValue(wrapped)
	check.Must(t, err)
	check.Must(t, os.WriteFile(wrapped, []byte(strings.Replace(string(raw), value, "000000", 1)), 0o600))
	if err := keys.Join(shamir.Scheme{}, wrapped, to, list); !errors.Is(err, keys.ErrCheck) {
		t.Errorf("another check value: %v", err)
	}
}

// No way of printing a component shows its value, besides Text.
func TestAComponentIsNotPrinted(t *testing.T) {
	t.Parallel()
	list, _ := split(t, newFile(t), 3, 2)
	for _, c := range list {
		value := strings.Split(c.Text(), "-")[4]
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			if text := fmt.Sprintf(format, c); strings.Contains(strings.ToUpper(text), value) {
				t.Errorf("%s shows the component: %s", format, text)
			}
		}
	}
	if slices.Contains(list, keys.Component{}) {
		t.Error("a component is empty")
	}
}
