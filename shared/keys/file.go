package keys

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/sm"
)

// file is the local provider, which replaces an HSM. The key file holds the root key
// in clear, sealed by a KMS (sealed.go) or encrypted to a receiver (export.go), and every
// other key wrapped by the root key. Or it lacks the root, which custodians hold in
// components (component.go).
type file struct {
	Root        []byte               `json:"root,omitempty"`
	SealedRoot  *sealedRoot          `json:"sealed_root,omitempty"`
	SplitRoot   *splitRoot           `json:"split_root,omitempty"`
	Envelope    *envelope            `json:"envelope,omitempty"`
	Process     string               `json:"process,omitempty"` // the file holds only the keys of this process
	Secrets     map[Purpose][][]byte `json:"secrets"`           // sealed: secretSize bytes each
	MACs        map[Purpose][][]byte `json:"macs,omitempty"`    // sealed: macSize bytes each
	Pairs       map[Purpose][]byte   `json:"pairs"`             // sealed PKCS#8: the first pair of each purpose
	MorePairs   map[Purpose][][]byte `json:"more_pairs,omitempty"`
	Times       map[Purpose][]times  `json:"times,omitempty"` // of each key, in the order of the ids
	Certificate []byte               `json:"certificate"`

	// Channel keys besides the current one, which is in Pairs: the next one first, then
	// the old ones, the newest first.
	OtherChannels []channelFile `json:"other_channels,omitempty"`

	path string // for errors; empty if the keys are in memory only
}

// certificateLife is the lifetime of the local channel certificate.
const certificateLife = 10 * 365 * 24 * time.Hour

// readFile reads a key file. It refuses a file that other users may read.
func readFile(config Config) (*file, error) {
	path := config.File
	raw, err := readPrivate(path, config.Mounted)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("keys: no key file at %s; make one with `go run ./infra/tide keys create --file %s`: %w",
			path, path, fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	var f file
	if err := json.Unmarshal(raw, &f); err != nil || !f.hasOneRoot() {
		return nil, fmt.Errorf("keys: %s is not a key file", path)
	}
	f.path = path
	return &f, nil
}

// readPrivate reads a file that no other user may read.
func readPrivate(path string, mounted bool) ([]byte, error) {
	source, err := os.Open(path) //nolint:gosec // the configuration names the file
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	defer source.Close() // the file is only read, so a failed close loses no data
	info, err := source.Stat()
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	if err := refuseMode(path, info, uint32(os.Geteuid()), mounted); err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(source)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return raw, nil
}

// hasOneRoot reports whether the root is in clear, sealed, split or encrypted to a receiver,
// and only one of these.
func (f *file) hasOneRoot() bool {
	forms := 0
	for _, has := range []bool{len(f.Root) == len(sm.Key{}), f.SealedRoot != nil, f.SplitRoot != nil, f.Envelope != nil} {
		if has {
			forms++
		}
	}
	return forms == 1 && (len(f.Root) == 0 || len(f.Root) == len(sm.Key{}))
}

// refuseMode refuses a key file that users other than this process's may read or change.
// Its own file must be 0600 or 0400. A file of root may be 0640 or 0440: root has then
// chosen the group, as with a secret that is mounted into a container. PostgreSQL
// judges its key files in the same way. A mounted file of root may be readable for all, but
// only root may change it: OpenFaaS mounts secrets with mode 0644, and no process besides
// this one is in the container.
func refuseMode(path string, info fs.FileInfo, me uint32, mounted bool) error {
	mode, owner := info.Mode().Perm(), me
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		owner = stat.Uid
	}
	switch {
	case mode&0o077 == 0:
		return nil
	case owner == 0 && me != 0 && mode&0o037 == 0:
		return nil
	case mounted && owner == 0 && me != 0 && mode&^0o644 == 0:
		return nil
	}
	return fmt.Errorf("keys: %s may be read by others (mode %v); make it 0600 or 0400, "+
		"or let it belong to root and the group of this process with mode 0640 or 0440", path, mode)
}

func (f *file) unwrap(_ context.Context, p Purpose) ([]versioned[[]byte], error) { return f.open(p) }

func (f *file) mac(_ context.Context, p Purpose) (mac, error) {
	list, err := f.open(p)
	if err != nil {
		return nil, err
	}
	for _, v := range list {
		if len(v.key) != macSize {
			return nil, ErrOpen
		}
	}
	if len(list) == 0 {
		return nil, errNoKey
	}
	return fileMAC(list), nil
}

// open unwraps the keys of a purpose, without those that are retired.
func (f *file) open(p Purpose) (list []versioned[[]byte], err error) {
	wrapped := f.wrapped(p)
	if len(wrapped) == 0 && slices.Contains(later(), p) {
		return nil, fmt.Errorf("there is no key: %s is of an earlier release; add the keys that it lacks with "+
			"`go run ./infra/tide keys add --file %s`", f.path, f.path)
	}
	for i, sealed := range wrapped {
		id := uint16(i + 1)
		if len(sealed) == 0 {
			if f.of(p, id).Retired.IsZero() {
				return nil, ErrOpen // it was lost
			}
			continue
		}
		raw, err := sm.Open(sm.Key(f.Root), sealed, []byte(p))
		if err != nil {
			return nil, openError(err)
		}
		list = append(list, versioned[[]byte]{id, f.of(p, id).From, raw})
	}
	return list, nil
}

