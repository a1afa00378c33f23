package keys_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
)

// earlier returns a key file of a release before the purposes Pepper and Credential.
func earlier(t *testing.T) (file string, before content) {
	t.Helper()
	before = keytest.ReadFile(t, newFile(t))
	before.MACs = nil
	delete(before.Secrets, keys.Credential)
	return before.Write(t), before
}

// A file of an earlier release opens for its own purposes. For a new one the error names
// the command, which adds these keys and changes no other key.
func TestMissingKeysAreAdded(t *testing.T) {
	t.Parallel()
	file, before := earlier(t)
	_, err := keys.Open(t.Context(), keys.Config{File: file}, keys.Storage, keys.Channel)
	check.Must(t, err)
	for _, p := range []keys.Purpose{keys.Pepper, keys.Credential} {
		_, err := keys.Open(t.Context(), keys.Config{File: file}, p)
		if err == nil || !strings.Contains(err.Error(), "tide keys add --file "+file) || !strings.Contains(err.Error(), string(p)) {
			t.Errorf("%s: %v, want an error that names the purpose and the command", p, err)
		}
	}
	check.Must(t, os.Chmod(file, 0o400))
	link := filepath.Join(t.TempDir(), "link.json")
	check.Must(t, os.Symlink(file, link))
	added, err := keys.AddMissing(t.Context(), link)
	check.Must(t, err)
	if diff := cmp.Diff([]keys.Purpose{keys.Pepper, keys.Credential}, added); diff != "" {
		t.Errorf("added (-want +got):\n%s", diff)
	}
	info, err := os.Stat(file)
	check.Must(t, err)
	if target, err := os.Readlink(link); err != nil || target != file || info.Mode().Perm() != 0o400 {
		t.Errorf("mode %v, link to %s, %v", info.Mode(), target, err)
	}
	list, err := os.ReadDir(filepath.Dir(file))
	check.Must(t, err)
	if len(list) != 1 {
		t.Errorf("more than the key file was left: %v", list)
	}
	open(t, file)
	after := keytest.ReadFile(t, file)
	if len(after.MACs[keys.Pepper]) != 1 || len(after.Secrets[keys.Credential]) != 1 {
		t.Errorf("added %d and %d keys", len(after.MACs[keys.Pepper]), len(after.Secrets[keys.Credential]))
	}
	after.MACs = nil
	delete(after.Secrets, keys.Credential)
	for _, p := range []keys.Purpose{keys.Pepper, keys.Credential} {
		delete(before.Times, p) // the new keys have other times
		delete(after.Times, p)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("other keys changed (-before +after):\n%s", diff)
	}
}

// A file that lacks nothing, and one that is damaged, stay as they are.
func TestNothingIsAddedToOtherFiles(t *testing.T) {
	t.Parallel()
	_, old := earlier(t)
	whole := keytest.ReadFile(t, newFile(t))
	noStorage, damaged := old, old
	noStorage.Secrets = map[keys.Purpose][][]byte{keys.Ledger: old.Secrets[keys.Ledger]}
	damaged.Pairs = map[keys.Purpose][]byte{}
	for name, tt := range map[string]struct {
		file string
		says string
	}{
		"whole":          {whole.Write(t), ""},
		"without others": {noStorage.Write(t), "there is no key"},
		"damaged":        {damaged.Write(t), "does not open"},
	} {
		before, err := os.ReadFile(tt.file)
		check.Must(t, err)
		added, err := keys.AddMissing(t.Context(), tt.file)
		if len(added) != 0 || (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: added %v, %v", name, added, err)
		}
		after, err := os.ReadFile(tt.file)
		check.Must(t, err)
		if !bytes.Equal(before, after) {
			t.Errorf("%s: the file changed", name)
		}
	}
	if _, err := keys.AddMissing(t.Context(), filepath.Join(t.TempDir(), "keys.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	open640 := whole.Write(t)
	check.Must(t, os.Chmod(open640, 0o644))
	if _, err := keys.AddMissing(t.Context(), open640); err == nil {
		t.Error("a file that others may read was taken")
	}
}

// Calls at once add one set of keys.
func TestAddingAtOnce(t *testing.T) {
	t.Parallel()
	file, _ := earlier(t)
	added, errs := make([][]keys.Purpose, 8), make([]error, 8)
	var all sync.WaitGroup
	for i := range added {
		all.Go(func() { added[i], errs[i] = keys.AddMissing(t.Context(), file) })
	}
	all.Wait()
	check.Must(t, errors.Join(errs...))
	made := 0
	for _, list := range added {
		made += len(list)
	}
	if made != 2 {
		t.Errorf("%d keys were added, want 2", made)
	}
	open(t, file)
}
