package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/req"
)

// newReceiver makes a key pair as its owner does, and returns its file and its pin.
func newReceiver(t *testing.T) (file, pin string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "receiver.key")
	stdout, _, err := tide("keys", "receiver", "--out", file)
	check.Must(t, err)
	found := regexp.MustCompile(`[0-9a-f]{64}`).FindString(stdout)
	if found == "" {
		t.Fatalf("it tells no pin: %q", stdout)
	}
	return file, found
}

// exportTo exports to a new receiver, and returns the receiver's file.
func exportTo(t *testing.T, file, folder string, more ...string) (receiverFile, stdout string) {
	t.Helper()
	own, pin := newReceiver(t)
	stdout, _, err := tide(append([]string{
		"keys", "export", "--file", file, "--receiver", own + ".pub", "--pin", pin, "--out", folder,
	}, more...)...)
	check.Must(t, err)
	return own, stdout
}

// An exported key file opens with the receiver's private key for its process, and with no
// other key.
func TestExportedKeysOpenForTheirReceiverOnly(t *testing.T) {
	t.Parallel()
	req.Covers(t, "KEY-005.2")
	dir := t.TempDir()
	bank, to := filepath.Join(dir, "keys.json"), filepath.Join(dir, "own", "identity-login.json")
	check.Must(t, keys.Create(bank))
	own, stdout := exportTo(t, bank, filepath.Join(dir, "own"), "--process", "identity-login")
	if !strings.Contains(stdout, to) {
		t.Errorf("it says %q", stdout)
	}
	for _, p := range purposesOf("identity-login") {
		ring, err := keys.Open(t.Context(), keys.Config{File: to, Receiver: own}, p)
		if err != nil || ring == nil {
			t.Errorf("%s: %v", p, err)
		}
	}
	if _, err := keys.Open(t.Context(), keys.Config{File: to, Receiver: own}, keys.Ledger); err == nil {
		t.Error("the file holds the keys of the ledger, which the process does not declare")
	}
	for range 3 {
		other, _ := newReceiver(t)
		ring, err := keys.Open(t.Context(), keys.Config{File: to, Receiver: other}, keys.Credential)
		if !errors.Is(err, keys.ErrOpen) || ring != nil {
			t.Errorf("another receiver's key: %v, want ErrOpen", err)
		}
	}
	for name, file := range map[string]string{
		"no key": "", "the public key": own + ".pub", "the bank's file": bank, "no file": own + ".none",
	} {
		if ring, err := keys.Open(t.Context(), keys.Config{File: to, Receiver: file}, keys.Credential); err == nil || ring != nil {
			t.Errorf("%s opens the file", name)
		}
	}
	before, err := os.ReadFile(own)
	check.Must(t, err)
	if _, _, err := tide("keys", "receiver", "--out", own); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second receiver in its place: %v", err)
	}
	if after, err := os.ReadFile(own); err != nil || string(after) != string(before) {
		t.Errorf("the receiver's key changed: %v", err)
	}
}

