package keys

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/tidebank/tidebank/shared/cloud"
	"github.com/tidebank/tidebank/shared/sm"
)

// sealedRoot is the root key of a key file, wrapped by a key in KMS (envelope
// encryption): KMS makes the root as a data key, and opens it only for the same bank and
// process. So a process asks KMS once, when it starts. A policy of the process's role on
// the encryption context keeps it from the files of other processes.
//
// The keys themselves work in the memory of the process, because each request needs
// several of them: a call of KMS for each would cost milliseconds, and KMS has quotas. It
// has SM2 keys in China only.
type sealedRoot struct {
	Suite   string       `json:"suite"` // cloud.SuiteSM4 in China, cloud.SuiteAES elsewhere
	Key     cloud.KeyARN `json:"kms_key"`
	Bank    string       `json:"bank"`
	Process string       `json:"process"`
	Wrapped []byte       `json:"wrapped"`
}

// BankName is in every encryption context.
const BankName = "tidebank"

// Errors of sealed key files.
var (
	ErrSealed = errors.New("keys: the root of this key file is sealed by KMS; change the file that it was made from, " +
		"and seal that file again (tide keys seal)")
	ErrSuite = errors.New("keys: the key file names another suite than its KMS key has")
)

// context is the encryption context of KMS.
func (s sealedRoot) context() map[string]string {
	return map[string]string{"bank": s.Bank, "process": s.Process}
}

// openRoot asks KMS for the root. Afterwards the file is as one with its root in clear.
func (f *file) openRoot(ctx context.Context, kms *cloud.Client) error {
	suite, err := f.SealedRoot.Key.Suite()
	if err != nil {
		return fmt.Errorf("keys: %s: %w", f.path, err)
	}
	if suite != f.SealedRoot.Suite {
		return fmt.Errorf("%w: %s", ErrSuite, f.path)
	}
	root, err := kms.OpenDataKey(ctx, f.SealedRoot.Key, f.SealedRoot.context(), f.SealedRoot.Wrapped)
	if err != nil {
		return fmt.Errorf("keys: %s: %w", f.path, err)
	}
	if len(root) != len(sm.Key{}) {
		return fmt.Errorf("keys: %s: %w", f.path, ErrOpen)
	}
	f.Root = root
	return nil
}

// readBank reads the bank's own key file: with all keys, and its root in clear.
func readBank(path string) (*file, error) {
	f, err := readFile(Config{File: path})
	switch {
	case err != nil:
		return nil, err
	case f.SealedRoot != nil:
		return nil, fmt.Errorf("%w: %s", ErrSealed, path)
	case f.Process != "":
		return nil, fmt.Errorf("%w: %s is of %s", ErrExported, path, f.Process)
	case f.SplitRoot != nil:
		return nil, fmt.Errorf("%w: %s", ErrSplit, path)
	}
	return f, nil
}

// Sealing is an order to make a sealed key file for one process.
type Sealing struct {
	From     string // the bank's key file, with its root in clear
	To       string // the new file; it must not exist
	Key      cloud.KeyARN
	Process  string
	Purposes []Purpose // the new file holds the keys of these, and no others
}

// Seal makes a key file for one process: with the keys of its purposes only, under a root
// of its own that KMS has sealed.
func Seal(ctx context.Context, kms *cloud.Client, order Sealing) error {
	from, err := readBank(order.From)
	if err != nil {
		return err
	}
	suite, err := order.Key.Suite()
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	sealed := &sealedRoot{Suite: suite, Key: order.Key, Bank: BankName, Process: order.Process}
	root, wrapped, err := kms.NewDataKey(ctx, order.Key, sealed.context(), len(sm.Key{}))
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	sealed.Wrapped = wrapped
	made, err := from.part(ctx, order.Purposes, sm.Key(root))
	if err != nil {
		return err
	}
	made.SealedRoot = sealed
	return made.publish(order.To)
}

// part makes a file with the keys of some purposes, wrapped by another root. The root
// itself is not in it yet.
func (f *file) part(ctx context.Context, purposes []Purpose, root sm.Key) (*file, error) {
	if _, err := openRing(ctx, f, purposes); err != nil { // a damaged file must not look whole
		return nil, err
	}
	made := emptyFile()
	for _, p := range purposes {
		if err := made.take(f, p, root); err != nil {
			return nil, fmt.Errorf("keys: %s: %w", p, err)
		}
	}
	return made, nil
}

func emptyFile() *file {
	return &file{Secrets: map[Purpose][][]byte{}, MACs: map[Purpose][][]byte{}, Pairs: map[Purpose][]byte{}}
}

// take copies the keys of one purpose, wrapped anew by the root.
func (f *file) take(from *file, p Purpose, root sm.Key) error {
	again := func(sealed []byte) ([]byte, error) {
		clear, err := sm.Open(sm.Key(from.Root), sealed, []byte(p))
		if err != nil {
			return nil, openError(err)
		}
		return sm.Seal(root, clear, []byte(p))
	}
	for i, sealed := range from.wrapped(p) {
		id := uint16(i + 1)
		var key []byte // empty: it was retired
		if len(sealed) > 0 {
			var err error
			if key, err = again(sealed); err != nil {
				return err
			}
		}
		f.put(p, id, key)
		f.note(p, id, from.of(p, id))
	}
	if p != Channel {
		return nil
	}
	f.Certificate = from.Certificate
	for _, c := range from.OtherChannels {
		key, err := again(c.Pair)
		if err != nil {
			return err
		}
		f.OtherChannels = append(f.OtherChannels, channelFile{State: c.State, Pair: key, Certificate: c.Certificate})
	}
	return nil
}

// publish gives the keys a file. The file appears complete or not at all, and replaces no
// other file.
func (f *file) publish(path string) error {
	temporary, err := f.writeBeside(path)
	if err != nil {
		return err
	}
	defer os.Remove(temporary) // Link has given the file its final name
	// Unlike a rename, a link never replaces a file.
	err = os.Link(temporary, path)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("keys: %s exists and is never overwritten: %w", path, fs.ErrExist)
	}
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return syncFolder(path)
}
