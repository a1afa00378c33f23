package sm_test

import (
	"bytes"
	"crypto/cipher"
	"encoding/hex"
	"testing"

	"github.com/emmansun/gmsm/sm4"
	othersm3 "github.com/tjfoc/gmsm/sm3"
	othersm4 "github.com/tjfoc/gmsm/sm4"

	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// The examples of the standards for SM2, SM3 and SM4, in one place. SM4's one-block
// example goes to the cipher that the module seals with; RFC 8998's goes through it.
func TestExamplesOfTheStandards(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-002.1")
	v := read(t, "standards.txt")
	key := standardKey(t, v)
	check.Must(t, sm.Verify(key.Public(), v.text("sm2_sign_text"), v.signature(t)))
	got, err := sm.Decrypt(key, v.ciphertext(t))
	check.Must(t, err)
	block, err := hex.DecodeString("0123456789abcdeffedcba9876543210")
	check.Must(t, err)
	once, err := hex.DecodeString("681edf34d206965e86b3e94f536e4246")
	check.Must(t, err)
	cipher4, err := sm4.NewCipher(block)
	check.Must(t, err)
	encrypted := make([]byte, 16)
	cipher4.Encrypt(encrypted, block)
	opened, err := sm.Open(sm.Key(v.hex(t, "gcm_key")), append(v.hex(t, "gcm_nonce"), v.hex(t, "gcm_sealed")...), v.hex(t, "gcm_aad"))
	check.Must(t, err)
	for name, pair := range map[string][2][]byte{
		"SM2 decryption":  {got, v.text("sm2_encrypt_text")},
		"SM3, one block":  {sm.Digest(v.text("sm3_1_text")), v.hex(t, "sm3_1")},
		"SM3, two blocks": {sm.Digest(v.text("sm3_2_text")), v.hex(t, "sm3_2")},
		"SM4":             {encrypted, once},
		"SM4-GCM":         {opened, v.hex(t, "gcm_plain")},
	} {
		if len(pair[1]) == 0 || !bytes.Equal(pair[0], pair[1]) {
			t.Errorf("%s: %x, want %x", name, pair[0], pair[1])
		}
	}
}

// Callers choose no algorithm: what they get is SM2, SM3 and SM4, as another
// implementation of these finds.
func TestWithoutAChoiceItIsSM(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-002.3")
	key, text := newKey(t), []byte("付款账户：622848*********1234")
	signature, err := sm.Sign(key, text)
	check.Must(t, err)
	if !other(t, key).Verify(text, signature) {
		t.Error("Sign is not SM2 with SM3")
	}
	ciphertext, err := sm.Encrypt(key.Public(), text)
	check.Must(t, err)
	if got, err := other(t, key).DecryptAsn1(ciphertext); err != nil || !bytes.Equal(got, text) {
		t.Errorf("Encrypt is not SM2: %q, %v", got, err)
	}
	if !bytes.Equal(sm.Digest(text), othersm3.Sm3Sum(text)) {
		t.Error("Digest is not SM3")
	}
	symmetric := sm.NewKey()
	sealed, err := sm.Seal(symmetric, text, nil)
	check.Must(t, err)
	block, err := othersm4.NewCipher(symmetric[:])
	check.Must(t, err)
	gcm, err := cipher.NewGCM(block)
	check.Must(t, err)
	if got, err := gcm.Open(nil, sealed[:sm.NonceSize], sealed[sm.NonceSize:], nil); err != nil || !bytes.Equal(got, text) {
		t.Errorf("Seal is not SM4: %q, %v", got, err)
	}
}
