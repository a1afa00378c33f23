package keys_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/cloud"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/req"
)

func soon() time.Time { return clock.System{}.Now() }

// The provider is a matter of configuration alone: the same suite passes with the keys of a
// local file and with those of a file that KMS has sealed, whose hardware holds the key.
// test/platform/aws runs it with an emulator of KMS.
func TestEachProviderKeepsTheContract(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-021.2")
	file := newFile(t)
	k, config := keytest.NewFakeKMS(t)
	for name, provider := range map[string]keytest.Provider{
		"local": {
			Config: keys.Config{File: file},
			Change: func(t *testing.T, change func(string) error) {
				t.Helper()
				check.Must(t, change(file))
			},
		},
		"KMS": keytest.KMS(t, cloud.New(config), config, german),
	} {
		before := k.Opened()
		t.Run(name, func(t *testing.T) { keytest.Contract(t, provider) })
		if asked := k.Opened() > before; asked != (name == "KMS") {
			t.Errorf("%s: KMS was asked: %v", name, asked)
		}
	}
}

// old are the purposes that tide keys rotate takes.
func rotated() []keys.Purpose {
	var list []keys.Purpose
	for _, p := range keys.All() {
		if p != keys.Channel && p != keys.BlindIndex {
			list = append(list, p)
		}
	}
	return list
}

// A retired key opens nothing, its id never names another key, and a process notices
// without a restart.
func TestARetiredKeyRefuses(t *testing.T) {
	t.Parallel()
	for _, p := range rotated() {
		file := newFile(t)
		ring := open(t, file)
		old := keytest.Write(t, ring, p)
		if err := keys.Retire(file, p, 1); !errors.Is(err, keys.ErrWrites) {
			t.Errorf("%s: the only key: %v", p, err)
		}
		_, err := keys.RotateNow(file, p, time.Time{})
		check.Must(t, err)
		reload(t, ring)
		fresh := keytest.Write(t, ring, p)
		for _, id := range []uint16{0, 3} {
			if err := keys.Retire(file, p, id); !errors.Is(err, keys.ErrNoKeyID) {
				t.Errorf("%s/%d: %v", p, id, err)
			}
		}
		if err := keys.Retire(file, p, 2); !errors.Is(err, keys.ErrWrites) {
			t.Errorf("%s: the key that writes: %v", p, err)
		}
		check.Must(t, old.Read(ring))
		check.Must(t, keys.Retire(file, p, 1))
		reload(t, ring)
		if err := old.Read(ring); !errors.Is(err, keys.ErrOpen) && !errors.Is(err, keys.ErrMAC) {
			t.Errorf("%s: the retired key reads: %v", p, err)
		}
		check.Must(t, fresh.Read(ring))
		if err := keys.Retire(file, p, 1); !errors.Is(err, keys.ErrNoKeyID) {
			t.Errorf("%s: a second time: %v", p, err)
		}
		if id, err := keys.RotateNow(file, p, time.Time{}); err != nil || id != 3 {
			t.Errorf("%s: the next key has the id %d, %v", p, id, err)
		}
	}
}

func reload(t *testing.T, ring *keys.Ring) {
	t.Helper()
	if changed, err := ring.Reload(t.Context()); !changed || err != nil {
		t.Fatalf("reload: %v, %v", changed, err)
	}
}

