package channel_test

import (
	"bytes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"math/big"
	"slices"
	"testing"

	"github.com/tjfoc/gmsm/sm2"
	"github.com/tjfoc/gmsm/sm3"
	"github.com/tjfoc/gmsm/sm4"
	"github.com/tjfoc/gmsm/x509"

	"github.com/tidebank/tidebank/test/check"
)

// These tests follow docs/protocol.md with another implementation of the
// algorithms and nothing of this package, as an app in another language does.

func theirPublic(t *testing.T, der []byte) *sm2.PublicKey {
	t.Helper()
	k, err := x509.ParseSm2PublicKey(der)
	check.Must(t, err)
	return k
}

func theirPrivate(t *testing.T, p pair) *sm2.PrivateKey {
	t.Helper()
	return &sm2.PrivateKey{PublicKey: *theirPublic(t, p.Public), D: new(big.Int).SetBytes(p.Private)}
}

// theirSecret is what the client's and the server's key share.
func theirSecret(t *testing.T, v vectors) []byte {
	t.Helper()
	server := theirPublic(t, v.Welcome.ServerKey)
	x, _ := sm2.P256Sm2().ScalarMult(server.X, server.Y, v.ClientKey.Private) //nolint:staticcheck // it offers no other way
	return x.FillBytes(make([]byte, 32))
}

func theirGCM(t *testing.T, key []byte) cipher.AEAD {
	t.Helper()
	block, err := sm4.NewCipher(key)
	check.Must(t, err)
	aead, err := cipher.NewGCM(block)
	check.Must(t, err)
	return aead
}

func TestHandshakeByTheDocument(t *testing.T) {
	t.Parallel()
	v, _ := readVectors(t)
	var transcript []byte
	for _, part := range [][]byte{
		[]byte("tidebank channel v1"), v.Hello.ClientKey, v.Hello.ClientRandom, []byte(v.Hello.DeviceID),
		v.Welcome.ChannelID, v.Welcome.ServerKey, v.Welcome.ServerRandom, v.Welcome.Certificate, v.Welcome.PasswordKey,
	} {
		transcript = append(binary.BigEndian.AppendUint32(transcript, uint32(len(part))), part...)
	}
	equal(t, "transcript", transcript, v.Transcript)
	if !theirPublic(t, v.BankKey.Public).Verify(transcript, v.Welcome.Signature) {
		t.Error("the signature does not hold")
	}
	secret := theirSecret(t, v)
	equal(t, "shared secret", secret, v.Secret)
	keys := sm3.Sm3Sum(slices.Concat(secret, sm3.Sm3Sum(transcript), []byte{0, 0, 0, 1}))
	equal(t, "client to server", keys[:16], v.ToServer)
	equal(t, "server to client", keys[16:], v.ToClient)
}

func TestFramesByTheDocument(t *testing.T) {
	t.Parallel()
	v, _ := readVectors(t)
	clearPart := func(f frameVector) []byte {
		out := append([]byte{1}, v.Welcome.ChannelID...)
		out = binary.BigEndian.AppendUint64(out, f.Sequence)
		return binary.BigEndian.AppendUint64(out, uint64(f.TimeMS))
	}
	r := v.Request
	aad := append(clearPart(r), "POST/"+r.Function...)
	nonce := binary.BigEndian.AppendUint64(make([]byte, 4), r.Sequence)
	equal(t, "request's header", clearPart(r), r.Header)
	equal(t, "request's aad", aad, r.AAD)
	equal(t, "request's nonce", nonce, r.Nonce)
	equal(t, "request", theirGCM(t, v.ToServer).Seal(clearPart(r), nonce, []byte(r.Text), aad), r.Frame)
	for name, f := range map[string]frameVector{"reply": v.Reply, "refusal": v.Refusal} {
		aad := fmt.Appendf(clearPart(f), "POST/%s%d", f.Function, f.Status)
		equal(t, name+"'s header", clearPart(f), f.Frame[:33])
		equal(t, name+"'s aad", aad, f.AAD)
		equal(t, name+"'s nonce", f.Frame[33:45], f.Nonce)
		text, err := theirGCM(t, v.ToClient).Open(nil, f.Frame[33:45], f.Frame[45:], aad)
		check.Must(t, err)
		equal(t, name+"'s text", text, []byte(f.Text))
	}
}

func TestProofsByTheDocument(t *testing.T) {
	t.Parallel()
	v, _ := readVectors(t)
	clear, err := theirPrivate(t, v.PasswordKey).DecryptAsn1(v.Sealed)
	check.Must(t, err)
	if !bytes.Equal(clear, append(bytes.Clone(v.Welcome.ChannelID), v.Password...)) {
		t.Errorf("password: %x", clear)
	}
	if !theirPublic(t, v.DeviceKey.Public).Verify([]byte(v.IntentText), v.Signature) {
		t.Error("the device's signature does not hold")
	}
	equal(t, "text's digest", sm3.Sm3Sum([]byte(v.IntentText)), v.IntentDigest)
}
