package sm_test

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	"os"
	"strings"
	"testing"

	"github.com/emmansun/gmsm/sm2"

	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// vectors are a file of testdata: name=value lines.
type vectors map[string]string

func read(t testing.TB, file string) vectors {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + file)
	check.Must(t, err)
	v := vectors{}
	for line := range strings.Lines(string(raw)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			v[name] = value
		}
	}
	return v
}

func (v vectors) hex(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(v[name])
	if err != nil || len(raw) == 0 {
		t.Fatalf("vector %s: %q, %v", name, v[name], err)
	}
	return raw
}

func (v vectors) text(name string) []byte { return []byte(v[name]) }

func (v vectors) integer(t testing.TB, name string) *big.Int {
	t.Helper()
	return new(big.Int).SetBytes(v.hex(t, name))
}

func (v vectors) signature(t testing.TB) []byte {
	t.Helper()
	return encode(t, struct{ R, S *big.Int }{v.integer(t, "sm2_r"), v.integer(t, "sm2_s")})
}

func (v vectors) ciphertext(t testing.TB) []byte {
	t.Helper()
	return encode(t, struct {
		X, Y   *big.Int
		C3, C2 []byte
	}{v.integer(t, "sm2_c1x"), v.integer(t, "sm2_c1y"), v.hex(t, "sm2_c3"), v.hex(t, "sm2_c2")})
}

func newKey(t testing.TB) *sm.PrivateKey {
	t.Helper()
	k, err := sm.GenerateKey()
	check.Must(t, err)
	return k
}

func encode(t testing.TB, value any) []byte {
	t.Helper()
	der, err := asn1.Marshal(value)
	check.Must(t, err)
	return der
}

var (
	oidEC   = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	oidSM2  = asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 301}
	oidP256 = asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}
)

func algorithm(t testing.TB, curve asn1.ObjectIdentifier) pkix.AlgorithmIdentifier {
	t.Helper()
	return pkix.AlgorithmIdentifier{Algorithm: oidEC, Parameters: asn1.RawValue{FullBytes: encode(t, curve)}}
}

// privateDER writes PKCS#8 of any number.
func privateDER(t testing.TB, curve asn1.ObjectIdentifier, d []byte) []byte {
	t.Helper()
	return encode(t, struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}{0, algorithm(t, curve), encode(t, struct {
		Version int
		D       []byte
	}{1, d})})
}

// publicDER writes PKIX of any point.
func publicDER(t testing.TB, curve asn1.ObjectIdentifier, point []byte) []byte {
	t.Helper()
	return encode(t, struct {
		Algorithm pkix.AlgorithmIdentifier
		Point     asn1.BitString
	}{algorithm(t, curve), asn1.BitString{Bytes: point, BitLength: 8 * len(point)}})
}

// standardKey is the key pair of GB/T 32918.5's examples.
func standardKey(t testing.TB, v vectors) *sm.PrivateKey {
	t.Helper()
	k, err := sm.ParsePrivateKey(privateDER(t, oidSM2, v.hex(t, "sm2_private")))
	check.Must(t, err)
	public, err := k.Public().Marshal()
	check.Must(t, err)
	point := append(append([]byte{4}, v.hex(t, "sm2_x")...), v.hex(t, "sm2_y")...)
	if want := publicDER(t, oidSM2, point); !bytes.Equal(public, want) {
		t.Fatalf("the standard's private key has public key\n%x, want\n%x", public, want)
	}
	return k
}

func TestSM3OfTheStandard(t *testing.T) {
	t.Parallel()
	v := read(t, "standards.txt")
	for _, name := range []string{"sm3_1", "sm3_2"} {
		text, want := v.text(name+"_text"), v.hex(t, name)
		if got := sm.Digest(text); !bytes.Equal(got, want) {
			t.Errorf("%s: %x, want %x", name, got, want)
		}
		if got := sm.Digest(text[:1], nil, text[1:]); !bytes.Equal(got, want) {
			t.Errorf("%s in parts: %x, want %x", name, got, want)
		}
	}
}

func TestSM2SignatureOfTheStandard(t *testing.T) {
	t.Parallel()
	v := read(t, "standards.txt")
	key := standardKey(t, v).Public()
	signature := v.signature(t)
	if err := sm.Verify(key, v.text("sm2_sign_text"), signature); err != nil {
		t.Errorf("the standard's signature: %v", err)
	}
	if err := sm.Verify(key, []byte("message digesu"), signature); err == nil {
		t.Error("the standard's signature holds over another message")
	}
}

func TestSM2CiphertextOfTheStandard(t *testing.T) {
	t.Parallel()
	v := read(t, "standards.txt")
	got, err := sm.Decrypt(standardKey(t, v), v.ciphertext(t))
	if err != nil || !bytes.Equal(got, v.text("sm2_encrypt_text")) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestKeyDerivationOfTheStandard(t *testing.T) {
	t.Parallel()
	req.Covers(t, "KEY-002.3")
	v := read(t, "standards.txt")
	want := v.hex(t, "kdf_t")
	if got := sm.Derive(sm.SecretOf(v.hex(t, "kdf_x2")), v.hex(t, "kdf_y2"), len(want)); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
}

func TestSM4GCMOfRFC8998(t *testing.T) {
	t.Parallel()
	v := read(t, "standards.txt")
	key, nonce, aad, sealed := sm.Key(v.hex(t, "gcm_key")), v.hex(t, "gcm_nonce"), v.hex(t, "gcm_aad"), v.hex(t, "gcm_sealed")
	aead, err := sm.NewAEAD(key)
	check.Must(t, err)
	if got := aead.Seal(nil, nonce, v.hex(t, "gcm_plain"), aad); !bytes.Equal(got, sealed) {
		t.Errorf("sealed %x, want %x", got, sealed)
	}
	got, err := sm.Open(key, append(bytes.Clone(nonce), sealed...), aad)
	if err != nil || !bytes.Equal(got, v.hex(t, "gcm_plain")) {
		t.Errorf("opened %x, %v", got, err)
	}
}

// Assembly of some libraries rejects this valid signature on CPUs with BMI2 and
// ADX. It is over a digest, which only the self-test and the library take.
func TestSignatureThatFaultyAssemblyRejects(t *testing.T) {
	t.Parallel()
	v := read(t, "sm2-bmi2.txt")
	_, err := sm.ParsePublicKey(v.hex(t, "public_key_pkix"))
	check.Must(t, err)
	key, err := sm2.NewPublicKey(v.hex(t, "public_key_pkix")[26:])
	check.Must(t, err)
	if !sm2.VerifyASN1(key, v.hex(t, "digest"), v.hex(t, "signature_der")) {
		t.Error("rejected")
	}
	check.Must(t, sm.SelfTest())
}
