package shamir_test

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/keys/shamir"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
)

// Any shares, as many as the threshold, make the key, in any order.
func TestAnySharesMakeTheKey(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		threshold := rapid.IntRange(2, shamir.MaxShares).Draw(t, "threshold")
		number := rapid.IntRange(threshold, shamir.MaxShares).Draw(t, "shares")
		key := sm.Key(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "key"))
		list, err := (shamir.Scheme{}).Split(key, number, threshold)
		check.Must(t, err)
		if len(list) != number {
			t.Fatalf("%d shares", len(list))
		}
		order := rapid.Permutation(list).Draw(t, "order")
		if got, err := (shamir.Scheme{}).Join(order, threshold); err != nil || got != key {
			t.Fatalf("%x, %v; want %x", got, err, key)
		}
		// With one share fewer, the same polynomial is of too low a degree.
		if threshold > 2 {
			if got, err := (shamir.Scheme{}).Join(order[:threshold-1], threshold-1); err == nil && got == key {
				t.Fatal("fewer shares than the threshold make the key")
			}
		}
	})
}

func TestSharesThatMakeNoKey(t *testing.T) {
	t.Parallel()
	key := sm.NewKey()
	list, err := (shamir.Scheme{}).Split(key, 5, 3)
	check.Must(t, err)
	other, err := (shamir.Scheme{}).Split(key, 5, 3)
	check.Must(t, err)
	changed := slices.Clone(list) // Join may make another key of it
	changed[1].Value[31] ^= 1
	if got, err := (shamir.Scheme{}).Join(changed, 3); err == nil && got == key {
		t.Error("a changed share makes the key")
	}
	for name, tt := range map[string]struct {
		shares []keys.Share
		want   error
	}{
		"too few":       {list[:2], shamir.ErrNumbers},
		"one twice":     {[]keys.Share{list[0], list[1], list[0]}, shamir.ErrShares},
		"the number 0":  {[]keys.Share{list[0], list[1], {Value: list[2].Value}}, shamir.ErrShares},
		"of two splits": {[]keys.Share{list[0], list[1], other[2]}, shamir.ErrShares},
	} {
		got, err := (shamir.Scheme{}).Join(tt.shares, 3)
		if !errors.Is(err, tt.want) || got == key {
			t.Errorf("%s: %x, %v; want %v", name, got, err, tt.want)
		}
	}
	for _, n := range [][2]int{{1, 1}, {2, 1}, {2, 3}, {17, 3}, {0, 0}, {5, -1}} {
		if _, err := (shamir.Scheme{}).Split(key, n[0], n[1]); !errors.Is(err, shamir.ErrNumbers) {
			t.Errorf("%d shares with the threshold %d: %v", n[0], n[1], err)
		}
	}
}

// Two splits of one key share no value, so that a share is no digest of the key.
func TestSharesAreRandom(t *testing.T) {
	t.Parallel()
	key, seen := sm.NewKey(), map[[keys.ShareSize]byte]bool{}
	for range 100 {
		list, err := (shamir.Scheme{}).Split(key, 3, 2)
		check.Must(t, err)
		for _, s := range list {
			if seen[s.Value] {
				t.Fatal("a value came twice")
			}
			seen[s.Value] = true
		}
	}
}
