package keys

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// AddMissing adds fresh keys to an existing key file, for the purposes that files of
// earlier releases lack. It returns these purposes. It changes no other key, and leaves a
// file alone that lacks nothing or that does not open as a whole. Two calls at once add
// one set of keys.
func AddMissing(ctx context.Context, path string) (added []Purpose, err error) {
	err = changeFile(path, func(f *file) (bool, error) {
		added, err = f.addMissing(ctx)
		return len(added) > 0, err
	})
	if err != nil {
		return nil, err
	}
	return added, nil
}

// addMissing adds the keys in memory. All other keys must open, because a file that is
// damaged must not look whole afterwards.
func (f *file) addMissing(ctx context.Context) (added []Purpose, err error) {
	missing := func(p Purpose) bool {
		return slices.Contains(later(), p) && len(f.Secrets[p]) == 0 && len(f.MACs[p]) == 0
	}
	rest := slices.DeleteFunc(All(), missing)
	if _, err := openRing(ctx, f, rest); err != nil {
		return nil, err
	}
	if f.MACs == nil {
		f.MACs = map[Purpose][][]byte{}
	}
	for _, p := range All() {
		if !missing(p) {
			continue
		}
		if err := f.add(p, time.Time{}); err != nil {
			return nil, fmt.Errorf("keys: %s: %w", p, err)
		}
		added = append(added, p)
	}
	return added, nil
}
