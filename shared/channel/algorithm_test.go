package channel_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// The channel signs and seals by SM algorithms, as another implementation of them
// finds; a handshake or a frame with another algorithm is refused.
func TestOtherAlgorithmsAreRefused(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-008.4")
	server, client := newServer(t), newClient(t)
	nist, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check.Must(t, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	check.Must(t, err)
	for name, key := range map[string]any{"P-256": &nist.PublicKey, "RSA": &rsaKey.PublicKey} {
		der, err := x509.MarshalPKIXPublicKey(key)
		check.Must(t, err)
		hello := client.Hello()
		hello.ClientKey = der
		if _, _, keys, err := server.Respond(hello); !errors.Is(err, channel.ErrHandshake) || keys != (channel.Keys{}) {
			t.Errorf("a hello with a key of %s: %v", name, err)
		}
		welcome, _, _, err := server.Respond(client.Hello())
		check.Must(t, err)
		welcome.ServerKey = der
		refused(t, "a welcome with a key of "+name, client, welcome, server.key.Public())
	}
	welcome, _, _, err := server.Respond(client.Hello())
	check.Must(t, err)
	if !theirPublic(t, marshal(t, server.key.Public())).Verify(channel.Transcript(client.Hello(), welcome), welcome.Signature) {
		t.Error("the bank does not sign by SM2 with SM3")
	}
	digest := sha256.Sum256(channel.Transcript(client.Hello(), welcome))
	welcome.Signature, err = ecdsa.SignASN1(rand.Reader, nist, digest[:])
	check.Must(t, err)
	refused(t, "a welcome signed by ECDSA", client, welcome, server.key.Public())

	keys := newKeys()
	good, err := channel.SealRequest(keys, header, "POST", function, clear)
	check.Must(t, err)
	block, err := aes.NewCipher(keys.ClientToServer[:])
	check.Must(t, err)
	gcm, err := cipher.NewGCM(block)
	check.Must(t, err)
	clearPart := slices.Clone(good[:channel.HeaderSize])
	nonce := binary.BigEndian.AppendUint64(make([]byte, 4), header.Sequence)
	aad := append(slices.Clone(clearPart), "POST/"+function...)
	opened, err := theirGCM(t, keys.ClientToServer[:]).Open(nil, nonce, good[channel.HeaderSize:], aad)
	check.Must(t, err)
	equal(t, "the frame by SM4-GCM", opened, clear)
	foreign := gcm.Seal(clearPart, nonce, clear, aad)
	if len(foreign) != len(good) {
		t.Fatalf("the foreign frame has %d bytes, want %d", len(foreign), len(good))
	}
	if got, err := channel.OpenRequest(keys, foreign, "POST", function); !errors.Is(err, channel.ErrFrame) || got != nil {
		t.Errorf("a frame by AES: %q, %v", got, err)
	}
	if _, err := channel.OpenRequest(keys, good, "POST", function); err != nil {
		t.Errorf("the good frame: %v", err)
	}
	for version := range 256 {
		other := slices.Clone(good)
		other[0] = byte(version)
		if _, err := channel.OpenRequest(keys, other, "POST", function); (err == nil) != (version == channel.Version) {
			t.Errorf("a frame of version %d: %v", version, err)
		}
	}
}
