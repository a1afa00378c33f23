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

// export makes the key file of a process for a new receiver, and returns how to open it.
func export(t *testing.T, from, process string, purposes ...keys.Purpose) (keys.Config, error) {
	t.Helper()
	config := keys.Config{File: filepath.Join(t.TempDir(), "own.json"), Receiver: filepath.Join(t.TempDir(), "receiver.key")}
	pin, err := keys.NewReceiver(config.Receiver)
	check.Must(t, err)
	return config, keys.Export(t.Context(), keys.Exporting{
		From: from, To: config.File, Receiver: config.Receiver + ".pub", Digest: pin, Process: process, Purposes: purposes,
	})
}

// An exported file opens for the purposes of its process, with the bank's keys, and for no
// other purpose. Its root opens nothing of the bank's file.
func TestTheKeyFileOfOneProcess(t *testing.T) {
	t.Parallel()
	from := newFile(t)
	check.Must(t, keys.AddChannelKey(from))
	bank := open(t, from)
	own := []keys.Purpose{keys.Channel, keys.Storage, keys.Event}
	config, err := export(t, from, "channel-open", own...)
	check.Must(t, err)
	ring, err := keys.Open(t.Context(), config, own...)
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
		_, err := keys.Open(t.Context(), config, p)
		if want := p == keys.Channel || p == keys.Storage || p == keys.Event; want != (err == nil) {
			t.Errorf("%s: %v", p, err)
		}
	}
	whole, part := membersOf(t, from), membersOf(t, config.File)
	if part["root"] != nil {
		t.Error("the file holds a root in clear")
	}
	delete(whole, "root")
	whole["envelope"], whole["process"] = part["envelope"], part["process"]
	mixed := filepath.Join(t.TempDir(), "mixed.json")
	check.Must(t, os.WriteFile(mixed, check.JSON(t, whole), 0o600))
	if _, err := keys.Open(t.Context(), keys.Config{File: mixed, Receiver: config.Receiver}, keys.Storage); !errors.Is(err, keys.ErrOpen) {
		t.Errorf("the root of one process, and the bank's file: %v, want ErrOpen", err)
	}
	info, err := os.Stat(config.File)
	check.Must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	pin, err := keys.NewReceiver(config.Receiver + "2")
	check.Must(t, err)
	if err := keys.Export(t.Context(), keys.Exporting{
		From: from, To: config.File, Receiver: config.Receiver + "2.pub", Digest: pin, Process: "channel-open", Purposes: own,
	}); !errors.Is(err, fs.ErrExist) {
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
	config, err := export(t, newFile(t), "channel-open", keys.Channel)
	check.Must(t, err)
	to := config.File
	before, err := os.ReadFile(to)
	check.Must(t, err)
	_, again := export(t, to, "channel-open", keys.Channel)
	_, added := keys.AddMissing(t.Context(), to)
	_, listed := keys.FileChannelKeys(to)
	for name, err := range map[string]error{
		"add": added, "list": listed, "channel add": keys.AddChannelKey(to), "promote": keys.PromoteChannelKey(to),
		"retire": keys.RetireChannelKey(to, plain), "export": again,
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
	config, err := export(t, from, "identity-login", keys.Pepper)
	if err == nil {
		t.Error("a file without the key was made")
	}
	if _, err := os.Stat(config.File); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the new file: %v", err)
	}
}
