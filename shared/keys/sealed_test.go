package keys_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/cloud"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/keys/shamir"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/req"
)

const (
	german  = cloud.KeyARN("arn:aws:kms:eu-central-1:123456789012:key/0f1e")
	chinese = cloud.KeyARN("arn:aws-cn:kms:cn-north-1:123456789012:key/0f1e")
)

// A sealed key file holds the keys of one process: it opens for its purposes, with the
// same keys as the bank's file, and asks KMS once. It holds no key in clear.
func TestASealedKeyFile(t *testing.T) {
	t.Parallel()
	k, config := keytest.NewFakeKMS(t)
	from := newFile(t)
	check.Must(t, keys.AddChannelKey(from))
	check.Must(t, keys.PromoteChannelKey(from))
	bank := open(t, from)
	for _, key := range []cloud.KeyARN{german, chinese} {
		to := filepath.Join(t.TempDir(), "sealed.json")
		order := keys.Sealing{
			From: from, To: to, Key: key, Process: "channel-open",
			Purposes: []keys.Purpose{keys.Channel, keys.Storage, keys.Pepper},
		}
		check.Must(t, keys.Seal(t.Context(), cloud.New(config), order))
		before := k.Opened()
		ring, err := keys.Open(t.Context(), keys.Config{File: to, AWS: config}, order.Purposes...)
		check.Must(t, err)
		if n := k.Opened() - before; n != 1 {
			t.Errorf("KMS was asked %d times", n)
		}
		sealed, err := bank.Seal(keys.Storage, place, plain)
		check.Must(t, err)
		if got, err := ring.Open(keys.Storage, place, sealed); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%q, %v", got, err)
		}
		if !bytes.Equal(ring.Certificate(), bank.Certificate()) || len(ring.ChannelKeys()) != 2 {
			t.Error("the channel keys are others")
		}
		id, err := bank.SumKey(keys.Pepper)
		check.Must(t, err)
		want, err := bank.Sum(keys.Pepper, id, plain)
		check.Must(t, err)
		if got, err := ring.Sum(keys.Pepper, id, plain); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%x, %v", got, err)
		}
		for _, p := range []keys.Purpose{keys.Ledger, keys.Password, keys.Event} {
			if _, err := keys.Open(t.Context(), keys.Config{File: to, AWS: config}, p); err == nil {
				t.Errorf("the file holds the keys of %s, which the process does not declare", p)
			}
		}
		raw, err := os.ReadFile(to)
		check.Must(t, err)
		suite, _ := key.Suite()
		if !strings.Contains(string(raw), suite) || strings.Contains(string(raw), `"root"`) {
			t.Errorf("the file is %s", raw)
		}
		info, err := os.Stat(to)
		check.Must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v", info.Mode())
		}
		if err := keys.Seal(t.Context(), cloud.New(config), order); !errors.Is(err, fs.ErrExist) {
			t.Errorf("a second file in its place: %v", err)
		}
	}
}

