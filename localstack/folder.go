package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// folder is the local bank's data directory, locked while a bank runs in it.
type folder struct {
	path string
	lock *os.File
}

// openFolder makes the directory and locks it. A bank that keeps its own database there
// has it alone; banks on one given database may share the keys. The lock ends with the
// process, so a bank that was killed does not keep it.
func openFolder(path string, shared bool) (*folder, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	how := syscall.LOCK_EX
	if shared {
		how = syscall.LOCK_SH
	}
	if err := syscall.Flock(int(lock.Fd()), how|syscall.LOCK_NB); err != nil {
		_ = lock.Close() // nothing was written
		return nil, fmt.Errorf("another bank runs in %s (stop it, or choose another directory with --data): %w", path, err)
	}
	return &folder{path: path, lock: lock}, nil
}

// clear deletes the data of earlier runs: only the local bank's own files.
func (f *folder) clear() error {
	for _, name := range []string{"pgdata", "keys.json", "clock"} {
		if err := os.RemoveAll(f.file(name)); err != nil {
			return fmt.Errorf("--fresh: %w", err)
		}
	}
	return nil
}

func (f *folder) file(name string) string { return filepath.Join(f.path, name) }

func (f *folder) close() { _ = f.lock.Close() } // closing unlocks
