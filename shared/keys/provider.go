package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/cloud"
	"github.com/tidebank/tidebank/shared/sm"
)

// provider keeps the root, the private keys and the keys of the purpose Pepper. A Ring
// names a purpose. Only the provider knows wrapping algorithms, key ids of a KMS, or
// slots of an HSM.
//
// Every provider promises:
//   - The root, the private keys and the keys of Pepper never leave it.
//   - It unwraps only the keys of the purpose that the Ring names.
//   - A wrapped key with one bit changed, or of another purpose, is ErrOpen.
//   - A retired key never comes back, and its id never names another key.
//   - Its errors hold no key.
//
// To add a provider, write one file beside file.go and one case in
// Config.provider.
type provider interface {
	// unwrap returns all keys of a symmetric purpose in clear, the oldest first,
	// secretSize bytes each. It leaves out the keys that are retired.
	unwrap(ctx context.Context, p Purpose) ([]versioned[[]byte], error)
	// pairs finds the key pairs of a purpose, the oldest first, and fails if one is not
	// usable. The purpose Channel has one here, its current pair.
	pairs(ctx context.Context, p Purpose) ([]versioned[pair], error)
	// mac finds the MAC keys of a purpose, and fails if none is usable.
	mac(ctx context.Context, p Purpose) (mac, error)
	// certificate returns the X.509 certificate (DER) of the purpose Channel.
	certificate(ctx context.Context) ([]byte, error)
	// otherChannelKeys returns the channel keys besides the current one: the next one if
	// there is one, then the old ones, the newest first.
	otherChannelKeys(ctx context.Context) ([]certified, error)
}

// pair is an SM2 key pair whose private key stays with its provider. It is safe for
// concurrent use. Callers give no deadline. So a pair behind a network must set a
// deadline of at most 5 s. After it, the pair returns an error that is not ErrOpen.
type pair interface {
	// public returns the public key without asking the provider.
	public() *sm.PublicKey
	// sign signs the message itself, not a digest: SM2 with SM3, DER. Channel only.
	sign(message []byte) ([]byte, error)
	// decrypt opens SM2 ciphertext in ASN.1, or returns ErrOpen. Password only.
	decrypt(sealed []byte) ([]byte, error)
}

// mac is the list of MAC keys of a purpose. The keys stay with their provider. It is
// safe for concurrent use, and its deadline is a pair's.
type mac interface {
	// current returns the id of the key that writes at a time, without asking the provider.
	// Ids never change.
	current(at time.Time) uint16
	// sum returns the HMAC-SM3 of the message under the key with the id, as sm.MAC
	// computes it. It returns ErrMAC if there is no such key.
	sum(id uint16, message []byte) ([]byte, error)
}

// ErrNoPurpose refuses a word that is no purpose.
var ErrNoPurpose = errors.New("no such purpose")

var errNoKey = errors.New("there is no key")

// secretSize is the size of an unwrapped symmetric key: a part for sealing and a part for
// MACs. A key that only makes MACs has macSize bytes.
const (
	secretSize = sealSize + macSize
	sealSize   = 16
	macSize    = 32
)

// Config picks the provider.
type Config struct {
	// File is the local provider's key file, of mode 0600 or 0400, see refuseMode.
	File string `envconfig:"KEYS_FILE" required:"true"`
	// Mounted says that the platform has mounted the file into a container in which only
	// this process runs, so that everybody in it may read the file (OpenFaaS).
	Mounted bool `envconfig:"KEYS_MOUNTED" default:"false"`
	// Receiver is the file of the receiver's private key, of the same mode, for an exported
	// key file (Export).
	Receiver string `envconfig:"KEYS_RECEIVER"`
	// AWS is where KMS is, for a sealed key file.
	AWS cloud.Config
	// Clock tells when a new key's time to write has come: the machine's if nil. No
	// environment key sets it.
	Clock clock.Clock `ignored:"true"`
}

func (c Config) provider(ctx context.Context) (provider, error) {
	if c.File == "" {
		return nil, errors.New("keys: KEYS_FILE is empty: it must name the key file")
	}
	f, err := readFile(c)
	if err != nil {
		return nil, err
	}
	if f.SplitRoot != nil {
		return nil, fmt.Errorf("%w: %s", ErrSplit, c.File)
	}
	switch {
	case f.SealedRoot != nil:
		err = f.openRoot(ctx, cloud.New(c.AWS))
	case f.Envelope != nil:
		err = f.openEnvelope(c)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Open unwraps the keys of these purposes, and no other keys. A missing key file is
// an error that wraps fs.ErrNotExist and names the command that makes one.
func Open(ctx context.Context, config Config, purposes ...Purpose) (*Ring, error) {
	open := func(ctx context.Context) (*held, error) {
		from, err := config.provider(ctx)
		if err != nil {
			return nil, err
		}
		return openHeld(ctx, from, purposes)
	}
	stamp, _ := fileStamp(config.File) // before the file is read; open reports a missing file
	first, err := open(ctx)
	if err != nil {
		return nil, err
	}
	s := newSource(config.Clock) //nolint:contextcheck // a look at the file has its own bound
	s.open, s.stamp, s.seen = open, func() (string, error) { return fileStamp(config.File) }, stamp
	if s.clock == nil {
		s.clock = clock.System{}
	}
	s.held.Store(first)
	return &Ring{source: s, allowed: slices.Clone(purposes)}, nil
}

// openRing returns a ring whose keys do not change.
func openRing(ctx context.Context, from provider, purposes []Purpose) (*Ring, error) {
	first, err := openHeld(ctx, from, purposes)
	if err != nil {
		return nil, err
	}
	s := newSource(clock.System{}) //nolint:contextcheck // a look at the file has its own bound
	s.held.Store(first)
	return &Ring{source: s, allowed: slices.Clone(purposes)}, nil
}

func openHeld(ctx context.Context, from provider, purposes []Purpose) (*held, error) {
	h := &held{opened: map[Purpose]opened{}}
	for _, p := range purposes {
		found, err := openPurpose(ctx, from, p)
		if err != nil {
			return nil, fmt.Errorf("keys: %s: %w", p, err)
		}
		h.opened[p] = found
	}
	current, ok := h.opened[Channel]
	if !ok {
		return h, nil
	}
	var err error
	h.channel, err = openChannelKeys(ctx, from, current.pairs[0].key)
	if err != nil {
		return nil, err
	}
	return h, nil
}

func openPurpose(ctx context.Context, from provider, p Purpose) (opened, error) {
	switch p.kind() {
	case signing, decrypting:
		found, err := from.pairs(ctx, p)
		if err == nil && len(found) == 0 {
			err = errNoKey
		}
		return opened{pairs: found}, err
	case summing:
		found, err := from.mac(ctx, p)
		return opened{mac: found}, err
	case symmetric:
		list, err := from.unwrap(ctx, p)
		if err != nil {
			return opened{}, err
		}
		return openSecrets(list)
	default:
		return opened{}, ErrNoPurpose
	}
}

func openSecrets(list []versioned[[]byte]) (opened, error) {
	if len(list) == 0 {
		return opened{}, errNoKey
	}
	var held opened
	for _, v := range list {
		if len(v.key) != secretSize {
			return opened{}, ErrOpen
		}
		held.secrets = append(held.secrets, versioned[secret]{v.id, v.from, secret{seal: sm.Key(v.key[:sealSize]), mac: v.key[sealSize:]}})
	}
	return held, nil
}