func TestRotationsThatAreRefused(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	later := soon().Add(time.Hour)
	_, err := keys.Rotate(file, keys.Ledger, later)
	check.Must(t, err)
	for name, tt := range map[string]struct {
		p    keys.Purpose
		from time.Time
		want error
	}{
		"the channel key":      {keys.Channel, later, keys.ErrChannelSteps},
		"the blind index":      {keys.BlindIndex, later, keys.ErrIndexStays},
		"no purpose":           {"nothing", later, keys.ErrNoPurpose},
		"before all know it":   {keys.Storage, soon().Add(keys.MinLead - time.Minute), keys.ErrTooSoon},
		"after 90 days":        {keys.Storage, soon().Add(keys.MaxLead + time.Minute), keys.ErrTooLate},
		"while another waits":  {keys.Ledger, later, keys.ErrWaiting},
		"no file of that name": {keys.Storage, later, os.ErrNotExist},
	} {
		path := file
		if errors.Is(tt.want, os.ErrNotExist) {
			path = filepath.Join(t.TempDir(), "none.json")
		}
		if id, err := keys.Rotate(path, tt.p, tt.from); !errors.Is(err, tt.want) || id != 0 {
			t.Errorf("%s: %d, %v; want %v", name, id, err, tt.want)
		}
	}
	// Texts of a session key live in Redis for a day.
	_, err = keys.RotateNow(file, keys.Session, soon())
	check.Must(t, err)
	if err := keys.Retire(file, keys.Session, 1); !errors.Is(err, keys.ErrLingers) {
		t.Errorf("retire at once: %v", err)
	}
}

// A process keeps its keys if the changed file is damaged or of another bank, and takes up
// the next good file.
func TestAWrongFileChangesNothing(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	ring := open(t, file)
	old := keytest.Write(t, ring, keys.Storage)
	good, err := os.ReadFile(file)
	check.Must(t, err)
	other, err := os.ReadFile(newFile(t))
	check.Must(t, err)
	for name, tt := range map[string]struct {
		content []byte
		says    string
	}{"another bank's": {other, "not of the same keys"}, "cut": {good[:len(good)/2], "is not a key file"}} {
		check.Must(t, os.WriteFile(file, tt.content, 0o600))
		if changed, err := ring.Reload(t.Context()); changed || err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, %v", name, changed, err)
		}
		if err := old.Read(ring); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	check.Must(t, os.Remove(file))
	if changed, err := ring.Reload(t.Context()); changed || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v, %v", changed, err)
	}
	check.Must(t, os.WriteFile(file, good, 0o600))
	_, err = keys.RotateNow(file, keys.Storage, time.Time{})
	check.Must(t, err)
	reload(t, ring)
	if fresh := keytest.Write(t, ring, keys.Storage); fresh.KeyID != "storage/2" || old.Read(ring) != nil {
		t.Errorf("%s writes", fresh.KeyID)
	}
}

// A new root changes no key, and the old root opens none of the new file.
func TestANewRoot(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	_, err := keys.RotateNow(file, keys.Storage, time.Time{})
	check.Must(t, err)
	check.Must(t, keys.Retire(file, keys.Storage, 1))
	check.Must(t, keys.AddChannelKey(file))
	before, ring := keytest.ReadFile(t, file), open(t, file)
	check.Must(t, keys.RotateRoot(file))
	after := keytest.ReadFile(t, file)
	if string(before.Root) == string(after.Root) || len(after.Secrets[keys.Storage]) != 2 {
		t.Errorf("the root stayed, or keys are lost: %d", len(after.Secrets[keys.Storage]))
	}
	same(t, ring, open(t, file))
	reload(t, ring)
	if len(ring.ChannelKeys()) != 2 {
		t.Error("the next channel key is lost")
	}
	after.Root = before.Root
	if _, err := keys.Open(t.Context(), keys.Config{File: after.Write(t)}, keys.Ledger); !errors.Is(err, keys.ErrOpen) {
		t.Errorf("with the old root: %v", err)
	}
}

