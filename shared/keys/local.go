package keys

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/sm"
)

// Config says where the local provider keeps its root.
type Config struct {
	File string `envconfig:"KEYS_FILE" required:"true"`
}

// file is the local provider's store: the root key in clear, for this is the
// stand-in for an HSM, and everything else wrapped by it.
type file struct {
	Root        []byte               `json:"root"`
	Secrets     map[Purpose][][]byte `json:"secrets"` // sealed: 16 bytes for sealing, 32 for MACs
	Pairs       map[Purpose][]byte   `json:"pairs"`   // sealed PKCS#8
	Certificate []byte               `json:"certificate"`
}

const secretSize = 16 + 32

// certificateLife is that of the local channel certificate.
const certificateLife = 10 * 365 * 24 * time.Hour

// Open reads the key file, and makes one at first run.
func Open(_ context.Context, config Config) (*Ring, error) {
	info, err := os.Stat(config.File)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(config.File); err != nil {
			return nil, err
		}
		info, err = os.Stat(config.File)
	}
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("keys: %s may be read by others (mode %v); make it 0600", config.File, info.Mode().Perm())
	}
	raw, err := os.ReadFile(config.File)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	var f file
	if err := json.Unmarshal(raw, &f); err != nil || len(f.Root) != len(sm.Key{}) {
		return nil, fmt.Errorf("keys: %s is not a key file", config.File)
	}
	return f.ring()
}

// NewTestRing returns a ring of fresh keys that live in memory only.
func NewTestRing() (*Ring, error) {
	f, err := generate()
	if err != nil {
		return nil, err
	}
	return f.ring()
}

// create writes a new key file all at once, so that a crash leaves none or all;
// of two processes that start together the first one's file stays.
func create(path string) error {
	f, err := generate()
	if err != nil {
		return err
	}
	raw, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), ".keys-*") // mode 0600
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	defer os.Remove(temporary.Name()) // gone already when all went well
	_, err = temporary.Write(raw)
	if err := errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if err := os.Link(temporary.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("keys: %w", err)
	}
	return nil
}

func generate() (*file, error) {
	root := sm.NewKey()
	f := &file{Root: root[:], Secrets: map[Purpose][][]byte{}, Pairs: map[Purpose][]byte{}}
	for _, p := range symmetric {
		raw := make([]byte, secretSize)
		_, _ = rand.Read(raw) // never fails (crypto/rand)
		sealed, err := sm.Seal(root, raw, []byte(p))
		if err != nil {
			return nil, fmt.Errorf("keys: %w", err)
		}
		f.Secrets[p] = [][]byte{sealed}
	}
	for _, p := range pairs {
		pair, err := sm.GenerateKey()
		if err != nil {
			return nil, fmt.Errorf("keys: %w", err)
		}
		if p == Channel {
			from := clock.System{}.Now().Add(-time.Hour) // tolerates a clock that is a little behind
			if f.Certificate, err = sm.SelfSigned(pair, "Tidebank channel", from, certificateLife); err != nil {
				return nil, fmt.Errorf("keys: %w", err)
			}
		}
		der, err := pair.Marshal()
		if err != nil {
			return nil, fmt.Errorf("keys: %w", err)
		}
		if f.Pairs[p], err = sm.Seal(root, der, []byte(p)); err != nil {
			return nil, fmt.Errorf("keys: %w", err)
		}
	}
	return f, nil
}

func (f *file) ring() (*Ring, error) {
	root := sm.Key(f.Root)
	r := &Ring{secrets: map[Purpose][]secret{}, signers: map[Purpose]*sm.PrivateKey{}, certificate: f.Certificate}
	for _, p := range symmetric {
		for i, sealed := range f.Secrets[p] {
			raw, err := sm.Open(root, sealed, []byte(p))
			if err != nil || len(raw) != secretSize {
				return nil, fmt.Errorf("keys: %s: %w", p, ErrOpen)
			}
			r.secrets[p] = append(r.secrets[p], secret{id: uint16(i + 1), seal: sm.Key(raw[:16]), mac: raw[16:]})
		}
		if len(r.secrets[p]) == 0 {
			return nil, fmt.Errorf("keys: no key for %s", p)
		}
	}
	for _, p := range pairs {
		der, err := sm.Open(root, f.Pairs[p], []byte(p))
		if err != nil {
			return nil, fmt.Errorf("keys: %s: %w", p, ErrOpen)
		}
		if r.signers[p], err = sm.ParsePrivateKey(der); err != nil {
			return nil, fmt.Errorf("keys: %s: %w", p, err)
		}
	}
	certified, err := sm.CertificateKey(f.Certificate, clock.System{}.Now())
	if err != nil || !certified.Equal(r.signers[Channel].Public()) {
		return nil, errors.New("keys: the certificate is not the channel key's, or not valid now")
	}
	return r, nil
}
