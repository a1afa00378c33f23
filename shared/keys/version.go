package keys

import (
	"slices"
	"time"
)

// versioned is one key of a purpose. Its id is its place in the provider's list, from 1
// on, and never changes. It writes from a time on, so that each process knows a new key
// before any process writes with it. All keys of the list read.
type versioned[T any] struct {
	id   uint16
	from time.Time // zero: from the start
	key  T
}

// writing returns the key that writes at a time: the newest one whose time has come, or the
// oldest one if no key's time has come.
func writing[T any](list []versioned[T], at time.Time) versioned[T] {
	for _, v := range slices.Backward(list) {
		if !v.from.After(at) {
			return v
		}
	}
	return list[0]
}

// find returns the key with the id.
func find[T any](list []versioned[T], id uint16) (key T, found bool) {
	for _, v := range list {
		if v.id == id {
			return v.key, true
		}
	}
	return key, false
}

// times are what the key file says of a key besides its wrapped bytes.
type times struct {
	Made time.Time `json:"made,omitzero"` // zero: by an earlier release
	From time.Time `json:"from,omitzero"` // it writes from then on; zero: from the start
	// Retired is the time at which the key was destroyed; zero: it was not.
	Retired time.Time `json:"retired,omitzero"`
}

// of returns the times of a key.
func (f *file) of(p Purpose, id uint16) times {
	if list := f.Times[p]; int(id) <= len(list) {
		return list[id-1]
	}
	return times{}
}

// note keeps the times of a key.
func (f *file) note(p Purpose, id uint16, t times) {
	if f.Times == nil {
		f.Times = map[Purpose][]times{}
	}
	for len(f.Times[p]) < int(id) {
		f.Times[p] = append(f.Times[p], times{})
	}
	f.Times[p][id-1] = t
}

// wrapped lists all keys of a purpose by their ids. A retired key is empty.
func (f *file) wrapped(p Purpose) [][]byte {
	switch p.kind() {
	case signing:
		return [][]byte{f.Pairs[p]}
	case decrypting:
		return slices.Concat([][]byte{f.Pairs[p]}, f.MorePairs[p])
	case summing:
		return f.MACs[p]
	default:
		return f.Secrets[p]
	}
}

// put sets the wrapped key with the id. An id that is one more than the last one adds a key.
func (f *file) put(p Purpose, id uint16, wrapped []byte) {
	set := func(all *map[Purpose][][]byte, i int) {
		if *all == nil {
			*all = map[Purpose][][]byte{}
		}
		if i == len((*all)[p]) {
			(*all)[p] = append((*all)[p], nil)
		}
		(*all)[p][i] = wrapped
	}
	switch kind := p.kind(); {
	case kind == summing:
		set(&f.MACs, int(id)-1)
	case kind == decrypting && id > 1:
		set(&f.MorePairs, int(id)-2)
	case kind == decrypting || kind == signing:
		f.Pairs[p] = wrapped
	default:
		set(&f.Secrets, int(id)-1)
	}
}
