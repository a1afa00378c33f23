package keys_test

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/req"
)

func open(t testing.TB, file string) *keys.Ring {
	t.Helper()
	ring, err := keys.Open(t.Context(), keys.Config{File: file}, keys.All()...)
	check.Must(t, err)
	return ring
}

// newFile returns a key file, as the operator's command makes it.
func newFile(t testing.TB) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "keys.json")
	check.Must(t, keys.Create(file))
	return file
}

// same fails the test unless both rings have the same keys of every purpose.
func same(t *testing.T, one, two *keys.Ring) {
	t.Helper()
	for _, p := range symmetric {
		sum, id := one.MAC(p, plain)
		sealed, err := one.Seal(p, place, plain)
		check.Must(t, err)
		got, err := two.Open(p, place, sealed)
		if two.VerifyMAC(p, id, sum, plain) != nil || err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%s differs", p)
		}
	}
	for _, p := range []keys.Purpose{keys.Channel, keys.Password} {
		if !one.Public(p).Equal(two.Public(p)) {
			t.Errorf("%s differs", p)
		}
	}
	if !bytes.Equal(one.Certificate(), two.Certificate()) || one.Public(keys.Channel).Equal(one.Public(keys.Password)) {
		t.Error("the certificates differ, or the two pairs do not")
	}
}

func TestCreateMakesAFileForItsOwnerOnly(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	info, err := os.Stat(file)
	check.Must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode().Perm())
	}
	list, err := os.ReadDir(filepath.Dir(file))
	check.Must(t, err)
	if len(list) != 1 {
		t.Errorf("more than the key file was left: %v", list)
	}
	same(t, open(t, file), open(t, file))
}

// A second call changes nothing: new keys would make all sealed data unreadable.
func TestCreateNeverOverwrites(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	before, err := os.ReadFile(file)
	check.Must(t, err)
	if err := keys.Create(file); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), file) {
		t.Errorf("%v, want fs.ErrExist and the file's name", err)
	}
	after, err := os.ReadFile(file)
	check.Must(t, err)
	if !bytes.Equal(before, after) {
		t.Error("the file changed")
	}
	dangling := filepath.Join(t.TempDir(), "keys.json")
	check.Must(t, os.Symlink("nowhere", dangling))
	if err := keys.Create(dangling); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a link to nowhere: %v, want fs.ErrExist", err)
	}
}

func TestOpenMakesNoFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	ring, err := keys.Open(t.Context(), keys.Config{File: file}, keys.All()...)
	if !errors.Is(err, fs.ErrNotExist) || ring != nil || !strings.Contains(err.Error(), "tide keys create --file "+file) {
		t.Errorf("%v, want fs.ErrNotExist and the command", err)
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file was made (%v)", err)
	}
}

func TestNoFileConfigured(t *testing.T) {
	t.Parallel()
	if _, err := keys.Open(t.Context(), keys.Config{}, keys.Ledger); err == nil || !strings.Contains(err.Error(), "KEYS_FILE") {
		t.Errorf("%v, want an error that names KEYS_FILE", err)
	}
}

func TestFileThatNobodyMayWrite(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	check.Must(t, os.Chmod(file, 0o400))
	open(t, file)
}

func TestFilesOfTwoBanksDiffer(t *testing.T) {
	t.Parallel()
	one, two := open(t, newFile(t)), open(t, newFile(t))
	sum, id := one.MAC(keys.Ledger, plain)
	if err := two.VerifyMAC(keys.Ledger, id, sum, plain); !errors.Is(err, keys.ErrMAC) {
		t.Errorf("%v, want ErrMAC", err)
	}
}

func TestProcessesThatCreateTogetherShareTheKeys(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	rings, errs := make([]*keys.Ring, 8), make([]error, 8)
	var made atomic.Int32
	var all sync.WaitGroup
	for i := range rings {
		all.Go(func() {
			switch err := keys.Create(file); {
			case err == nil:
				made.Add(1)
			case !errors.Is(err, fs.ErrExist):
				errs[i] = err
				return
			}
			rings[i], errs[i] = keys.Open(t.Context(), keys.Config{File: file}, keys.All()...)
		})
	}
	all.Wait()
	check.Must(t, errors.Join(errs...))
	if made.Load() != 1 {
		t.Errorf("%d calls made the file, want 1", made.Load())
	}
	for _, ring := range rings[1:] {
		same(t, rings[0], ring)
	}
}

