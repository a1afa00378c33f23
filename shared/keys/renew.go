package keys

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/sm"
)

// Refusals of a change of the channel keys.
var (
	ErrNextExists = errors.New("keys: the key file holds a next channel key already; make it current first")
	ErrNoNext     = errors.New("keys: the key file holds no next channel key; make one, and let the apps learn its pin")
	ErrNotOld     = errors.New("keys: no old channel key has this pin")
	ErrLocked     = errors.New("keys: another command changes the key file")
)

// channelFile is a channel key in the key file besides the current one.
type channelFile struct {
	State       ChannelState `json:"state"`
	Pair        []byte       `json:"pair"` // sealed PKCS#8
	Certificate []byte       `json:"certificate"`
}

// FileChannelKeys lists the channel keys of a key file, as Ring.ChannelKeys does.
func FileChannelKeys(path string) ([]ChannelKey, error) {
	f, err := readFile(Config{File: path})
	if err != nil {
		return nil, err
	}
	r, err := openRing(context.Background(), f, []Purpose{Channel})
	if err != nil {
		return nil, err
	}
	return r.channel, nil
}

// AddChannelKey makes the next channel key in the key file.
func AddChannelKey(path string) error {
	return changeFile(path, func(f *file) error {
		if f.next() >= 0 {
			return ErrNextExists
		}
		sealed, certificate, err := newChannelKey(sm.Key(f.Root))
		if err != nil {
			return err
		}
		f.OtherChannels = slices.Insert(f.OtherChannels, 0, channelFile{ChannelNext, sealed, certificate})
		return nil
	})
}

// PromoteChannelKey makes the next channel key the current one, and the current key an
// old one.
func PromoteChannelKey(path string) error {
	return changeFile(path, func(f *file) error {
		i := f.next()
		if i < 0 {
			return ErrNoNext
		}
		next := f.OtherChannels[i]
		f.OtherChannels[i] = channelFile{ChannelOld, f.Pairs[Channel], f.Certificate}
		f.Pairs[Channel], f.Certificate = next.Pair, next.Certificate
		return nil
	})
}

// RetireChannelKey removes the old channel key with this pin (KeyDigest). Apps that pin no newer key can't open
// channels any more.
func RetireChannelKey(path string, digest []byte) error {
	return changeFile(path, func(f *file) error {
		all, err := openRing(context.Background(), f, []Purpose{Channel})
		if err != nil {
			return err
		}
		for i, k := range all.channel[1:] { // the current key is the first
			if k.State == ChannelOld && bytes.Equal(k.KeyDigest, digest) {
				f.OtherChannels = slices.Delete(f.OtherChannels, i, i+1)
				return nil
			}
		}
		return ErrNotOld
	})
}

// next is the place of the next channel key; -1 if there is none.
func (f *file) next() int {
	return slices.IndexFunc(f.OtherChannels, func(c channelFile) bool { return c.State == ChannelNext })
}

func (f *file) otherChannelKeys(context.Context) ([]certified, error) {
	var list []certified
	for _, c := range f.OtherChannels {
		if c.State != ChannelNext && c.State != ChannelOld {
			return nil, fmt.Errorf("keys: a channel key has the state %q", c.State)
		}
		found, err := f.openPair(Channel, c.Pair)
		if err != nil {
			return nil, err
		}
		list = append(list, certified{c.State, found, c.Certificate})
	}
	return list, nil
}

// newChannelKey makes a key pair, sealed by the root, and its certificate.
func newChannelKey(root sm.Key) (sealed, certificate []byte, err error) {
	key, err := sm.GenerateKey()
	if err != nil {
		return nil, nil, fmt.Errorf("keys: %w", err)
	}
	from := clock.System{}.Now().Add(-time.Hour) // a client's clock may be a little behind
	if certificate, err = sm.SelfSigned(key, "Tidebank channel", from, certificateLife); err != nil {
		return nil, nil, fmt.Errorf("keys: %w", err)
	}
	der, err := key.Marshal()
	if err != nil {
		return nil, nil, fmt.Errorf("keys: %w", err)
	}
	if sealed, err = sm.Seal(root, der, []byte(Channel)); err != nil {
		return nil, nil, fmt.Errorf("keys: %w", err)
	}
	return sealed, certificate, nil
}

// changeFile changes a key file. The file is replaced as a whole, with the same mode and
// owner: a reader finds the old keys or the new ones, also after a crash. Two changes
// never run at once.
func changeFile(path string, change func(*file) error) error {
	if real, err := filepath.EvalSymlinks(path); err == nil { // a rename must not replace the link
		path = real
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	defer folder.Close() // it is only locked and synced; closing ends the lock
	if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return ErrLocked
	}
	f, err := readFile(Config{File: path})
	if err != nil {
		return err
	}
	if err := change(f); err != nil {
		return err
	}
	raw, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if err := replace(path, raw); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if err := folder.Sync(); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return nil
}

// replace writes a file anew with the mode and owner that it has.
func replace(path string, raw []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return err //nolint:wrapcheck // changeFile wraps it
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), ".keys-*") // mode 0600
	if err != nil {
		return err //nolint:wrapcheck // as above
	}
	defer os.Remove(temporary.Name()) // Rename has given the file its final name
	_, err = temporary.Write(raw)
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Geteuid() {
		err = errors.Join(err, temporary.Chown(int(stat.Uid), int(stat.Gid)))
	}
	err = errors.Join(err, temporary.Chmod(info.Mode().Perm()), temporary.Sync(), temporary.Close())
	if err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path) //nolint:wrapcheck // as above
}
