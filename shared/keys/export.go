package keys

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/tidebank/tidebank/shared/sm"
)

// envelope is the root of a key file that was exported for one process, encrypted to the
// public key of the receiver (SM2): no key leaves the bank's file in clear. The root is
// derived from the encrypted secret and the name of the process, so that the file of one
// process is of no use under another name.
type envelope struct {
	Pin    []byte `json:"pin"`    // of the receiver's public key
	Sealed []byte `json:"sealed"` // SM2 ciphertext, ASN.1
}

// ErrExported says that a key file holds the keys of one process only. A change of it would
// be lost, or would make keys that no other process has.
var ErrExported = errors.New("keys: this key file is of one process; change the bank's key file, " +
	"and export again (tide keys export)")

// Errors of exported key files.
var (
	ErrUnverified = errors.New("keys: the public key has another pin than its receiver has told; nothing was made")
	ErrReceiver   = errors.New("keys: not an SM2 key of a receiver (tide keys receiver)")
	ErrNoReceiver = errors.New("keys: this key file is for a receiver; KEYS_RECEIVER must name the receiver's private key")
	ErrEnveloped  = errors.New("keys: the root of this key file is encrypted to its receiver")
)

// The kinds of PEM blocks of a receiver.
const (
	pemPrivate = "PRIVATE KEY" // PKCS#8
	pemPublic  = "PUBLIC KEY"  // PKIX
)

// NewReceiver makes a key pair for a receiver: the private key in a new file of mode 0600,
// and the public key beside it in a file with the ending .pub. It returns the pin of the
// public key: its SM3 digest (PKIX DER). The private key stays where it was made.
func NewReceiver(path string) (pin []byte, err error) {
	key, err := sm.GenerateKey()
	if err != nil {
		return nil, err
	}
	private, err := key.Marshal()
	if err != nil {
		return nil, err
	}
	public, err := key.Public().Marshal()
	if err != nil {
		return nil, err
	}
	if err := writeNew(path, pemPrivate, private, 0o600); err != nil {
		return nil, err
	}
	if err := writeNew(path+".pub", pemPublic, public, 0o644); err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	return sm.Digest(public), nil
}

// writeNew writes a PEM file, and replaces no other file.
func writeNew(path, kind string, der []byte, mode os.FileMode) error {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode) //nolint:gosec // the operator names the file
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	err = pem.Encode(out, &pem.Block{Type: kind, Bytes: der})
	if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return nil
}

// Exporting is an order to make a key file for one process of a receiver.
type Exporting struct {
	From     string // the bank's key file, with its root in clear
	To       string // the new file; it must not exist
	Receiver string // file of the receiver's public key
	Digest   []byte // its pin, as the receiver has told it on another way
	Process  string
	Purposes []Purpose // the new file holds the keys of these, and no others
}

// Export makes a key file for one process of a receiver: with the keys of its purposes only,
// under a root of its own that is encrypted to the receiver's public key. So whoever reads
// the file opens neither it nor another process's file. Export refuses a public key that has
// another pin, and one that is no SM2 key: those of RSA up to 2048 bits and of short curves
// are weaker than the keys of the file (KEY-001, KEY-003, KEY-005). The new file has mode
// 0600, and replaces no other file.
func Export(ctx context.Context, order Exporting) error {
	bank, err := readBank(order.From)
	if err != nil {
		return err
	}
	receiver, err := verifiedReceiver(order.Receiver, order.Digest)
	if err != nil {
		return err
	}
	secret := sm.NewKey()
	root, err := sm.Subkey(secret, []byte(order.Process))
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	sealed, err := sm.Encrypt(receiver, secret[:])
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	made, err := bank.part(ctx, order.Purposes, root)
	if err != nil {
		return err
	}
	made.Envelope, made.Process = &envelope{Pin: order.Digest, Sealed: sealed}, order.Process
	return made.publish(order.To)
}

// verifiedReceiver reads the public key of a receiver. It refuses a key with another pin than
// the receiver has told.
func verifiedReceiver(path string, told []byte) (*sm.PublicKey, error) {
	key, digest, err := readReceiver(path)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(digest, told) {
		return nil, ErrUnverified
	}
	return key, nil
}

// readReceiver reads the public key of a receiver, and its pin.
func readReceiver(path string) (key *sm.PublicKey, digest []byte, err error) {
	raw, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, nil, fmt.Errorf("keys: %w", err)
	}
	block, _ := pem.Decode(raw)
	if block == nil || block.Type != pemPublic {
		return nil, nil, fmt.Errorf("%w: %s", ErrReceiver, path)
	}
	key, err = sm.ParsePublicKey(block.Bytes)
	if errors.Is(err, sm.ErrKey) {
		return nil, nil, fmt.Errorf("%w: %s", ErrReceiver, path)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("keys: %w", err)
	}
	return key, sm.Digest(block.Bytes), nil
}

// openEnvelope decrypts the root with the receiver's private key. Afterwards the file is as
// one with its root in clear.
func (f *file) openEnvelope(config Config) error {
	if config.Receiver == "" {
		return fmt.Errorf("%w: %s", ErrNoReceiver, f.path)
	}
	key, err := readReceiversOwn(config.Receiver, config.Mounted)
	if err != nil {
		return err
	}
	secret, err := sm.Decrypt(key, f.Envelope.Sealed)
	if err != nil {
		return fmt.Errorf("%w: %s", openError(err), f.path)
	}
	if len(secret) != len(sm.Key{}) {
		return fmt.Errorf("%w: %s", ErrOpen, f.path)
	}
	root, err := sm.Subkey(sm.Key(secret), []byte(f.Process))
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	f.Root = root[:]
	return nil
}

// readReceiversOwn reads the private key of a receiver.
func readReceiversOwn(path string, mounted bool) (*sm.PrivateKey, error) {
	raw, err := readPrivate(path, mounted)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(raw)
	if block == nil || block.Type != pemPrivate {
		return nil, fmt.Errorf("%w: %s", ErrReceiver, path)
	}
	key, err := sm.ParsePrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("keys: %s: %w", path, err)
	}
	return key, nil
}
