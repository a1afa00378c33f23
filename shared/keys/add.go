package keys

import (
	"context"
	"fmt"
	"slices"
)

// AddMissing adds fresh keys to an existing key file, for the purposes that files of
// earlier releases lack. It returns these purposes. It changes no other key, and leaves a
// file alone that lacks nothing or that does not open as a whole. If two calls come at
// once, one of them may get ErrLocked.
func AddMissing(ctx context.Context, path string) (added []Purpose, err error) {
	f, err := readFile(Config{File: path})
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(later(), f.lacks) {
		_, err := openRing(ctx, f, All())
		return nil, err
	}
	err = changeFile(path, func(f *file) error {
		added, err = f.addMissing(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return added, nil
}

// lacks reports whether the file is of a release before the purpose.
func (f *file) lacks(p Purpose) bool {
	return slices.Contains(later(), p) && len(f.Secrets[p]) == 0 && len(f.MACs[p]) == 0
}

// addMissing adds the keys in memory. All other keys must open, because a file that is
// damaged must not look whole afterwards.
func (f *file) addMissing(ctx context.Context) (added []Purpose, err error) {
	if _, err := openRing(ctx, f, slices.DeleteFunc(All(), f.lacks)); err != nil {
		return nil, err
	}
	if f.MACs == nil {
		f.MACs = map[Purpose][][]byte{}
	}
	for _, p := range later() {
		if !f.lacks(p) {
			continue
		}
		if err := f.add(p); err != nil {
			return nil, fmt.Errorf("keys: %s: %w", p, err)
		}
		added = append(added, p)
	}
	return added, nil
}
