package channel_test

import (
	"bytes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"math/big"
	"slices"
	"testing"

	"github.com/cloudflare/circl/kem/mlkem/mlkem768"
	"github.com/tjfoc/gmsm/sm2"
	"github.com/tjfoc/gmsm/sm3"
	"github.com/tjfoc/gmsm/sm4"
	"github.com/tjfoc/gmsm/x509"

	"github.com/tidebank/tidebank/shared/channel"
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
	return theirAgreement(t, v.Welcome.ServerKey, v.ClientKey.Private)
}

// theirAgreement is what a private number and a public key (DER) share.
func theirAgreement(t *testing.T, public, number []byte) []byte {
	t.Helper()
	peer := theirPublic(t, public)
	x, _ := sm2.P256Sm2().ScalarMult(peer.X, peer.Y, number) //nolint:staticcheck // it offers no other way
	return x.FillBytes(make([]byte, 32))
}

// theirHybridKeys are the keys of both directions in version 2.
func theirHybridKeys(agreed, encapsulated, transcript []byte) (toServer, toClient []byte) {
	keys := sm3.Sm3Sum(slices.Concat(agreed, encapsulated, sm3.Sm3Sum(transcript), []byte{0, 0, 0, 1}))
	return keys[:16], keys[16:]
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

func TestHybridHandshakeByTheDocument(t *testing.T) {
	t.Parallel()
	v, _ := readHybridVectors(t)
	first, _ := readVectors(t)
	public, kem := mlkem768.NewKeyFromSeed(v.KEMSeed)
	packed, err := public.MarshalBinary()
	check.Must(t, err)
	equal(t, "encapsulation key", packed, v.Hello.KEMKey)
	secret := make([]byte, mlkem768.SharedKeySize)
	kem.DecapsulateTo(secret, v.Welcome.KEMCiphertext)
	equal(t, "ML-KEM secret", secret, v.KEMSecret)
	agreed := theirAgreement(t, v.Welcome.ServerKey, first.ClientKey.Private)
	equal(t, "shared secret", agreed, v.Secret)
	for name, c := range map[string]struct {
		welcome channel.Welcome
		want    []byte
	}{"chosen": {v.Welcome, v.Transcript}, "declined": {v.Declined.Welcome, v.Declined.Transcript}} {
		var transcript []byte
		for _, part := range [][]byte{
			[]byte("tidebank channel v2"), v.Hello.ClientKey, v.Hello.ClientRandom, []byte(v.Hello.DeviceID),
			c.welcome.ChannelID, c.welcome.ServerKey, c.welcome.ServerRandom, c.welcome.Certificate, c.welcome.PasswordKey,
			nil, []byte("ios 3.2.0"), v.Hello.KEMKey, c.welcome.KEMCiphertext,
		} {
			transcript = append(binary.BigEndian.AppendUint32(transcript, uint32(len(part))), part...)
		}
		equal(t, name+": transcript", transcript, c.want)
		if !theirPublic(t, first.BankKey.Public).Verify(transcript, c.welcome.Signature) {
			t.Errorf("%s: the signature does not hold", name)
		}
	}
	toServer, toClient := theirHybridKeys(agreed, secret, v.Transcript)
	equal(t, "client to server", toServer, v.ToServer)
	equal(t, "server to client", toClient, v.ToClient)
	toServer, toClient = theirHybridKeys(agreed, nil, v.Declined.Transcript)
	equal(t, "declined: client to server", toServer, v.Declined.ToServer)
	equal(t, "declined: server to client", toClient, v.Declined.ToClient)
	r := v.Request
	equal(t, "request", theirGCM(t, v.ToServer).Seal(bytes.Clone(r.Header), r.Nonce, []byte(r.Text), r.AAD), r.Frame)
	text, err := theirGCM(t, v.ToClient).Open(nil, v.Reply.Nonce, v.Reply.Frame[45:], v.Reply.AAD)
	check.Must(t, err)
	equal(t, "reply's text", text, []byte(v.Reply.Text))
}
