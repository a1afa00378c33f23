package sm_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/req"
)

func TestSelfTestFindsEveryFault(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-007.2", "CRYPTO-007.3", "CRYPTO-007.4")
	for _, name := range []string{"another digest", "plaintext passes", "signature of another message"} {
		if _, ok := sm.Faults()[name]; !ok {
			t.Errorf("the fault %q is not tried", name)
		}
	}
	found := map[string]bool{}
	for name, fault := range sm.Faults() {
		err := fault.Find()
		if err == nil || !strings.Contains(err.Error(), "self-test: "+fault.Name+":") {
			t.Errorf("%s: %v, want a failure of %q", name, err, fault.Name)
			continue
		}
		if strings.Count(err.Error(), "self-test:") != 1 {
			t.Errorf("%s fails other tests too: %v", name, err)
		}
		found[fault.Name] = true
	}
	if len(found) != 3 {
		t.Errorf("tests that were seen failing: %v", found)
	}
	if err := sm.SelfTest(); err != nil {
		t.Errorf("with no fault: %v", err)
	}
}

const shutProcess = "SM_TEST_SHUT_PROCESS"

// A shut module stays shut, so a process of its own is spent on it.
func TestModuleShutsForGood(t *testing.T) {
	t.Parallel()
	if os.Getenv(shutProcess) != "" {
		shutAndTryAll(t)
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	self, err := os.Executable()
	check.Must(t, err)
	child := exec.CommandContext(ctx, self, "-test.run=^TestModuleShutsForGood$", "-test.v")
	child.Env = append(os.Environ(), shutProcess+"=1")
	out, err := child.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "tried all") {
		t.Fatalf("%v\n%s", err, out)
	}
	req.Covers(t, "CRYPTO-006.1", "CRYPTO-006.2")
	// Only a new process initialises the module again: there every call succeeds.
	child = exec.CommandContext(ctx, self, "-test.run=^TestModuleShutsForGood$", "-test.v")
	child.Env = append(os.Environ(), shutProcess+"=open")
	if out, err := child.CombinedOutput(); err != nil || !strings.Contains(string(out), "tried all") {
		t.Fatalf("a new process: %v\n%s", err, out)
	}
}

// attempt is a call that a shut module must refuse: it returns what it put out.
type attempt func() (out []byte, err error)

func shutAndTryAll(t *testing.T) {
	ring := keytest.New(t)
	attempts := moduleAttempts(t)
	maps.Copy(attempts, callerAttempts(t, ring))
	for name, try := range attempts {
		if out, err := try(); err != nil || out == nil {
			t.Errorf("%s before the fault: %x, %v", name, out, err)
		}
	}
	if len(attempts) < 24 {
		t.Fatalf("only %d calls are tried", len(attempts))
	}
	if os.Getenv(shutProcess) == "open" {
		t.Log("tried all")
		return
	}
	if err := sm.Faults()["another digest"].Shut(); err == nil {
		t.Fatal("the fault was not found")
	}
	for range 2 {
		if err := sm.SelfTest(); !errors.Is(err, sm.ErrModule) {
			t.Errorf("a good self-test after it: %v, want ErrModule", err)
		}
	}
	for name, try := range attempts {
		if out, err := try(); err == nil || out != nil {
			t.Errorf("%s: put out %x, %v; want an error and nothing", name, out, err)
		}
	}
	for name, try := range map[string]func() any{
		"NewKey": func() any { return sm.NewKey() }, "Digest": func() any { return sm.Digest([]byte("x")) },
		"EncryptBlock": func() any { return sm.EncryptBlock(sm.Key{}, [16]byte{}) },
		"MAC":          func() any { return sm.MAC([]byte("key"), []byte("x")) },
		"Derive":       func() any { return sm.Derive(sm.SecretOf([]byte("x")), nil, 16) },
		"DeriveHybrid": func() any { return sm.DeriveHybrid(sm.SecretOf([]byte("x")), sm.KEMSecretOf([]byte("y")), nil, 16) },
		"BlindIndex":   func() any { return ring.BlindIndex("phone", "13800010001") },
		"NewTestRing":  func() any { ring, _ := keys.NewTestRing(); return ring },
	} {
		if err := panicOf(try); !errors.Is(err, sm.ErrModule) {
			t.Errorf("%s: %v, want a panic with ErrModule", name, err)
		}
	}
	t.Log("tried all")
}

func panicOf(try func() any) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err, _ = r.(error)
		}
	}()
	return fmt.Errorf("put out %v", try())
}

// done is what a call that only answers yes puts out.
func done(err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return []byte("yes"), nil
}

