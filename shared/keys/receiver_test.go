package keys_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
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
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/req"
)

// wrapping are the commands that wrap a key, each with the file that it makes or changes.
func wrapping(t *testing.T, file string) map[string]func() (changed string, err error) {
	t.Helper()
	to := filepath.Join(t.TempDir(), "new.json")
	_, config := keytest.NewFakeKMS(t)
	purposes := []keys.Purpose{keys.Audit}
	receiver := filepath.Join(t.TempDir(), "receiver.key")
	pin, err := keys.NewReceiver(receiver)
	check.Must(t, err)
	return map[string]func() (string, error){
		"rotate": func() (string, error) {
			_, err := keys.Rotate(file, keys.Audit, soon().Add(time.Hour))
			return file, err
		},
		"channel add": func() (string, error) { return file, keys.AddChannelKey(file) },
		"new root":    func() (string, error) { return file, keys.RotateRoot(file) },
		"split": func() (string, error) {
			_, err := keys.Split(shamir.Scheme{}, file, to, 5, 3)
			return to, err
		},
		"seal, AES of KMS": func() (string, error) {
			return to, keys.Seal(t.Context(), cloud.New(config), keys.Sealing{
				From: file, To: to, Key: german, Process: "audit-on-event", Purposes: purposes,
			})
		},
		"seal, SM4 of KMS": func() (string, error) {
			return to, keys.Seal(t.Context(), cloud.New(config), keys.Sealing{
				From: file, To: to, Key: chinese, Process: "audit-on-event", Purposes: purposes,
			})
		},
		"export": func() (string, error) {
			return to, keys.Export(t.Context(), keys.Exporting{
				From: file, To: to, Receiver: receiver + ".pub", Digest: pin, Process: "audit-on-event", Purposes: purposes,
			})
		},
	}
}

// A key that wraps others is at least as strong as they are. The keys of SM2, SM3 and SM4
// have a strength of 128 bits. So a root that is shorter than a key of SM4 wraps nothing,
// and neither does a weaker public key. A root of SM4, a public key of SM2 and the keys of
// KMS wrap.
func TestAKeyIsNotWrappedByAWeakerOne(t *testing.T) {
	t.Parallel()
	req.Covers(t, "KEY-001.1")
	names := wrapping(t, newFile(t))
	for name := range names {
		good := newFile(t)
		before, err := os.ReadFile(good)
		check.Must(t, err)
		changed, err := wrapping(t, good)[name]()
		check.Must(t, err)
		if after, err := os.ReadFile(changed); err != nil || bytes.Equal(before, after) {
			t.Errorf("%s under a root of SM4 has wrapped nothing: %v", name, err)
		}
		for _, size := range []int{5, 7, 8, 10, 14, 15} { // such as DES and two-key Triple DES
			file := weakRoot(t, size)
			before, err := os.ReadFile(file)
			check.Must(t, err)
			changed, err := wrapping(t, file)[name]()
			if err == nil {
				t.Errorf("%s under a root of %d bytes", name, size)
			}
			if after, err := os.ReadFile(changed); changed == file && !bytes.Equal(before, after) || changed != file && err == nil {
				t.Errorf("%s under a root of %d bytes has written %s", name, size, changed)
			}
		}
	}
	for name, public := range weakKeys(t) {
		file := filepath.Join(t.TempDir(), "weak.pub")
		der, err := x509.MarshalPKIXPublicKey(public)
		check.Must(t, err)
		check.Must(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600))
		to := filepath.Join(t.TempDir(), "new.json")
		err = keys.Export(t.Context(), keys.Exporting{
			From: newFile(t), To: to, Receiver: file, Digest: sm.Digest(der),
			Process: "audit-on-event", Purposes: []keys.Purpose{keys.Audit},
		})
		if _, missing := os.Stat(to); !errors.Is(err, keys.ErrReceiver) || !errors.Is(missing, fs.ErrNotExist) {
			t.Errorf("%s: %v, want ErrReceiver", name, err)
		}
	}
}

// weakRoot is a key file whose root is too short, and otherwise whole.
func weakRoot(t *testing.T, size int) string {
	t.Helper()
	parts := membersOf(t, newFile(t))
	root := make([]byte, size)
	_, _ = rand.Read(root)
	parts["root"] = json.RawMessage(check.JSON(t, root))
	path := filepath.Join(t.TempDir(), "weak.json")
	check.Must(t, os.WriteFile(path, check.JSON(t, parts), 0o600))
	return path
}

// weakKeys are public keys of a strength of less than 128 bits.
func weakKeys(t *testing.T) map[string]any {
	t.Helper()
	all := map[string]any{}
	for name, bits := range map[string]int{"RSA-1024": 1024, "RSA-2048": 2048} {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		check.Must(t, err)
		all[name] = &key.PublicKey
	}
	curve, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	check.Must(t, err)
	all["P-224"] = &curve.PublicKey
	return all
}

// An exported file of which anything was changed does not open, and nothing tells of its root.
func TestAnExportedFileThatWasChanged(t *testing.T) {
	t.Parallel()
	from := newFile(t)
	config, err := export(t, from, "every-purpose", keys.All()...)
	check.Must(t, err)
	to, receiver := config.File, config.Receiver
	ring, err := keys.Open(t.Context(), config, keys.All()...)
	check.Must(t, err)
	same(t, open(t, from), ring)
	wantWrapped(t, from, to)
	raw, err := os.ReadFile(to)
	check.Must(t, err)
	for name, change := range map[string][2]string{
		"another process": {`"process":"every-purpose"`, `"process":"audit-on-event"`},
		"a root beside":   {`"envelope"`, `"root":"AAECAwQFBgcICQoLDA0ODw==","envelope"`},
		"no ciphertext":   {`"sealed":"`, `"other":"`},
	} {
		changed := strings.Replace(string(raw), change[0], change[1], 1)
		if changed == string(raw) {
			t.Fatalf("%s: nothing changed", name)
		}
		path := filepath.Join(t.TempDir(), "keys.json")
		check.Must(t, os.WriteFile(path, []byte(changed), 0o600))
		if ring, err := keys.Open(t.Context(), keys.Config{File: path, Receiver: receiver}, keys.Audit); err == nil || ring != nil {
			t.Errorf("%s: it opens", name)
		}
	}
	check.Must(t, os.Chmod(receiver, 0o644))
	if _, err := keys.Open(t.Context(), config, keys.Audit); err == nil || !strings.Contains(err.Error(), "may be read by others") {
		t.Errorf("a private key that others may read: %v", err)
	}
	if _, err := keys.Rotate(to, keys.Audit, soon().Add(time.Hour)); !errors.Is(err, keys.ErrExported) {
		t.Errorf("rotate: %v", err)
	}
	if _, err := keys.CheckValue(to); !errors.Is(err, keys.ErrEnveloped) {
		t.Errorf("check value: %v", err)
	}
}
