// Package keytest gives a test keys of its own.
package keytest

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
)

// New is a ring of fresh keys for every purpose.
func New(t check.Failer) *keys.Ring {
	t.Helper()
	ring, err := keys.NewTestRing()
	check.Must(t, err)
	return ring
}

// PrivateKey is a fresh SM2 key.
func PrivateKey(t check.Failer) *sm.PrivateKey {
	t.Helper()
	key, err := sm.GenerateKey()
	check.Must(t, err)
	return key
}

// File is a key file, taken apart.
type File struct {
	Root        []byte                    `json:"root"`
	Secrets     map[keys.Purpose][][]byte `json:"secrets"`
	MACs        map[keys.Purpose][][]byte `json:"macs,omitempty"`
	Pairs       map[keys.Purpose][]byte   `json:"pairs"`
	Certificate []byte                    `json:"certificate"`
}

// ReadFile takes a key file apart.
func ReadFile(t testing.TB, path string) (f File) {
	t.Helper()
	raw, err := os.ReadFile(path)
	check.Must(t, err)
	check.Must(t, json.Unmarshal(raw, &f))
	return f
}

// Write makes a key file in a folder of its own.
func (f File) Write(t testing.TB) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "keys.json")
	check.Must(t, os.WriteFile(path, check.JSON(t, f), 0o600))
	return path
}

func newFile(t testing.TB) File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	check.Must(t, keys.Create(path))
	return ReadFile(t, path)
}

func (f File) ring(t testing.TB) *keys.Ring {
	t.Helper()
	ring, err := keys.Open(t.Context(), keys.Config{File: f.Write(t)}, keys.All()...)
	check.Must(t, err)
	return ring
}

// newKey wraps a new key of the purpose, which must be Pepper or Credential.
func (f File) newKey(t testing.TB, p keys.Purpose) (list map[keys.Purpose][][]byte, wrapped []byte) {
	t.Helper()
	list, size := f.Secrets, 48
	if p == keys.Pepper {
		list, size = f.MACs, 32
	}
	wrapped, err := sm.Seal(sm.Key(f.Root), []byte(strings.Repeat("k", size)), []byte(p))
	check.Must(t, err)
	return list, wrapped
}

// Rotated returns a ring, and a ring of the same keys and a newer key of the purpose.
func Rotated(t testing.TB, p keys.Purpose) [2]*keys.Ring {
	t.Helper()
	f := newFile(t)
	before := f.ring(t)
	list, wrapped := f.newKey(t, p)
	list[p] = append(list[p], wrapped)
	return [2]*keys.Ring{before, f.ring(t)}
}

// OtherPepper returns two rings that differ only in the key of the purpose Pepper.
func OtherPepper(t testing.TB) (ring, other *keys.Ring) {
	t.Helper()
	f := newFile(t)
	ring = f.ring(t)
	list, wrapped := f.newKey(t, keys.Pepper)
	list[keys.Pepper] = [][]byte{wrapped}
	return ring, f.ring(t)
}

// StoredPassword opens a stored password in its place, and returns the text of
// sm.HashPassword in it.
func StoredPassword(t testing.TB, ring *keys.Ring, place []byte, stored string) string {
	t.Helper()
	encoded, ok := strings.CutPrefix(stored, "pbkdf2-sm3-sealed$")
	sealed, err := base64.RawStdEncoding.DecodeString(encoded)
	if err != nil || !ok {
		t.Fatalf("stored as %q", stored)
	}
	opened, err := ring.Open(keys.Credential, place, sealed)
	check.Must(t, err)
	_, text, _ := strings.Cut(string(opened), "$")
	return text
}