// A key file is made only for a public key with the pin that the receiver has told. On the
// way, somebody else may have put a key of their own in its place.
func TestKeysAreNotExportedToAnUnverifiedKey(t *testing.T) {
	t.Parallel()
	req.Covers(t, "KEY-005.3")
	dir := t.TempDir()
	bank, folder := filepath.Join(dir, "keys.json"), filepath.Join(dir, "own")
	check.Must(t, keys.Create(bank))
	check.Must(t, os.Mkdir(folder, 0o700))
	own, pin := newReceiver(t)
	other, otherPin := newReceiver(t)
	forged := filepath.Join(t.TempDir(), "forged.pub")
	check.Must(t, os.WriteFile(forged, []byte("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), 0o600))
	for name, tt := range map[string]struct {
		receiver, pin string
		want          error
	}{
		"the key of another one":  {other + ".pub", pin, keys.ErrUnverified},
		"the pin of another one":  {own + ".pub", otherPin, keys.ErrUnverified},
		"a part of the pin":       {own + ".pub", pin[:32], keys.ErrUnverified},
		"no pin":                  {own + ".pub", "", keys.ErrUnverified},
		"a pin that is no number": {own + ".pub", "receiver", keys.ErrUnverified},
		"no key":                  {forged, pin, keys.ErrReceiver},
		"the private key":         {own, pin, keys.ErrReceiver},
		"no file":                 {own + ".none", pin, fs.ErrNotExist},
	} {
		stdout, _, err := tide("keys", "export", "--file", bank, "--receiver", tt.receiver, "--pin", tt.pin, "--out", folder)
		if !errors.Is(err, tt.want) || exitCode(err) != exitFailed || stdout != "" {
			t.Errorf("%s: %q, %v; want %v", name, stdout, err, tt.want)
		}
	}
	left, err := os.ReadDir(folder)
	check.Must(t, err)
	if len(left) != 0 {
		t.Errorf("refused, and %v was made", left)
	}
}

// No command hands out a key in clear. An export needs a verified receiver, whatever the
// process, and components are of use only together. What the commands print and write
// besides the bank's own key file holds no key of it.
func TestNoPlainExport(t *testing.T) {
	t.Parallel()
	req.Covers(t, "KEY-003.4", "KEY-004.2")
	dir := t.TempDir()
	bank, folder, wrapped := filepath.Join(dir, "keys.json"), filepath.Join(dir, "own"), filepath.Join(dir, "wrapped.json")
	stdout, _, err := tide("keys", "create", "--file", bank)
	check.Must(t, err)
	said := map[string]string{"create": stdout}
	for _, one := range req.AtLeast(t, 25, withKeys("")) {
		for _, more := range [][]string{nil, {"--receiver", ""}, {"--receiver", bank}, {"--receiver", bank, "--pin", ""}} {
			args := append([]string{"keys", "export", "--file", bank, "--out", folder, "--process", one.Name}, more...)
			out, problem, err := tide(args...)
			if exitCode(err) != exitFailed {
				t.Errorf("%v: %v", args, err)
			}
			said["export of "+one.Name] += out + problem
		}
	}
	for _, shares := range [][2]string{{"1", "1"}, {"3", "1"}, {"3", "0"}} { // one component would be the key
		out, problem, err := tide("keys", "split", "--file", bank, "--wrapped", wrapped, "--shares", shares[0], "--threshold", shares[1])
		if exitCode(err) != exitFailed {
			t.Errorf("%s of %s components: %v", shares[1], shares[0], err)
		}
		said["split"] += out + problem
	}
	if made, err := os.ReadDir(dir); err != nil || len(made) > 2 { // keys.json, and perhaps an empty folder
		t.Errorf("made: %v, %v", made, err)
	}
	for _, args := range [][]string{
		{"list"},
		{"channel", "list"},
		{"channel", "add"},
		{"channel", "promote"},
		{"rotate", "--purpose", "storage"},
		{"rotate", "--purpose", "password"},
		{"add"},
		{"split", "--wrapped", wrapped, "--shares", "3", "--threshold", "2", "--out", filepath.Join(dir, "components")},
	} {
		out, problem, err := tide(append(append([]string{"keys"}, args...), "--file", bank)...)
		check.Must(t, err)
		said[strings.Join(args, " ")] = out + problem
	}
	_, said["export"] = exportTo(t, bank, folder)
	used(t, bank, said)
	check.Must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path == bank {
			return err
		}
		raw, err := os.ReadFile(path)
		said[path] = string(raw)
		return err
	}))
	all := keytest.Clear(t, bank)
	if len(all) < 15 || len(said) < 30+len(withKeys("")) {
		t.Fatalf("%d keys, %d answers and files", len(all), len(said))
	}
	for name, text := range said {
		for _, key := range all {
			for _, form := range keytest.Forms(key) {
				if strings.Contains(text, form) {
					t.Errorf("%s shows a key of %d bytes", name, len(key))
				}
			}
		}
	}
}

// used collects what each use of a core key returns: of a private key or of the pepper.
func used(t *testing.T, bank string, said map[string]string) {
	t.Helper()
	ring, err := keys.Open(t.Context(), keys.Config{File: bank}, keys.All()...)
	check.Must(t, err)
	text := []byte("text")
	signature, err := ring.Sign(keys.Channel, text)
	check.Must(t, err)
	said["sign"] = string(signature)
	for _, p := range []keys.Purpose{keys.Channel, keys.Password} {
		public, err := ring.Public(p).Marshal()
		check.Must(t, err)
		said["public key of "+string(p)] = string(public)
	}
	said["certificate"] = string(ring.Certificate())
	sealed, err := sm.Encrypt(ring.Public(keys.Password), text)
	check.Must(t, err)
	clear, err := ring.Decrypt(keys.Password, sealed)
	check.Must(t, err)
	said["decrypt"] = string(clear)
	id, err := ring.SumKey(keys.Pepper)
	check.Must(t, err)
	sum, err := ring.Sum(keys.Pepper, id, text)
	check.Must(t, err)
	said["sum"] = string(sum) + id
	_, err = ring.Sign(keys.Password, text)
	said["misuse"] = fmt.Sprintf("%v %+v %#v", err, ring.ChannelKeys()[0].State, keys.Password)
}
