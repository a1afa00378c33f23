package keys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/sm"
)

// ChannelState is the use of a channel key.
type ChannelState string

// The states. A key becomes next, then current, then old, and is retired at the end.
const (
	ChannelNext    ChannelState = "next"    // apps learn its pin; it signs only for apps that pin no current key
	ChannelCurrent ChannelState = "current" // it signs
	ChannelOld     ChannelState = "old"     // it signs for apps that pin no newer key, until it is retired
)

// ChannelKey is one of the bank's channel keys.
type ChannelKey struct {
	State       ChannelState
	Certificate []byte // X.509 DER
	KeyDigest   []byte // SM3 of the public key (PKIX DER), which is its pin in a hello

	pair pair
}

// Sign signs a message of at least one byte (SM2 with SM3, DER) with this key.
func (k ChannelKey) Sign(message []byte) ([]byte, error) {
	signature, err := k.pair.sign(message)
	if err != nil {
		return nil, fmt.Errorf("keys: %s channel key: %w", k.State, err)
	}
	return signature, nil
}

// Public returns the public key, which apps pin.
func (k ChannelKey) Public() *sm.PublicKey { return k.pair.public() }

// ChannelKeys returns the current channel key, then the next one if there is one, then
// the old keys, the newest first. It panics with ErrPurpose without the purpose Channel.
func (r *Ring) ChannelKeys() []ChannelKey {
	if _, ok := r.get(Channel); !ok {
		panic(notDeclared(Channel))
	}
	return r.source.held.Load().channel
}

// ChannelKeyFor returns the first of ChannelKeys that an app with these pins trusts. An
// app that names no pins gets the current key. The current key goes before the next
// one, because other instances of the bank may not have the next one yet.
func (r *Ring) ChannelKeyFor(pins [][]byte) (key ChannelKey, found bool) {
	all := r.ChannelKeys()
	if len(pins) == 0 {
		return all[0], true
	}
	for _, k := range all {
		if slices.ContainsFunc(pins, func(named []byte) bool { return bytes.Equal(k.KeyDigest, named) }) {
			return k, true
		}
	}
	return ChannelKey{}, false
}

// certified is a channel key with its certificate, as a provider holds it.
type certified struct {
	state       ChannelState
	pair        pair
	certificate []byte
}

// openChannelKeys takes all channel keys from the provider. It refuses a certificate
// that is of another key, or not valid now.
func openChannelKeys(ctx context.Context, from provider, current pair) ([]ChannelKey, error) {
	certificate, err := from.certificate(ctx)
	if err != nil {
		return nil, fmt.Errorf("keys: certificate: %w", err)
	}
	others, err := from.otherChannelKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("keys: channel: %w", err)
	}
	var all []ChannelKey
	for _, c := range append([]certified{{ChannelCurrent, current, certificate}}, others...) {
		of, err := sm.CertificateKey(c.certificate, clock.System{}.Now())
		if err != nil || !of.Equal(c.pair.public()) {
			return nil, errors.New("keys: the certificate is not the channel key's, or not valid now")
		}
		der, err := of.Marshal()
		if err != nil {
			return nil, fmt.Errorf("keys: %w", err)
		}
		all = append(all, ChannelKey{State: c.state, Certificate: c.certificate, KeyDigest: sm.Digest(der), pair: c.pair})
	}
	return all, nil
}
