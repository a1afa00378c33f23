package keys

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// AddMissing adds fresh keys to an existing key file, for the purposes that files of
// earlier releases lack. It returns these purposes. It changes no other key, and leaves a
// file alone that lacks nothing or that does not open as a whole.
//
// The new content replaces the old content completely or not at all, with the same mode
// and owner. Two calls at once add one set of keys: the folder is locked meanwhile.
func AddMissing(ctx context.Context, path string) (added []Purpose, err error) {
	if path, err = filepath.EvalSymlinks(path); err != nil { // a rename must not replace the link
		return nil, fmt.Errorf("keys: %w", err)
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	defer folder.Close() // closing unlocks
	if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX); err != nil {
		return nil, fmt.Errorf("keys: lock the folder of %s: %w", path, err)
	}
	f, err := readFile(Config{File: path})
	if err != nil {
		return nil, err
	}
	if added, err = f.addMissing(ctx); err != nil || len(added) == 0 {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	if err := f.replace(path, info); err != nil {
		return nil, err
	}
	return added, syncFolder(path)
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
		if err := f.add(p); err != nil {
			return nil, fmt.Errorf("keys: %s: %w", p, err)
		}
		added = append(added, p)
	}
	return added, nil
}

// replace puts the keys in the place of the file, with its mode and owner.
func (f *file) replace(path string, info fs.FileInfo) error {
	temporary, err := f.writeBeside(path)
	if err != nil {
		return err
	}
	defer os.Remove(temporary) // after the rename there is nothing to remove
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		err = os.Chown(temporary, int(owner.Uid), int(owner.Gid))
	}
	// The owner comes first, so that a group that may read the file is the right group.
	if err := errors.Join(err, os.Chmod(temporary, info.Mode().Perm())); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return nil
}
