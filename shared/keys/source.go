package keys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tidebank/tidebank/shared/clock"
)

// ReloadEvery is how often a process looks whether its key file has changed. A new key
// must begin to write later than that (MinLead).
const ReloadEvery = time.Minute

// MinLead is the shortest time from a rotation to the first use of the new key.
const MinLead = 5 * ReloadEvery

// MaxLead is the longest such time. Until the new key writes, its purpose takes no other
// one: after a typing error, a key that was stolen could not be replaced for years.
const MaxLead = 90 * 24 * time.Hour

// reloadLimit bounds one reading of the key file.
const reloadLimit = 5 * time.Second

// ErrOtherKeys refuses a changed key file that holds other keys under the same ids, or
// none of the keys that the process has.
var ErrOtherKeys = errors.New("keys: the changed key file is not of the same keys; the process keeps its own")

// held are the opened keys of a process at one time. They never change.
type held struct {
	opened  map[Purpose]opened
	channel []ChannelKey // the current one first
}

// source gives all views of a process their keys, and renews them while it runs.
type source struct {
	held  atomic.Pointer[held]
	clock clock.Clock
	open  func(context.Context) (*held, error) // nil: the keys are in memory only
	stamp func() (string, error)               // changes with the key file
	again func() (changed bool, err error)     // reload, for a caller without a context

	mu     sync.Mutex // one reader of the file at a time
	seen   string
	looked time.Time
}

// Reload reads the key file again if it has changed. If the file can't be used, the process
// keeps its keys, and the next Reload tries again.
func (r *Ring) Reload(ctx context.Context) (changed bool, err error) {
	s := r.source
	ctx, cancel := context.WithTimeout(ctx, reloadLimit)
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reload(ctx)
}

func (s *source) reload(ctx context.Context) (changed bool, err error) {
	if s.open == nil {
		return false, nil
	}
	s.looked = s.clock.Now()
	stamp, err := s.stamp()
	if err != nil {
		return false, fmt.Errorf("keys: %w", err)
	}
	if stamp == s.seen {
		return false, nil
	}
	fresh, err := s.open(ctx)
	if err != nil {
		return false, err
	}
	if !fresh.continues(s.held.Load(), s.looked) {
		return false, ErrOtherKeys
	}
	s.held.Store(fresh)
	s.seen = stamp
	return true, nil
}

// newSource makes a source without keys yet.
func newSource(c clock.Clock) *source {
	s := &source{clock: c}
	s.again = func() (bool, error) {
		ctx, cancel := context.WithTimeout(context.Background(), reloadLimit)
		defer cancel()
		return s.reload(ctx)
	}
	return s
}

// finds reports whether look has found a key among the keys. If it has not, it looks among
// newer keys once, if there are any.
func (s *source) finds(look func(*held) bool) bool {
	these := s.held.Load()
	return look(these) || s.missed(these) && look(s.held.Load())
}

// missed is called when an id names no key of these keys. It reads the file again, at most
// once a second, because another process may use a newer key already. It reports whether
// there are other keys now.
func (s *source) missed(these *held) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held.Load() != these {
		return true
	}
	if s.clock.Now().Sub(s.looked) < time.Second {
		return false
	}
	changed, err := s.again()
	return changed && err == nil
}

// fileStamp changes whenever the file is replaced or written.
func fileStamp(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err //nolint:wrapcheck // the caller wraps it
	}
	var inode uint64
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		inode = stat.Ino
	}
	return fmt.Sprintf("%d %d %d", info.ModTime().UnixNano(), info.Size(), inode), nil
}

// continues reports whether the keys follow those before: no id has got another key, and
// each purpose has a key of before or only newer ones.
func (h *held) continues(before *held, at time.Time) bool {
	for p, old := range before.opened {
		now := h.opened[p]
		switch {
		case p == Channel:
			if !slices.ContainsFunc(h.channel, func(k ChannelKey) bool { return k.among(before.channel) }) {
				return false
			}
		case old.mac != nil:
			if now.mac == nil || !sameMAC(old.mac, now.mac, at) {
				return false
			}
		case !follows(old.secrets, now.secrets, secret.equal), !follows(old.pairs, now.pairs, samePair):
			return false
		}
	}
	return true
}

func (k ChannelKey) among(list []ChannelKey) bool {
	return slices.ContainsFunc(list, func(o ChannelKey) bool { return bytes.Equal(o.KeyDigest, k.KeyDigest) })
}

func (s secret) equal(other secret) bool {
	return s.seal == other.seal && bytes.Equal(s.mac, other.mac)
}

func samePair(one, other pair) bool { return one.public().Equal(other.public()) }

// follows compares two lists of keys of one purpose. A process that slept may have missed
// that all its keys were retired.
func follows[T any](before, now []versioned[T], equal func(T, T) bool) bool {
	if len(before) == 0 {
		return len(now) == 0
	}
	shared := len(now) > 0 && now[0].id > before[len(before)-1].id
	for _, v := range before {
		key, found := find(now, v.id)
		if found && !equal(v.key, key) {
			return false
		}
		shared = shared || found
	}
	return shared
}

// sameMAC compares MACs of one message under the key that wrote last. A key that is gone
// was retired.
func sameMAC(before, now mac, at time.Time) bool {
	message, id := []byte("keys: the same MAC key"), before.current(at)
	want, err := before.sum(id, message)
	if err != nil {
		return false
	}
	got, err := now.sum(id, message)
	return errors.Is(err, ErrMAC) || err == nil && bytes.Equal(got, want)
}
