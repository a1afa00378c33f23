package keys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/sm"
)

// Refusals of a change of the channel keys.
var (
	ErrNextExists = errors.New("keys: the key file holds a next channel key already; make it current first")
	ErrNoNext     = errors.New("keys: the key file holds no next channel key; make one, and let the apps learn its pin")
	ErrNotOld     = errors.New("keys: no old channel key has this pin")
)

// channelFile is a channel key in the key file besides the current one.
type channelFile struct {
	State       ChannelState `json:"state"`
	Pair        []byte       `json:"pair"` // sealed PKCS#8
	Certificate []byte       `json:"certificate"`
}

// FileChannelKeys lists the channel keys of a key file, as Ring.ChannelKeys does.
func FileChannelKeys(path string) ([]ChannelKey, error) {
	f, err := readBank(path)
	if err != nil {
		return nil, err
	}
	r, err := openRing(context.Background(), f, []Purpose{Channel})
	if err != nil {
		return nil, err
	}
	return r.ChannelKeys(), nil
}

// AddChannelKey makes the next channel key in the key file.
func AddChannelKey(path string) error {
	return changeFile(path, func(f *file) (bool, error) {
		if f.next() >= 0 {
			return false, ErrNextExists
		}
		sealed, certificate, err := newChannelKey(sm.Key(f.Root))
		if err != nil {
			return false, err
		}
		f.OtherChannels = slices.Insert(f.OtherChannels, 0, channelFile{ChannelNext, sealed, certificate})
		return true, nil
	})
}

// PromoteChannelKey makes the next channel key the current one, and the current key an
// old one.
func PromoteChannelKey(path string) error {
	return changeFile(path, func(f *file) (bool, error) {
		i := f.next()
		if i < 0 {
			return false, ErrNoNext
		}
		next := f.OtherChannels[i]
		f.OtherChannels[i] = channelFile{ChannelOld, f.Pairs[Channel], f.Certificate}
		f.Pairs[Channel], f.Certificate = next.Pair, next.Certificate
		return true, nil
	})
}

// RetireChannelKey removes the old channel key with this pin (KeyDigest). Apps that pin no newer key can't open
// channels any more.
func RetireChannelKey(path string, digest []byte) error {
	return changeFile(path, func(f *file) (bool, error) {
		all, err := openRing(context.Background(), f, []Purpose{Channel})
		if err != nil {
			return false, err
		}
		for i, k := range all.ChannelKeys()[1:] { // the current key is the first
			if k.State == ChannelOld && bytes.Equal(k.KeyDigest, digest) {
				f.OtherChannels = slices.Delete(f.OtherChannels, i, i+1)
				return true, nil
			}
		}
		return false, ErrNotOld
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
