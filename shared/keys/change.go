package keys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// changeFile changes a key file, if change reports a change. The new content replaces the
// old content completely or not at all, with the same mode and owner: a reader finds the
// old keys or the new ones, also after a crash. Two changes never run at once, because the
// folder is locked meanwhile.
func changeFile(path string, change func(*file) (changed bool, err error)) error {
	if _, err := readBank(path); err != nil {
		return err // it tells what to do
	}
	path, err := filepath.EvalSymlinks(path) // a rename must not replace the link
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	defer folder.Close() // closing unlocks
	if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("keys: lock the folder of %s: %w", path, err)
	}
	f, err := readBank(path)
	if err != nil {
		return err
	}
	changed, err := change(f)
	if err != nil || !changed {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if err := f.replace(path, info); err != nil {
		return err
	}
	return syncFolder(path)
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
