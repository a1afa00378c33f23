package sm

import "bytes"

// Fault is a change to the module that the self-test must find.
type Fault struct {
	Name  string // of the test that finds it
	apply func(*module)
}

// Faults are one for every promise that the self-test checks.
func Faults() map[string]Fault {
	known := func(apply func(*knownAnswers)) Fault {
		return Fault{"integrity", func(m *module) { apply(&m.known) }}
	}
	return map[string]Fault{
		"another digest":     known(func(k *knownAnswers) { k.digest = "00" + k.digest[2:] }),
		"unreadable digest":  known(func(k *knownAnswers) { k.digest = "zz" }),
		"another ciphertext": known(func(k *knownAnswers) { k.sm4Cipher = "00" + k.sm4Cipher[2:] }),
		"SM4 key too short":  known(func(k *knownAnswers) { k.sm4Key = k.sm4Key[2:] }),
		"another SM2 key":    known(func(k *knownAnswers) { k.bmi2Key = k.bmi2Key[2:] }),
		"another signature":  known(func(k *knownAnswers) { k.bmi2Signature = k.bmi2Signature[:len(k.bmi2Signature)-2] + "54" }),
		"another KEM key":    known(func(k *knownAnswers) { k.kemSeed = "ff" + k.kemSeed[2:] }),
		"KEM seed too short": known(func(k *knownAnswers) { k.kemSeed = k.kemSeed[2:] }),
		"another KEM secret": known(func(k *knownAnswers) { k.kemRejected = "00" + k.kemRejected[2:] }),
		"plaintext passes":   {"bypass", passThrough},
		"additional data is left out": {"bypass", func(m *module) {
			m.seal = func(k Key, plaintext, _ []byte) ([]byte, error) { return Seal(k, plaintext, nil) }
		}},
		"tampering passes": {"bypass", func(m *module) {
			m.open = func(k Key, sealed, aad []byte) ([]byte, error) {
				aead, err := NewAEAD(k)
				if err != nil {
					return nil, err
				}
				nonce, body := sealed[:NonceSize], sealed[NonceSize:len(sealed)-Overhead]
				clear := aead.Seal(nil, nonce, body, aad) // counter mode undoes itself
				return clear[:len(body)], nil
			}
		}},
		"sealing fails": {"bypass", func(m *module) {
			m.seal = func(Key, []byte, []byte) ([]byte, error) { return nil, ErrOpen }
		}},
		"signature of another message": {"critical functions", func(m *module) {
			m.sign = func(k *PrivateKey, message []byte) ([]byte, error) { return Sign(k, message[1:]) }
		}},
		"signing fails": {"critical functions", func(m *module) {
			m.sign = func(*PrivateKey, []byte) ([]byte, error) { return nil, ErrKey }
		}},
		"each side agrees with itself": {"critical functions", func(m *module) {
			m.agree = func(own *PrivateKey, _ *PublicKey) (Secret, error) { return Agree(own, own.Public()) }
		}},
		"agreement fails": {"critical functions", func(m *module) {
			m.agree = func(*PrivateKey, *PublicKey) (Secret, error) { return Secret{}, ErrKey }
		}},
		"each side has a secret of its own": {"critical functions", func(m *module) {
			m.encapsulate = func(public []byte) ([]byte, KEMSecret, error) {
				ciphertext, _, err := Encapsulate(public)
				return ciphertext, KEMSecret{make([]byte, 32)}, err
			}
		}},
		"a constant for a secret": {"critical functions", func(m *module) {
			m.encapsulate = func(public []byte) ([]byte, KEMSecret, error) {
				ciphertext, _, err := Encapsulate(public)
				return ciphertext, KEMSecret{make([]byte, 32)}, err
			}
			m.decapsulate = func(*KEMKey, []byte) (KEMSecret, error) { return KEMSecret{make([]byte, 32)}, nil }
		}},
		"encapsulation fails": {"critical functions", func(m *module) {
			m.encapsulate = func([]byte) ([]byte, KEMSecret, error) { return nil, KEMSecret{}, ErrKey }
		}},
		"decapsulation fails": {"critical functions", func(m *module) {
			m.decapsulate = func(*KEMKey, []byte) (KEMSecret, error) { return KEMSecret{}, ErrOpen }
		}},
	}
}

// passThrough keeps the integrity and leaves out the secrecy.
func passThrough(m *module) {
	m.seal = func(k Key, plaintext, aad []byte) ([]byte, error) {
		return append(MAC(k[:], plaintext, aad), plaintext...), nil
	}
	m.open = func(k Key, sealed, aad []byte) ([]byte, error) {
		if !bytes.Equal(sealed[:32], MAC(k[:], sealed[32:], aad)) {
			return nil, ErrOpen
		}
		return sealed[32:], nil
	}
}

func (f Fault) module() module {
	m := goodModule()
	f.apply(&m)
	return m
}

// Find runs the self-test with the fault, and leaves the module open.
func (f Fault) Find() error { return failure(f.module().test()) }

// Shut runs the self-test with the fault as SelfTest would.
func (f Fault) Shut() error {
	_, err := latch(f.module())
	return err
}

// Report is what the self-test reports with the fault.
func (f Fault) Report() []TestResult { return f.module().test() }

// SecretOf is a secret that no key pairs agreed on, for vectors.
func SecretOf(x []byte) Secret { return Secret{x} }

// Bytes shows a secret.
func (s Secret) Bytes() []byte { return s.x }

// Bytes shows a secret of an encapsulation.
func (s KEMSecret) Bytes() []byte { return s.k }

// KEMSecretOf is a secret that no encapsulation made, for vectors.
func KEMSecretOf(k []byte) KEMSecret { return KEMSecret{k} }
