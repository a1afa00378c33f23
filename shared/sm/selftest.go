package sm

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm4"
)

// shut is set when a self-test fails, and is never reset: only a new process works again.
var shut atomic.Bool

// knownAnswers are the standards' own examples, and one signature that faulty
// assembly for CPUs with BMI2 and ADX rejects.
type knownAnswers struct {
	digestOf, digest            string // GB/T 32905-2016, A.1
	sm4Key, sm4Plain, sm4Cipher string // GB/T 32907-2016, A.1
	bmi2Key, bmi2Signature      string // over 32 zero bytes taken as the digest
	kemSeed                     string // of an ML-KEM-768 key (FIPS 203); other implementations give the same answers
	kemPublic                   string // SM3 of its encapsulation key
	kemRejected                 string // its secret for a ciphertext of zeros, which it did not make
}

// digestAnswer is a variable that no code sets. A test links a program with a wrong
// value and checks that the program never serves (CRYPTO-005).
var digestAnswer = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"

func standardAnswers() knownAnswers {
	return knownAnswers{
		digestOf:  "616263",
		digest:    digestAnswer,
		sm4Key:    "0123456789abcdeffedcba9876543210",
		sm4Plain:  "0123456789abcdeffedcba9876543210",
		sm4Cipher: "681edf34d206965e86b3e94f536e4246",
		bmi2Key: "3059301306072a8648ce3d020106082a811ccf5501822d03420004ef4de57af00ae424c00c4caadff7193f804a19dd73a7e29" +
			"54db9d0d15ab4cbba67728c3f4572878b7a674735da9fde1682fe2d9e0799c4a5cde57e3d473039a2",
		bmi2Signature: "3046022100be0ea64e1ec06f0d247093f3ccbbadcfb6260224272f86ddb78326e7cd6c7560022100e9f6ab2fcc48a2ce" +
			"f94838e66b5c7e21fd8e4de25990dd98ca5243f4966f2853",
		kemSeed: "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" +
			"202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f",
		kemPublic:   "1f83caff108034424718ff6613bdceb0be4310efcbc3a691606cc07a24727581",
		kemRejected: "c8fbeddafdacef2ffeb8b354ea644f11b5c150f3e2c4a74ce38abba8f854ae16",
	}
}

// SelfTest runs the module's three tests. It takes a few milliseconds. After a
// failure the module stays shut (CRYPTO-007).
func SelfTest() error {
	_, err := latch(goodModule())
	return err
}

// SelfTestReport is like SelfTest and returns the result of each test. It returns no
// results if the module has already shut.
func SelfTestReport() ([]TestResult, error) { return latch(goodModule()) }

// TestResult is the result of one test: "integrity" (known answers), "bypass" (sealed
// text differs from its plaintext, and tampering is detected) or "critical functions"
// (a signature, a key agreement and an encapsulation).
type TestResult struct {
	Name string
	Err  error // nil if the test passed
}

// module is the set of functions that the self-test tests. A test of the self-test
// replaces some of them by wrong ones.
type module struct {
	known knownAnswers
	seal  func(k Key, plaintext, aad []byte) ([]byte, error)
	open  func(k Key, sealed, aad []byte) ([]byte, error)
	sign  func(*PrivateKey, []byte) ([]byte, error)
	agree func(*PrivateKey, *PublicKey) (Secret, error)

	encapsulate func(public []byte) ([]byte, KEMSecret, error)
	decapsulate func(*KEMKey, []byte) (KEMSecret, error)
}

func goodModule() module {
	return module{
		known: standardAnswers(), seal: Seal, open: Open, sign: Sign, agree: Agree, encapsulate: Encapsulate, decapsulate: Decapsulate,
	}
}

func latch(m module) ([]TestResult, error) {
	if shut.Load() {
		return nil, ErrModule
	}
	results := m.test()
	err := failure(results)
	if err != nil {
		shut.Store(true)
	}
	return results, err
}

func (m module) test() []TestResult {
	return []TestResult{
		{Name: "integrity", Err: testIntegrity(m.known)},
		{Name: "bypass", Err: testBypass(m)},
		{Name: "critical functions", Err: testCritical(m)},
	}
}