func TestFileThatOthersMayRead(t *testing.T) {
	t.Parallel()
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o610, 0o644} {
		file := newFile(t)
		check.Must(t, os.Chmod(file, mode))
		_, err := keys.Open(t.Context(), keys.Config{File: file})
		if err == nil || !strings.Contains(err.Error(), "may be read by others") || !strings.Contains(err.Error(), file) {
			t.Errorf("mode %v: %v, want a refusal that names the file", mode, err)
		}
	}
}

func TestNoPlaceForTheFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "nowhere", "keys.json")
	if _, err := keys.Open(t.Context(), keys.Config{File: file}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open: %v, want fs.ErrNotExist", err)
	}
	if err := keys.Create(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("create: %v, want fs.ErrNotExist", err)
	}
	if err := keys.Create(""); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("create without a path: %v", err)
	}
}

type content = keytest.File

func TestTamperedFileIsRefused(t *testing.T) {
	t.Parallel()
	good, another := keytest.ReadFile(t, newFile(t)), keytest.ReadFile(t, newFile(t))
	swap := func(m map[keys.Purpose][]byte, p, q keys.Purpose) { m[p], m[q] = m[q], m[p] }
	put := func(c *content, p keys.Purpose, sealed []byte) { c.Secrets[p] = [][]byte{sealed} }
	for name, tt := range map[string]struct {
		says  string
		spoil func(*content)
	}{
		"root cut":     {"is not a key file", func(c *content) { c.Root = c.Root[1:] }},
		"no root":      {"is not a key file", func(c *content) { c.Root = nil }},
		"another root": {"does not open", func(c *content) { c.Root = another.Root }},
		"a bit of a key": {"ledger: keys: does not open", func(c *content) {
			put(c, "ledger", check.Flip(c.Secrets["ledger"][0], 9))
		}},
		"a key cut":             {"otp: keys: does not open", func(c *content) { put(c, "otp", c.Secrets["otp"][0][:20]) }},
		"a short key":           {"otp: keys: does not open", func(c *content) { put(c, "otp", seal(t, c.Root, "otp", make([]byte, 47))) }},
		"a key elsewhere":       {"otp: keys: does not open", func(c *content) { c.Secrets["otp"] = c.Secrets["audit"] }},
		"a key of another bank": {"event: keys: does not open", func(c *content) { c.Secrets["event"] = another.Secrets["event"] }},
		"a purpose missing":     {"storage: there is no key", func(c *content) { delete(c.Secrets, "storage") }},
		"a purpose empty":       {"storage: there is no key", func(c *content) { c.Secrets["storage"] = nil }},
		"a bit of a MAC key": {"pepper: keys: does not open", func(c *content) {
			c.MACs = map[keys.Purpose][][]byte{"pepper": {check.Flip(c.MACs["pepper"][0], 9)}}
		}},
		"a MAC key of another size": {"pepper: keys: does not open", func(c *content) {
			c.MACs = map[keys.Purpose][][]byte{"pepper": {seal(t, c.Root, "pepper", make([]byte, 48))}}
		}},
		"no pepper":         {"pepper: there is no key", func(c *content) { c.MACs = nil }},
		"no credential key": {"tide keys add --file", func(c *content) { delete(c.Secrets, "credential") }},
		"a bit of a pair": {"channel: keys: does not open", func(c *content) {
			c.Pairs["channel"] = check.Flip(c.Pairs["channel"], 9)
		}},
		"pairs changed over":  {"channel: keys: does not open", func(c *content) { swap(c.Pairs, "channel", "password") }},
		"a pair missing":      {"password: keys: does not open", func(c *content) { delete(c.Pairs, "password") }},
		"a pair that is none": {"channel: sm: not a key", func(c *content) { c.Pairs["channel"] = seal(t, c.Root, "channel", plain) }},
		"no certificate":      {"certificate", func(c *content) { c.Certificate = nil }},
		"another certificate": {"certificate", func(c *content) { c.Certificate = another.Certificate }},
	} {
		c := good
		c.Secrets, c.Pairs = maps.Clone(good.Secrets), maps.Clone(good.Pairs)
		tt.spoil(&c)
		ring, err := keys.Open(t.Context(), keys.Config{File: c.Write(t)}, keys.All()...)
		if err == nil || !strings.Contains(err.Error(), tt.says) || ring != nil {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
	}
	open(t, good.Write(t))
}

func seal(t testing.TB, root []byte, purpose string, text []byte) []byte {
	t.Helper()
	sealed, err := sm.Seal(sm.Key(root), text, []byte(purpose))
	check.Must(t, err)
	return sealed
}

func TestTruncatedFileIsRefused(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	raw, err := os.ReadFile(file)
	check.Must(t, err)
	for _, n := range []int{0, 1, len(raw) / 2, len(raw) - 1} {
		check.Must(t, os.WriteFile(file, raw[:n], 0o600))
		if _, err := keys.Open(t.Context(), keys.Config{File: file}); err == nil || !strings.Contains(err.Error(), "is not a key file") {
			t.Errorf("first %d bytes: %v", n, err)
		}
	}
}

// The file holds nothing in clear but the root, which stands for the HSM.
func TestKeysRestWrapped(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	c, ring := keytest.ReadFile(t, file), open(t, file)
	der, err := sm.Open(sm.Key(c.Root), c.Pairs[keys.Channel], []byte("channel"))
	check.Must(t, err)
	key, err := sm.ParsePrivateKey(der)
	if err != nil || !key.Public().Equal(ring.Public(keys.Channel)) {
		t.Errorf("the pair rests as %x, %v", der, err)
	}
	for p, sealed := range c.Pairs {
		if bytes.Contains(sealed, der[len(der)-32:]) {
			t.Errorf("%s is in clear", p)
		}
	}
}

// A second key takes over the writing; what the first wrote stays good.
func TestRotation(t *testing.T) {
	t.Parallel()
	req.Covers(t, "KEY-007.1")
	c := keytest.ReadFile(t, newFile(t))
	before := open(t, c.Write(t))
	for p, list := range c.Secrets {
		raw := bytes.Repeat([]byte(p), 48)[:48]
		c.Secrets[p] = append(list, seal(t, c.Root, string(p), raw))
	}
	c.MACs["pepper"] = append(c.MACs["pepper"], seal(t, c.Root, "pepper", bytes.Repeat([]byte{7}, 32)))
	after := open(t, c.Write(t))

	old, err := before.Seal(keys.Storage, place, plain)
	check.Must(t, err)
	if got, err := after.Open(keys.Storage, place, old); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("the old text opens as %q, %v", got, err)
	}
	fresh, err := after.Seal(keys.Storage, place, plain)
	check.Must(t, err)
	if got, err := after.Open(keys.Storage, place, fresh); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("the new text opens as %q, %v", got, err)
	}
	if _, err := before.Open(keys.Storage, place, fresh); !errors.Is(err, keys.ErrOpen) {
		t.Errorf("a process without the new key: %v, want ErrOpen", err)
	}
	sum, id := before.MAC(keys.Ledger, plain)
	check.Must(t, after.VerifyMAC(keys.Ledger, id, sum, plain))
	newSum, newID := after.MAC(keys.Ledger, plain)
	check.Must(t, after.VerifyMAC(keys.Ledger, newID, newSum, plain))
	if id != "ledger/1" || newID != "ledger/2" || bytes.Equal(sum, newSum) {
		t.Errorf("MACs by %s and %s", id, newID)
	}
	if err := after.VerifyMAC(keys.Ledger, newID, sum, plain); !errors.Is(err, keys.ErrMAC) {
		t.Errorf("the old MAC under the new key's id: %v, want ErrMAC", err)
	}
	if !after.SealedByCurrent(keys.Storage, fresh) || after.SealedByCurrent(keys.Storage, old) ||
		!before.SealedByCurrent(keys.Storage, old) || after.SealedByCurrent(keys.Storage, nil) {
		t.Error("the newest key is not told from the older one")
	}
	first, err := before.Sum(keys.Pepper, "pepper/1", plain)
	check.Must(t, err)
	again, err := after.Sum(keys.Pepper, "pepper/1", plain)
	check.Must(t, err)
	second, err := after.Sum(keys.Pepper, "pepper/2", plain)
	check.Must(t, err)
	if id, err := after.SumKey(keys.Pepper); err != nil || id != "pepper/2" || !bytes.Equal(first, again) || bytes.Equal(first, second) {
		t.Errorf("MACs of pepper: %x, %x and by %s %x, %v", first, again, id, second, err)
	}
	for _, id := range []string{"pepper/2", "pepper/0", "pepper/01", "pepper/65537", "pepper/", "1", "ledger/1", ""} {
		if sum, err := before.Sum(keys.Pepper, id, plain); !errors.Is(err, keys.ErrMAC) || sum != nil {
			t.Errorf("a MAC by the key %q: %x, %v; want ErrMAC", id, sum, err)
		}
	}
	if !bytes.Equal(before.BlindIndex("phone", "13800010001"), after.BlindIndex("phone", "13800010001")) {
		t.Error("the old indexes find no customer")
	}
}