func (f *file) pairs(_ context.Context, p Purpose) (list []versioned[pair], err error) {
	opened, err := f.open(p)
	if err != nil {
		return nil, err
	}
	for _, v := range opened {
		key, err := sm.ParsePrivateKey(v.key)
		if err != nil {
			return nil, err
		}
		list = append(list, versioned[pair]{v.id, v.from, filePair{key}})
	}
	return list, nil
}

func (f *file) openPair(p Purpose, wrapped []byte) (pair, error) {
	der, err := sm.Open(sm.Key(f.Root), wrapped, []byte(p))
	if err != nil {
		return nil, openError(err)
	}
	key, err := sm.ParsePrivateKey(der)
	if err != nil {
		return nil, err
	}
	return filePair{key}, nil
}

func (f *file) certificate(context.Context) ([]byte, error) { return f.Certificate, nil }

// filePair is a key pair in the memory of the process: the local provider can't keep
// the key outside.
type filePair struct{ key *sm.PrivateKey }

func (k filePair) public() *sm.PublicKey { return k.key.Public() }

func (k filePair) sign(message []byte) ([]byte, error) { return sm.Sign(k.key, message) }

func (k filePair) decrypt(sealed []byte) ([]byte, error) {
	clear, err := sm.Decrypt(k.key, sealed)
	if err != nil {
		return nil, openError(err)
	}
	return clear, nil
}

// fileMAC is a list of MAC keys in the memory of the process, the oldest first.
type fileMAC []versioned[[]byte]

func (k fileMAC) current(at time.Time) uint16 { return writing(k, at).id }

func (k fileMAC) sum(id uint16, message []byte) ([]byte, error) {
	key, found := find(k, id)
	if !found {
		return nil, ErrMAC
	}
	return sm.MAC(key, message), nil
}

// Create makes a key file of mode 0600 with fresh keys for every purpose. The file
// appears complete or not at all. Create never changes an existing file; its error
// then wraps fs.ErrExist.
func Create(path string) error {
	if strings.TrimSpace(path) == "" {
		return errors.New("keys: the path of the new key file is empty")
	}
	f, err := generate()
	if err != nil {
		return err
	}
	return f.publish(path)
}

// writeBeside writes the keys to a new file of mode 0600 in the folder of path, and
// returns its name. The caller gives the file its final name.
func (f *file) writeBeside(path string) (temporary string, err error) {
	raw, err := json.Marshal(f)
	if err != nil {
		return "", fmt.Errorf("keys: %w", err)
	}
	made, err := os.CreateTemp(filepath.Dir(path), ".keys-*") // mode 0600
	if err != nil {
		return "", fmt.Errorf("keys: %w", err)
	}
	_, err = made.Write(raw)
	if err := errors.Join(err, made.Sync(), made.Close()); err != nil {
		_ = os.Remove(made.Name()) // it may be half written
		return "", fmt.Errorf("keys: %w", err)
	}
	return made.Name(), nil
}

// syncFolder makes the new file's name survive a crash. Without the keys, sealed data
// is lost.
func syncFolder(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return nil
}

// NewTestRing returns a ring of fresh keys for every purpose, in memory only.
func NewTestRing() (*Ring, error) {
	f, err := generate()
	if err != nil {
		return nil, err
	}
	return openRing(context.Background(), f, All())
}

func generate() (*file, error) {
	root := sm.NewKey()
	f := emptyFile()
	f.Root = root[:]
	for _, p := range All() {
		if err := f.add(p, time.Time{}); err != nil {
			return nil, fmt.Errorf("keys: %s: %w", p, err)
		}
	}
	return f, nil
}

// add makes a key for the purpose, which writes from a time on.
func (f *file) add(p Purpose, from time.Time) error {
	sealed, err := f.newKey(p)
	if err != nil {
		return err
	}
	id := uint16(len(f.wrapped(p)) + 1)
	if p.kind() == signing || p.kind() == decrypting && len(f.Pairs[p]) == 0 && len(f.MorePairs[p]) == 0 {
		id = 1
	}
	f.put(p, id, sealed)
	f.note(p, id, times{Made: clock.System{}.Now().UTC(), From: from})
	return nil
}

// newKey makes a key of the purpose's kind, wrapped by the root. A channel key gets its
// certificate.
func (f *file) newKey(p Purpose) (sealed []byte, err error) {
	var raw []byte
	switch p.kind() {
	case signing:
		sealed, f.Certificate, err = newChannelKey(sm.Key(f.Root))
		return sealed, err
	case decrypting:
		key, err := sm.GenerateKey()
		if err != nil {
			return nil, err
		}
		der, err := key.Marshal()
		if err != nil {
			return nil, err
		}
		return sm.Seal(sm.Key(f.Root), der, []byte(p))
	case symmetric:
		if raw, err = sm.NewSecret(sm.SM4, sealSize); err != nil {
			return nil, err
		}
	default:
	}
	mac, err := sm.NewSecret(sm.HMACSM3, macSize)
	if err != nil {
		return nil, err
	}
	return sm.Seal(sm.Key(f.Root), append(raw, mac...), []byte(p))
}