// failure joins the errors of the failed tests, with the tests' names.
func failure(results []TestResult) error {
	var failed []error
	for _, r := range results {
		if r.Err != nil {
			failed = append(failed, fmt.Errorf("sm: self-test: %s: %w", r.Name, r.Err))
		}
	}
	return errors.Join(failed...)
}

// unhex returns nil for a text that is not hexadecimal, which equals no answer.
func unhex(text string) []byte {
	raw, err := hex.DecodeString(text)
	if err != nil {
		return nil
	}
	return raw
}

func testIntegrity(known knownAnswers) error {
	if !bytes.Equal(Digest(unhex(known.digestOf)), unhex(known.digest)) {
		return errors.New("SM3 known answer")
	}
	block, err := sm4.NewCipher(unhex(known.sm4Key))
	if err != nil {
		return fmt.Errorf("SM4 key: %w", err)
	}
	out := make([]byte, sm4.BlockSize)
	block.Encrypt(out, unhex(known.sm4Plain))
	if !bytes.Equal(out, unhex(known.sm4Cipher)) {
		return errors.New("SM4 known answer")
	}
	key, err := ParsePublicKey(unhex(known.bmi2Key))
	if err != nil {
		return fmt.Errorf("SM2 key: %w", err)
	}
	if !sm2.VerifyASN1(key.key, make([]byte, 32), unhex(known.bmi2Signature)) {
		return errors.New("SM2 known answer")
	}
	return testKEMAnswers(known)
}

func testKEMAnswers(known knownAnswers) error {
	key, err := ParseKEMKey(unhex(known.kemSeed))
	if err != nil {
		return fmt.Errorf("ML-KEM key: %w", err)
	}
	rejected, err := Decapsulate(key, make([]byte, KEMCiphertextSize))
	if err != nil || !bytes.Equal(Digest(key.Public()), unhex(known.kemPublic)) || !bytes.Equal(rejected.k, unhex(known.kemRejected)) {
		return errors.New("ML-KEM known answer")
	}
	return nil
}

func testBypass(m module) error {
	key, plain, aad := NewKey(), []byte("sixteen bytes or more"), []byte("aad")
	sealed, err := m.seal(key, plain, aad)
	if err != nil {
		return err
	}
	if bytes.Contains(sealed, plain) {
		return errors.New("the cipher passes plaintext through")
	}
	if opened, err := m.open(key, sealed, aad); err != nil || !bytes.Equal(opened, plain) {
		return errors.New("what was sealed does not open")
	}
	sealed[len(sealed)-1] ^= 1
	if opened, err := m.open(key, sealed, aad); err == nil || opened != nil {
		return errors.New("tampering goes unseen")
	}
	return nil
}

func testCritical(m module) error {
	one, err := GenerateKey()
	if err != nil {
		return err
	}
	two, err := GenerateKey()
	if err != nil {
		return err
	}
	message := []byte("message")
	signature, err := m.sign(one, message)
	if err != nil {
		return err
	}
	if Verify(one.Public(), message, signature) != nil || Verify(two.Public(), message, signature) == nil {
		return errors.New("signatures")
	}
	here, err := m.agree(one, two.Public())
	if err != nil {
		return err
	}
	there, err := m.agree(two, one.Public())
	if err != nil || !bytes.Equal(here.x, there.x) {
		return errors.New("key agreement")
	}
	return testEncapsulation(m)
}

func testEncapsulation(m module) error {
	key, err := GenerateKEMKey()
	if err != nil {
		return err
	}
	ciphertext, here, err := m.encapsulate(key.Public())
	if err != nil {
		return err
	}
	there, err := m.decapsulate(key, ciphertext)
	if err != nil || !bytes.Equal(here.k, there.k) {
		return errors.New("encapsulation")
	}
	ciphertext[0] ^= 1
	if other, err := m.decapsulate(key, ciphertext); err != nil || bytes.Equal(here.k, other.k) {
		return errors.New("a changed ciphertext gives the same secret")
	}
	return nil
}
