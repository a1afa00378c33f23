package keys

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tidebank/tidebank/shared/sm"
)

// SealedScheme begins a credential that stands encrypted in the configuration.
const SealedScheme = "sealed:"

// Errors of sealed credentials. They show no credential.
var (
	ErrAssigned     = errors.New("keys: this credential is assigned to another process or another setting")
	ErrNoCredential = errors.New("keys: not a credential that was sealed for this receiver (tide keys credential)")
	ErrNoOwnKey     = errors.New("keys: the credential is sealed; KEYS_RECEIVER must name the receiver's private key")
)

// ProcessCredential is a secret by which one process reaches another system: the password of a store,
// the secret that signs requests to a partner.
type ProcessCredential struct {
	Process string `json:"process"` // the function or worker that may use it
	Setting string `json:"setting"` // the environment key that holds it
	Value   string `json:"value"`
}

// SealCredential encrypts a credential to the public key of a receiver (SM2), together with the
// names of its process and its setting. So whoever reads the configuration learns nothing, and
// the text is of no use to another process or under another setting. It refuses a public key
// with another pin than the receiver has told.
func SealCredential(receiver string, told []byte, c ProcessCredential) (text string, err error) {
	key, err := verifiedReceiver(receiver, told)
	if err != nil {
		return "", err
	}
	clear, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("keys: %w", err)
	}
	sealed, err := sm.Encrypt(key, clear)
	if err != nil {
		return "", fmt.Errorf("keys: %w", err)
	}
	return SealedScheme + base64.StdEncoding.EncodeToString(sealed), nil
}

// OpenCredential decrypts a credential for a process and a setting, with the private key of the
// receiver. It returns ErrAssigned if the credential is of another process or setting.
func OpenCredential(own Config, text, process, setting string) (string, error) {
	if own.Receiver == "" {
		return "", ErrNoOwnKey
	}
	key, err := readReceiversOwn(own.Receiver, own.Mounted)
	if err != nil {
		return "", err
	}
	sealed, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, SealedScheme))
	if err != nil {
		return "", ErrNoCredential
	}
	clear, err := sm.Decrypt(key, sealed)
	if errors.Is(err, sm.ErrModule) {
		return "", fmt.Errorf("keys: %w", err)
	}
	var c ProcessCredential
	if err != nil || json.Unmarshal(clear, &c) != nil {
		return "", ErrNoCredential
	}
	if c.Process != process || c.Setting != setting {
		return "", ErrAssigned
	}
	return c.Value, nil
}