// The list shows states and dates. A key is overdue only after its renewal.
func TestTheListOfKeys(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	_, err := keys.RotateNow(file, keys.Storage, time.Time{})
	check.Must(t, err)
	check.Must(t, keys.Retire(file, keys.Storage, 1))
	_, err = keys.Rotate(file, keys.Storage, soon().Add(time.Hour))
	check.Must(t, err)
	list, err := keys.List(keys.Config{File: file})
	check.Must(t, err)
	states := map[string]keys.State{}
	for _, k := range list {
		states[k.Name()] = k.State
		if k.Due.IsZero() {
			continue
		}
		life := k.Purpose.Life()
		if k.Overdue(k.Made.Add(life)) || !k.Overdue(k.Made.Add(life+time.Second)) || k.Overdue(soon()) {
			t.Errorf("%s is due at %v", k.Name(), k.Due)
		}
	}
	want := map[string]keys.State{"storage/1": keys.Retired, "storage/2": keys.Current, "storage/3": keys.Next}
	for _, p := range keys.All() {
		if p != keys.Channel && p != keys.Storage {
			want[string(p)+"/1"] = keys.Current
		}
	}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Wrong lengths are refused, whoever has wrapped the key.
func TestAKeyOfAnotherLengthIsRefused(t *testing.T) {
	t.Parallel()
	req.Covers(t, "KEY-001.2")
	good := keytest.ReadFile(t, newFile(t))
	for _, n := range []int{0, 16, 32, 47, 49, 96} {
		c := good
		c.Secrets = map[keys.Purpose][][]byte{keys.Storage: {seal(t, c.Root, "storage", make([]byte, n))}}
		if _, err := keys.Open(t.Context(), keys.Config{File: c.Write(t)}, keys.Storage); !errors.Is(err, keys.ErrOpen) {
			t.Errorf("a key of %d bytes: %v", n, err)
		}
		c.MACs = map[keys.Purpose][][]byte{keys.Pepper: {seal(t, c.Root, "pepper", make([]byte, n))}}
		if _, err := keys.Open(t.Context(), keys.Config{File: c.Write(t)}, keys.Pepper); n != 32 && !errors.Is(err, keys.ErrOpen) {
			t.Errorf("a pepper of %d bytes: %v", n, err)
		}
	}
	for _, n := range []int{0, 8, 15, 17, 32} {
		c := good
		c.Root = make([]byte, n)
		if _, err := keys.Open(t.Context(), keys.Config{File: c.Write(t)}, keys.Storage); err == nil {
			t.Errorf("a root of %d bytes opened", n)
		}
	}
}

// A key is not made with a length that its algorithm does not have: neither by the bank's
// own generator, nor by a KMS that makes the root of a process.
func TestAKeyOfAnotherLengthIsNotMade(t *testing.T) {
	t.Parallel()
	req.Covers(t, "KEY-001.3")
	for algorithm, allowed := range map[sm.Algorithm]func(int) bool{
		sm.SM4:     func(n int) bool { return n == 16 },
		sm.HMACSM3: func(n int) bool { return n >= 32 && n <= 64 },
		"DES":      func(int) bool { return false },
	} {
		for n := range 130 {
			switch key, err := sm.NewSecret(algorithm, n); {
			case allowed(n) && (err != nil || len(key) != n):
				t.Errorf("%s, %d bytes: %d bytes, %v", algorithm, n, len(key), err)
			case !allowed(n) && (!errors.Is(err, sm.ErrLength) || key != nil):
				t.Errorf("%s, %d bytes: %d bytes, %v; want ErrLength", algorithm, n, len(key), err)
			}
		}
	}
	k, config := keytest.NewFakeKMS(t)
	from := newFile(t)
	for _, n := range []int{0, 8, 15, 16, 17, 24, 32} {
		k.Makes(n)
		to := filepath.Join(t.TempDir(), "sealed.json")
		err := keys.Seal(t.Context(), cloud.New(config), keys.Sealing{
			From: from, To: to, Key: german, Process: "audit-on-event", Purposes: []keys.Purpose{keys.Audit},
		})
		_, missing := os.Stat(to)
		if made := missing == nil; made != (n == 16) || made != (err == nil) {
			t.Errorf("a root of %d bytes: %v, file made: %v", n, err, made)
		}
	}
}