// A sealed file of which anything was changed does not open, and neither does one of
// another process or another key.
func TestASealedFileThatWasChanged(t *testing.T) {
	t.Parallel()
	_, config := keytest.NewFakeKMS(t)
	to := filepath.Join(t.TempDir(), "sealed.json")
	check.Must(t, keys.Seal(t.Context(), cloud.New(config), keys.Sealing{
		From: newFile(t), To: to, Key: german, Process: "audit-on-event", Purposes: []keys.Purpose{keys.Audit},
	}))
	raw, err := os.ReadFile(to)
	check.Must(t, err)
	for name, tt := range map[string]struct{ old, fresh, says string }{
		"another process": {"audit-on-event", "fraud-on-transfer", "InvalidCiphertext"},
		"another bank":    {`"bank":"tidebank"`, `"bank":"other"`, "InvalidCiphertext"},
		"another key":     {"key/0f1e", "key/0f1f", "InvalidCiphertext"},
		"another suite":   {cloud.SuiteAES, cloud.SuiteSM4, "another suite"},
		"another region":  {"eu-central-1", "cn-north-1", "another suite"},
		"no key's name":   {string(german), "0f1e", "arn:<partition>"},
		"a root beside":   {`"sealed_root"`, `"root":"AAECAwQFBgcICQoLDA0ODw==","sealed_root"`, "is not a key file"},
		"no wrapped root": {`"wrapped":"`, `"other":"`, "InvalidCiphertext"},
	} {
		changed := strings.Replace(string(raw), tt.old, tt.fresh, 1)
		if changed == string(raw) {
			t.Fatalf("%s: nothing changed", name)
		}
		path := filepath.Join(t.TempDir(), "keys.json")
		check.Must(t, os.WriteFile(path, []byte(changed), 0o600))
		ring, err := keys.Open(t.Context(), keys.Config{File: path, AWS: config}, keys.Audit)
		if err == nil || !strings.Contains(err.Error(), tt.says) || ring != nil {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
	}
	down := config
	down.Endpoint = "http://127.0.0.1:1"
	if _, err := keys.Open(t.Context(), keys.Config{File: to, AWS: down}, keys.Audit); err == nil {
		t.Error("it opens without KMS")
	}
}

// No command changes a sealed file, and none seals it again: the bank's own file is the
// source.
func TestASealedFileIsNotChanged(t *testing.T) {
	t.Parallel()
	_, config := keytest.NewFakeKMS(t)
	to := filepath.Join(t.TempDir(), "sealed.json")
	order := keys.Sealing{From: newFile(t), To: to, Key: german, Process: "channel-open", Purposes: []keys.Purpose{keys.Channel}}
	check.Must(t, keys.Seal(t.Context(), cloud.New(config), order))
	before, err := os.ReadFile(to)
	check.Must(t, err)
	_, added := keys.AddMissing(t.Context(), to)
	_, listed := keys.FileChannelKeys(to)
	_, rotated := keys.Rotate(to, keys.Audit, soon().Add(time.Hour))
	_, split := keys.Split(shamir.Scheme{}, to, to+"3", 5, 3)
	order.From, order.To = to, to+"2"
	for name, err := range map[string]error{
		"add": added, "list": listed, "channel add": keys.AddChannelKey(to), "promote": keys.PromoteChannelKey(to),
		"retire": keys.RetireChannelKey(to, plain), "seal": keys.Seal(t.Context(), cloud.New(config), order),
		"rotate": rotated, "retire a key": keys.Retire(to, keys.Audit, 1), "new root": keys.RotateRoot(to), "split": split,
	} {
		if !errors.Is(err, keys.ErrSealed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	after, err := os.ReadFile(to)
	check.Must(t, err)
	if !bytes.Equal(before, after) {
		t.Error("the file changed")
	}
}

// The key file that is distributed to a process holds its keys encrypted only, and without
// the key in KMS nobody opens it.
func TestADistributedFileYieldsNoKey(t *testing.T) {
	t.Parallel()
	req.Covers(t, "KEY-005.1")
	_, config := keytest.NewFakeKMS(t)
	_, another := keytest.NewFakeKMS(t)
	from, to := newFile(t), filepath.Join(t.TempDir(), "sealed.json")
	check.Must(t, keys.Seal(t.Context(), cloud.New(config), keys.Sealing{
		From: from, To: to, Key: german, Process: "every-purpose", Purposes: keys.All(),
	}))
	wantWrapped(t, from, to)
	if ring, err := keys.Open(t.Context(), keys.Config{File: to, AWS: another}, keys.Storage); err == nil || ring != nil {
		t.Error("it opens without the key in KMS")
	}
	ring, err := keys.Open(t.Context(), keys.Config{File: to, AWS: config}, keys.All()...)
	check.Must(t, err)
	same(t, open(t, from), ring)
}
