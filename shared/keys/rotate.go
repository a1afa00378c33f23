package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/sm"
)

// Refusals of a change of keys.
var (
	ErrChannelSteps = errors.New("keys: apps pin the channel key; renew it with tide keys channel")
	ErrIndexStays   = errors.New("keys: stored indexes don't change; the key of the purpose blind-index is not rotated")
	ErrWaiting      = errors.New("keys: the purpose has a new key already whose time has not come")
	ErrTooSoon      = errors.New("keys: the new key must not write before every process has read it")
	ErrTooLate      = errors.New("keys: the new key must write within 90 days, because its purpose takes no other key until then")
	ErrNoKeyID      = errors.New("keys: the purpose has no such key")
	ErrWrites       = errors.New("keys: the key writes, or will write; only an older key can be retired")
	ErrLingers      = errors.New("keys: texts under the key are still under way")
)

// State is the use of a key.
type State string

// The states of a key, in their order.
const (
	Next    State = "next"    // it reads; its time to write has not come
	Current State = "current" // it writes and reads
	Old     State = "old"     // it reads what it has written
	Retired State = "retired" // it is destroyed, and its id stays empty
)

// Info tells about a key. It holds no key.
type Info struct {
	Purpose Purpose
	ID      uint16
	State   State
	Made    time.Time // zero: by a release that did not note it
	From    time.Time // it writes from then on; zero: from the start
	Due     time.Time // the purpose needs a new key then; zero unless the key is the newest one
}

// Name names the key as ciphertexts and MACs do: "storage/2".
func (i Info) Name() string { return keyName(i.Purpose, i.ID) }

// Overdue reports whether the purpose's newest key is past its renewal.
func (i Info) Overdue(at time.Time) bool { return !i.Due.IsZero() && at.After(i.Due) }

// List tells about all keys of a key file besides the channel keys (FileChannelKeys). It
// asks no KMS.
func List(config Config) ([]Info, error) {
	f, err := readFile(config)
	if err != nil {
		return nil, err
	}
	var all []Info
	for _, p := range All() {
		if p != Channel {
			all = append(all, f.list(p, clock.System{}.Now())...)
		}
	}
	return all, nil
}

func (f *file) list(p Purpose, at time.Time) (all []Info) {
	state := Current
	wrapped := f.wrapped(p)
	if len(wrapped) == 1 && len(wrapped[0]) == 0 {
		return nil // the file is another process's
	}
	for i := len(wrapped); i > 0; i-- {
		id := uint16(i)
		t := f.of(p, id)
		info := Info{Purpose: p, ID: id, Made: t.Made, From: t.From, State: state}
		switch {
		case !t.Retired.IsZero():
			info.State = Retired
		case t.From.After(at):
			info.State = Next
		default:
			state = Old
		}
		if i == len(wrapped) {
			info.Due = p.due(t)
		}
		all = append(all, info)
	}
	slices.Reverse(all)
	return all
}

// due is when a purpose whose newest key has these times needs a new one.
func (p Purpose) due(newest times) time.Time {
	if p == BlindIndex || newest.Made.IsZero() {
		return time.Time{}
	}
	return newest.Made.Add(p.Life())
}

// Rotate adds a key to a purpose of the key file, and returns its id. The key writes from
// a time on: at least MinLead from now, so that every process has read it before, and at
// most MaxLead.
func Rotate(path string, p Purpose, from time.Time) (id uint16, err error) {
	if err := rotates(p); err != nil {
		return 0, err
	}
	if from.Before(clock.System{}.Now().Add(MinLead - ReloadEvery)) { // the caller took some time
		return 0, ErrTooSoon
	}
	if from.After(clock.System{}.Now().Add(MaxLead)) {
		return 0, ErrTooLate
	}
	return rotate(path, p, from)
}

func rotates(p Purpose) error {
	switch {
	case p.kind() == unknown:
		return ErrNoPurpose
	case p == Channel:
		return ErrChannelSteps
	case p == BlindIndex:
		return ErrIndexStays
	}
	return nil
}

func rotate(path string, p Purpose, from time.Time) (id uint16, err error) {
	err = changeFile(path, func(f *file) (bool, error) {
		if _, err := openRing(context.Background(), f, []Purpose{p}); err != nil {
			return false, err // a damaged file must not look whole
		}
		for _, k := range f.list(p, clock.System{}.Now()) {
			if k.State == Next {
				return false, ErrWaiting
			}
		}
		id = uint16(len(f.wrapped(p)) + 1)
		return true, f.add(p, from.UTC())
	})
	return id, err
}

// Retire destroys an old key of the key file. Nothing opens that the key has written. The
// caller has made sure that no stored text needs the key (package reseal). Retire itself
// refuses a key whose texts may still be under way outside of the database.
func Retire(path string, p Purpose, id uint16) error {
	if err := rotates(p); err != nil {
		return err
	}
	return changeFile(path, func(f *file) (bool, error) {
		all := f.list(p, clock.System{}.Now())
		if id == 0 || int(id) > len(all) || all[id-1].State == Retired {
			return false, ErrNoKeyID
		}
		if all[id-1].State != Old {
			return false, ErrWrites
		}
		current := all[slices.IndexFunc(all, func(k Info) bool { return k.State == Current })]
		if (clock.System{}).Now().Before(current.From.Add(p.lingers())) {
			return false, fmt.Errorf("%w until %s", ErrLingers, current.From.Add(p.lingers()).Format(time.RFC3339))
		}
		t := f.of(p, id)
		t.Retired = clock.System{}.Now().UTC()
		f.put(p, id, nil)
		f.note(p, id, t)
		return true, nil
	})
}

// RotateRoot gives the key file a new root, and wraps every key anew. The keys stay the
// same, so that processes and stored texts notice nothing.
func RotateRoot(path string) error {
	return changeFile(path, func(f *file) (bool, error) {
		root := sm.NewKey()
		fresh, err := f.part(context.Background(), All(), root)
		if err != nil {
			return false, err
		}
		fresh.Root, fresh.path = root[:], f.path
		*f = *fresh
		return true, nil
	})
}
