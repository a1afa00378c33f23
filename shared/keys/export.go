package keys

import (
	"context"
	"errors"

	"github.com/tidebank/tidebank/shared/sm"
)

// ErrExported says that a key file holds the keys of one process only. A change of it would
// be lost, or would make keys that no other process has.
var ErrExported = errors.New("keys: this key file is of one process; change the bank's key file, " +
	"and export again (tide keys export)")

// Export makes a key file for one process from the bank's key file: with the keys of its
// purposes only, under a root of its own. So whoever reads it opens no other process's
// file. The root is in clear: a platform's secret holds the file where no KMS seals it.
// The new file has mode 0600, and replaces no other file.
func Export(ctx context.Context, from, to, process string, purposes []Purpose) error {
	bank, err := readBank(from)
	if err != nil {
		return err
	}
	root := sm.NewKey()
	made, err := bank.part(ctx, purposes, root)
	if err != nil {
		return err
	}
	made.Root, made.Process = root[:], process
	return made.publish(to)
}
