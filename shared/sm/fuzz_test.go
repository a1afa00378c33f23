package sm_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
)

// Fuzzing runs in several processes, so what a target compares with must be the
// same in each: the standards' examples.

// samples are real outputs of the module for the corpora to start from.
func samples(f *testing.F) (key *sm.PrivateKey, private, public []byte) {
	f.Helper()
	key = standardKey(f, read(f, "standards.txt"))
	private, err := key.Marshal()
	check.Must(f, err)
	public, err = key.Public().Marshal()
	check.Must(f, err)
	return key, private, public
}

func FuzzParsePublicKey(f *testing.F) {
	_, private, public := samples(f)
	f.Add(public)
	f.Add(private)
	f.Fuzz(func(t *testing.T, der []byte) {
		key, err := sm.ParsePublicKey(der)
		if err != nil {
			return
		}
		again, err := key.Marshal()
		check.Must(t, err)
		if !bytes.Equal(again, der) {
			t.Errorf("%x is another form of %x", der, again)
		}
		if _, err := sm.Encrypt(key, []byte("x")); err != nil {
			t.Errorf("a key that parses can't be used: %v", err)
		}
	})
}

func FuzzParsePrivateKey(f *testing.F) {
	_, private, public := samples(f)
	f.Add(private)
	f.Add(public)
	f.Fuzz(func(t *testing.T, der []byte) {
		key, err := sm.ParsePrivateKey(der)
		if err != nil {
			return
		}
		signature, err := sm.Sign(key, der)
		check.Must(t, err)
		check.Must(t, sm.Verify(key.Public(), der, signature))
	})
}

func FuzzCertificateKey(f *testing.F) {
	key, _, public := samples(f)
	der, err := sm.SelfSigned(key, "bank", noon, time.Hour)
	check.Must(f, err)
	f.Add(der)
	f.Add(public)
	f.Fuzz(func(t *testing.T, der []byte) {
		if key, err := sm.CertificateKey(der, noon); err == nil {
			_, err := key.Marshal()
			check.Must(t, err)
		}
	})
}

func FuzzOpen(f *testing.F) {
	v := read(f, "standards.txt")
	key, aad, sealed := sm.Key(v.hex(f, "gcm_key")), v.hex(f, "gcm_aad"), append(v.hex(f, "gcm_nonce"), v.hex(f, "gcm_sealed")...)
	f.Add(sealed, aad)
	f.Add(sealed[:sm.NonceSize+sm.Overhead], []byte(nil))
	f.Fuzz(func(t *testing.T, text, more []byte) {
		if bytes.Equal(text, sealed) && bytes.Equal(more, aad) {
			return
		}
		if plain, err := sm.Open(key, text, more); err == nil {
			t.Errorf("%x was not sealed, and opens as %x", text, plain)
		}
	})
}

// One known signature holds. Any other signature that holds is a forgery.
func FuzzVerify(f *testing.F) {
	key, _, _ := samples(f)
	v := read(f, "standards.txt")
	message, signature := v.text("sm2_sign_text"), v.signature(f)
	f.Add(message, signature)
	f.Add(message, signature[2:])
	f.Fuzz(func(t *testing.T, text, der []byte) {
		err := sm.Verify(key.Public(), text, der)
		if good := bytes.Equal(text, message) && bytes.Equal(der, signature); good != (err == nil) {
			t.Errorf("signature %x over %x: %v", der, text, err)
		}
	})
}

func FuzzDecrypt(f *testing.F) {
	key, _, _ := samples(f)
	ciphertext := read(f, "standards.txt").ciphertext(f)
	f.Add(ciphertext)
	f.Add(ciphertext[:40])
	f.Fuzz(func(t *testing.T, der []byte) {
		plain, err := sm.Decrypt(key, der)
		if good := bytes.Equal(der, ciphertext); good != (err == nil) {
			t.Errorf("%x opens as %x, %v", der, plain, err)
		}
	})
}

func FuzzCheckPassword(f *testing.F) {
	stored, err := sm.HashPassword([]byte("739164"), rounds)
	check.Must(f, err)
	f.Add(stored, []byte("739164"))
	f.Add("pbkdf2-sm3$1$$", []byte(nil))
	f.Fuzz(func(t *testing.T, text string, password []byte) {
		_, err := sm.CheckPassword(text, password, 1)
		if err == nil && !bytes.Equal(password, []byte("739164")) {
			t.Errorf("%q passes for %q", password, text)
		}
	})
}
