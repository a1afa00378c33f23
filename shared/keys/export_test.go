package keys_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/test/check"
)

// An exported file opens for the purposes of its process, with the bank's keys, and for no
// other purpose. Its root opens nothing of the bank's file.
func TestTheKeyFileOfOneProcess(t *testing.T) {
	t.Parallel()
	from := newFile(t)
	check.Must(t, keys.AddChannelKey(from))
	bank := open(t, from)
	own := []keys.Purpose{keys.Channel, keys.Storage, keys.Event}
	to := filepath.Join(t.TempDir(), "own.json")
	check.Must(t, keys.Export(t.Context(), from, to, "channel-open", own))
	ring, err := keys.Open(t.Context(), keys.Config{File: to}, own...)
	check.Must(t, err)
	sealed, err := bank.Seal(keys.Storage, place, plain)
	check.Must(t, err)
	if got, err := ring.Open(keys.Storage, place, sealed); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("%q, %v", got, err)
	}
	sum, id := bank.MAC(keys.Event, plain)
	check.Must(t, ring.VerifyMAC(keys.Event, id, sum, plain))
	if !bytes.Equal(ring.Certificate(), bank.Certificate()) || len(ring.ChannelKeys()) != len(bank.ChannelKeys()) {
		t.Error("the channel keys are others")
	}
	for _, p := range keys.All() {
		_, err := keys.Open(t.Context(), keys.Config{File: to}, p)
		if want := p == keys.Channel || p == keys.Storage || p == keys.Event; want != (err == nil) {
			t.Errorf("%s: %v", p, err)
		}
	}
	whole, part := membersOf(t, from), membersOf(t, to)
	if bytes.Equal(whole["root"], part["root"]) {
		t.Error("the file holds the bank's root")
	}
	whole["root"] = part["root"]
	mixed := filepath.Join(t.TempDir(), "mixed.json")
	check.Must(t, os.WriteFile(mixed, check.JSON(t, whole), 0o600))
	if _, err := keys.Open(t.Context(), keys.Config{File: mixed}, keys.Storage); err == nil {
		t.Error("the root of one process opens the bank's file")
	}
	info, err := os.Stat(to)
	check.Must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if err := keys.Export(t.Context(), from, to, "channel-open", own); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second file in its place: %v", err)
	}
}

// membersOf are the parts of a key file.
func membersOf(t *testing.T, path string) (parts map[string]json.RawMessage) {
	t.Helper()
	raw, err := os.ReadFile(path)
	check.Must(t, err)
	check.Must(t, json.Unmarshal(raw, &parts))
	return parts
}

// No command changes an exported file, and none exports it again.
func TestAnExportedFileIsNotChanged(t *testing.T) {
	t.Parallel()
	to := filepath.Join(t.TempDir(), "own.json")
	check.Must(t, keys.Export(t.Context(), newFile(t), to, "channel-open", []keys.Purpose{keys.Channel}))
	before, err := os.ReadFile(to)
	check.Must(t, err)
	_, added := keys.AddMissing(t.Context(), to)
	_, listed := keys.FileChannelKeys(to)
	for name, err := range map[string]error{
		"add": added, "list": listed, "channel add": keys.AddChannelKey(to), "promote": keys.PromoteChannelKey(to),
		"retire": keys.RetireChannelKey(to, plain),
		"export": keys.Export(t.Context(), to, to+"2", "channel-open", []keys.Purpose{keys.Channel}),
	} {
		if !errors.Is(err, keys.ErrExported) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if after, err := os.ReadFile(to); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file changed: %v", err)
	}
}

// A damaged file is not exported.
func TestADamagedFileIsNotExported(t *testing.T) {
	t.Parallel()
	from := newFile(t)
	parts := membersOf(t, from)
	parts["macs"] = json.RawMessage("{}")
	check.Must(t, os.WriteFile(from, check.JSON(t, parts), 0o600))
	to := filepath.Join(t.TempDir(), "own.json")
	if err := keys.Export(t.Context(), from, to, "identity-login", []keys.Purpose{keys.Pepper}); err == nil {
		t.Error("a file without the key was made")
	}
	if _, err := os.Stat(to); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the new file: %v", err)
	}
}