func moduleAttempts(t *testing.T) map[string]attempt {
	key, symmetric, text := keytest.PrivateKey(t), sm.NewKey(), []byte("text")
	signature, err := sm.Sign(key, text)
	check.Must(t, err)
	ciphertext, err := sm.Encrypt(key.Public(), text)
	check.Must(t, err)
	sealed, err := sm.Seal(symmetric, text, nil)
	check.Must(t, err)
	stored, err := sm.HashPassword(text, rounds)
	check.Must(t, err)
	der, err := key.Marshal()
	check.Must(t, err)
	public, err := key.Public().Marshal()
	check.Must(t, err)
	certificate, err := sm.SelfSigned(key, "bank", noon, time.Hour)
	check.Must(t, err)
	kem, err := sm.GenerateKEMKey()
	check.Must(t, err)
	encapsulated, _, err := sm.Encapsulate(kem.Public())
	check.Must(t, err)
	return map[string]attempt{
		"GenerateKey":     func() ([]byte, error) { k, err := sm.GenerateKey(); return present(k, err) },
		"Marshal private": key.Marshal, "Marshal public": key.Public().Marshal,
		"ParsePrivateKey": func() ([]byte, error) { k, err := sm.ParsePrivateKey(der); return present(k, err) },
		"ParsePublicKey":  func() ([]byte, error) { k, err := sm.ParsePublicKey(public); return present(k, err) },
		"Sign":            func() ([]byte, error) { return sm.Sign(key, text) },
		"Verify":          func() ([]byte, error) { return done(sm.Verify(key.Public(), text, signature)) },
		"Encrypt":         func() ([]byte, error) { return sm.Encrypt(key.Public(), text) },
		"Decrypt":         func() ([]byte, error) { return sm.Decrypt(key, ciphertext) },
		"Agree":           func() ([]byte, error) { s, err := sm.Agree(key, key.Public()); return s.Bytes(), err },
		"GenerateKEMKey":  func() ([]byte, error) { k, err := sm.GenerateKEMKey(); return present(k, err) },
		"ParseKEMKey":     func() ([]byte, error) { k, err := sm.ParseKEMKey(make([]byte, sm.KEMSeedSize)); return present(k, err) },
		"Encapsulate":     func() ([]byte, error) { _, s, err := sm.Encapsulate(kem.Public()); return s.Bytes(), err },
		"Decapsulate":     func() ([]byte, error) { s, err := sm.Decapsulate(kem, encapsulated); return s.Bytes(), err },
		"Subkey":          func() ([]byte, error) { k, err := sm.Subkey(symmetric, text); return keyBytes(k), err },
		"Seal":            func() ([]byte, error) { return sm.Seal(symmetric, text, nil) },
		"Open":            func() ([]byte, error) { return sm.Open(symmetric, sealed, nil) },
		"HashPassword":    func() ([]byte, error) { s, err := sm.HashPassword(text, rounds); return bytesOf(s), err },
		"CheckPassword":   func() ([]byte, error) { _, err := sm.CheckPassword(stored, text, rounds); return done(err) },
		"SelfSigned":      func() ([]byte, error) { return sm.SelfSigned(key, "bank", noon, time.Hour) },
		"CertificateKey":  func() ([]byte, error) { k, err := sm.CertificateKey(certificate, noon); return present(k, err) },
		"NewAEAD": func() ([]byte, error) {
			aead, err := sm.NewAEAD(symmetric)
			if aead == nil {
				return nil, err
			}
			return []byte("an AEAD"), err
		},
	}
}

// callerAttempts are the packages that seal for the rest of the bank: none falls
// back to clear text.
func callerAttempts(t *testing.T, ring *keys.Ring) map[string]attempt {
	data, wrapped, err := ring.NewDataKey()
	check.Must(t, err)
	sealed, err := ring.Seal(keys.Storage, nil, []byte("text"))
	check.Must(t, err)
	password, err := sm.Encrypt(ring.Public(keys.Password), []byte("text"))
	check.Must(t, err)
	opened := channel.Keys{ClientToServer: sm.NewKey(), ServerToClient: sm.NewKey()}
	header := channel.Header{Sequence: 1, Time: noon}
	return map[string]attempt{
		"Ring.Seal":    func() ([]byte, error) { return ring.Seal(keys.Storage, nil, []byte("text")) },
		"Ring.Open":    func() ([]byte, error) { return ring.Open(keys.Storage, nil, sealed) },
		"Ring.Sign":    func() ([]byte, error) { return ring.Sign(keys.Channel, []byte("text")) },
		"Ring.Decrypt": func() ([]byte, error) { return ring.Decrypt(keys.Password, password) },
		"OpenDataKey": func() ([]byte, error) {
			_, err := ring.OpenDataKey(wrapped)
			return done(err)
		},
		"DataKey.Seal": func() ([]byte, error) { return data.Seal(nil, []byte("text")) },
		"SealRequest":  func() ([]byte, error) { return channel.SealRequest(opened, header, "POST", "a-b", []byte("text")) },
		"SealReply":    func() ([]byte, error) { return channel.SealReply(opened, header, noon, "a-b", 200, []byte("text")) },
		"NewClient":    func() ([]byte, error) { c, err := channel.NewClient("device-1"); return present(c, err) },
	}
}

func present[T any](value *T, err error) ([]byte, error) {
	if value == nil {
		return nil, err
	}
	return []byte("a value"), err
}

func keyBytes(k sm.Key) []byte {
	if k == (sm.Key{}) {
		return nil
	}
	return k[:]
}

func bytesOf(text string) []byte {
	if text == "" {
		return nil
	}
	return []byte(text)
}
