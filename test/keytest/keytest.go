// Package keytest gives a test keys of its own.
package keytest

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

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

	MorePairs     map[keys.Purpose][][]byte `json:"more_pairs,omitempty"`
	Times         map[keys.Purpose][]Times  `json:"times,omitempty"`
	OtherChannels json.RawMessage           `json:"other_channels,omitempty"`
}

// Times are those of a key.
type Times struct {
	Made    time.Time `json:"made,omitzero"`
	From    time.Time `json:"from,omitzero"`
	Retired time.Time `json:"retired,omitzero"`
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

// AddKey adds a key to a purpose of a key file, as keys.Rotate does, for a test whose clock
// is not the machine's. The key writes from a time on.
func AddKey(t testing.TB, path string, p keys.Purpose, from time.Time) {
	t.Helper()
	f := ReadFile(t, path)
	n := 1 // keys before
	switch p {
	case keys.Password:
		der, err := PrivateKey(t).Marshal()
		check.Must(t, err)
		sealed, err := sm.Seal(sm.Key(f.Root), der, []byte(p))
		check.Must(t, err)
		if n += len(f.MorePairs[p]); f.MorePairs == nil {
			f.MorePairs = map[keys.Purpose][][]byte{}
		}
		f.MorePairs[p] = append(f.MorePairs[p], sealed)
	default:
		list, wrapped := f.newKey(t, p)
		n = len(list[p])
		list[p] = append(list[p], wrapped)
	}
	for len(f.Times[p]) < n {
		f.Times[p] = append(f.Times[p], Times{})
	}
	f.Times[p] = append(f.Times[p][:n], Times{Made: from, From: from})
	fresh := path + ".fresh"
	check.Must(t, os.WriteFile(fresh, check.JSON(t, f), 0o600))
	check.Must(t, os.Rename(fresh, path))
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

// newKey wraps a new key of the purpose, which must not be a key pair's.
func (f File) newKey(t testing.TB, p keys.Purpose) (list map[keys.Purpose][][]byte, wrapped []byte) {
	t.Helper()
	list, size := f.Secrets, 48
	if p == keys.Pepper {
		list, size = f.MACs, 32
	}
	raw := make([]byte, size)
	_, _ = rand.Read(raw)
	wrapped, err := sm.Seal(sm.Key(f.Root), raw, []byte(p))
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

// Clear returns every key of a key file in clear, and the root. With purposes, it returns
// the keys of these only.
func Clear(t testing.TB, path string, purposes ...keys.Purpose) (list [][]byte) {
	t.Helper()
	f := ReadFile(t, path)
	if len(purposes) == 0 {
		list = append(list, f.Root)
	}
	open := func(p keys.Purpose, sealed []byte) {
		if len(purposes) > 0 && !slices.Contains(purposes, p) {
			return
		}
		raw, err := sm.Open(sm.Key(f.Root), sealed, []byte(p))
		check.Must(t, err)
		list = append(list, raw)
	}
	for _, keysOf := range []map[keys.Purpose][][]byte{f.Secrets, f.MACs} {
		for p, all := range keysOf {
			for _, sealed := range all {
				open(p, sealed)
			}
		}
	}
	for p, sealed := range f.Pairs {
		open(p, sealed)
	}
	return list
}

// Forms are the ways in which a text may show a key: raw, in hexadecimal and in Base64.
func Forms(key []byte) []string {
	return []string{
		string(key), hex.EncodeToString(key), strings.ToUpper(hex.EncodeToString(key)), base64.StdEncoding.EncodeToString(key),
		base64.RawStdEncoding.EncodeToString(key), base64.RawURLEncoding.EncodeToString(key),
	}
}
