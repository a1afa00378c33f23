package keys_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
)

func newKeyFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	check.Must(t, keys.Create(path))
	return path
}

func openFile(t *testing.T, path string) *keys.Ring {
	t.Helper()
	ring, err := keys.Open(t.Context(), keys.Config{File: path}, keys.All()...)
	check.Must(t, err)
	return ring
}

// states are the channel keys of a file, each with the number by which the test knows it.
func states(t *testing.T, path string, known *[][]byte) (list []string) {
	t.Helper()
	all, err := keys.FileChannelKeys(path)
	check.Must(t, err)
	for _, k := range all {
		n := slices.IndexFunc(*known, func(pin []byte) bool { return bytes.Equal(pin, k.KeyDigest) })
		if n < 0 {
			*known, n = append(*known, k.KeyDigest), len(*known)
		}
		list = append(list, fmt.Sprint(k.State, " ", n))
		signature, err := k.Sign([]byte("x"))
		check.Must(t, err)
		certified, err := sm.CertificateKey(k.Certificate, clock.System{}.Now())
		check.Must(t, err)
		if sm.Verify(k.Public(), []byte("x"), signature) != nil || !certified.Equal(k.Public()) {
			t.Errorf("%s: signature, key and certificate disagree", k.State)
		}
	}
	return list
}

// A channel key becomes next, current and old, and is then retired. The other keys of the
// file stay, and so do its mode and its folder.
func TestAChannelKeyIsRenewed(t *testing.T) {
	t.Parallel()
	path := newKeyFile(t)
	check.Must(t, os.Chmod(path, 0o400))
	before := openFile(t, path)
	sealed, err := before.Seal(keys.Storage, []byte("place"), []byte("text"))
	check.Must(t, err)
	var pins [][]byte
	want := func(list ...string) {
		t.Helper()
		if diff := cmp.Diff(list, states(t, path, &pins)); diff != "" {
			t.Fatalf("channel keys (-want +got):\n%s", diff)
		}
	}
	refused := func(err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	want("current 0")
	refused(keys.PromoteChannelKey(path), keys.ErrNoNext)
	check.Must(t, keys.AddChannelKey(path))
	want("current 0", "next 1")
	refused(keys.AddChannelKey(path), keys.ErrNextExists)
	for _, pin := range append(slices.Clone(pins), nil, []byte("x")) {
		refused(keys.RetireChannelKey(path, pin), keys.ErrNotOld)
	}
	check.Must(t, keys.PromoteChannelKey(path))
	want("current 1", "old 0")
	check.Must(t, keys.AddChannelKey(path))
	check.Must(t, keys.PromoteChannelKey(path))
	check.Must(t, keys.AddChannelKey(path))
	want("current 2", "next 3", "old 1", "old 0")
	check.Must(t, keys.RetireChannelKey(path, pins[1]))
	want("current 2", "next 3", "old 0")
	check.Must(t, keys.RetireChannelKey(path, pins[0]))
	want("current 2", "next 3")

	after := openFile(t, path)
	if text, err := after.Open(keys.Storage, []byte("place"), sealed); err != nil || string(text) != "text" {
		t.Errorf("sealed before: %q, %v", text, err)
	}
	if !after.Public(keys.Password).Equal(before.Public(keys.Password)) {
		t.Error("the password key has changed")
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o400 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("the folder holds %v, %v", left, err)
	}
}

// Of many changes at once, each takes place as a whole or is refused. A reader always
// finds a whole file.
func TestChangesOfTheKeyFileAtOnce(t *testing.T) {
	t.Parallel()
	path := newKeyFile(t)
	made := check.AtOnce(20, func(n int) bool {
		if n%2 == 0 {
			openFile(t, path)
			return false
		}
		err := keys.AddChannelKey(path)
		if err != nil && !errors.Is(err, keys.ErrNextExists) && !errors.Is(err, keys.ErrLocked) {
			t.Error(err)
		}
		return err == nil
	})
	if n := len(slices.DeleteFunc(made, func(ok bool) bool { return !ok })); n != 1 {
		t.Errorf("%d next keys were made, want 1", n)
	}
	var pins [][]byte
	if got := states(t, path, &pins); len(got) != 2 {
		t.Errorf("the file holds %v", got)
	}
}

// The bank signs with a key that the app pins, the current one first.
func TestTheKeyForAnApp(t *testing.T) {
	t.Parallel()
	path := newKeyFile(t)
	check.Must(t, keys.AddChannelKey(path))
	check.Must(t, keys.PromoteChannelKey(path))
	check.Must(t, keys.AddChannelKey(path))
	ring := openFile(t, path).Only(keys.Channel)
	all := ring.ChannelKeys()
	current, next, old := all[0].KeyDigest, all[1].KeyDigest, all[2].KeyDigest
	for _, tt := range []struct {
		pins [][]byte
		want keys.ChannelState
	}{
		{nil, keys.ChannelCurrent},
		{[][]byte{current}, keys.ChannelCurrent},
		{[][]byte{next}, keys.ChannelNext},
		{[][]byte{old}, keys.ChannelOld},
		{[][]byte{old, next, current}, keys.ChannelCurrent},
		{[][]byte{old, next}, keys.ChannelNext},
		{[][]byte{make([]byte, 32)}, ""},
		{[][]byte{{}}, ""},
	} {
		key, found := ring.ChannelKeyFor(tt.pins)
		if key.State != tt.want || found != (tt.want != "") {
			t.Errorf("for %x: %q", tt.pins, key.State)
		}
	}
	signature, err := ring.Sign(keys.Channel, []byte("x"))
	if err != nil || sm.Verify(all[0].Public(), []byte("x"), signature) != nil || !bytes.Equal(ring.Certificate(), all[0].Certificate) {
		t.Errorf("the ring signs with another key than the current one: %v", err)
	}
}

// A key file whose further channel key does not fit its certificate is refused.
func TestASpoiltChannelKeyIsRefused(t *testing.T) {
	t.Parallel()
	path := newKeyFile(t)
	check.Must(t, keys.AddChannelKey(path))
	raw, err := os.ReadFile(path)
	check.Must(t, err)
	for name, change := range map[string][2]string{
		"state": {`"state":"next"`, `"state":"spare"`}, "pair": {`"state":"next","pair":"`, `"state":"next","pair":"AAAA`},
	} {
		spoilt := filepath.Join(t.TempDir(), "keys.json")
		text := bytes.Replace(raw, []byte(change[0]), []byte(change[1]), 1)
		check.Must(t, os.WriteFile(spoilt, text, 0o600))
		if _, err := keys.FileChannelKeys(spoilt); err == nil || bytes.Equal(text, raw) {
			t.Errorf("%s: the file was taken", name)
		}
		if err := keys.PromoteChannelKey(spoilt); name == "state" && !errors.Is(err, keys.ErrNoNext) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
