package stepup_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/check"
)

var keyOnly = only(stepup.DeviceKey)

func TestSignatureIsBoundToTheText(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	p, stranger := d.phone(t), d.phone(t)
	in := p.intent(t, keyOnly)
	tablet := d.bind(t, seed.Customer{ID: p.customer}, "tablet")
	right := p.sign(t, text).Signature
	payload, err := sm.Sign(p.key, in.Payload)
	check.Must(t, err)
	digest, err := sm.Sign(p.key, in.Digest)
	check.Must(t, err)
	guesses := map[string][]byte{
		"of another amount":            p.sign(t, "向 李四（尾号0001）转账 100.01元").Signature,
		"of another payee":             p.sign(t, "向 赵六（尾号0002）转账 100.00元").Signature,
		"of the text and a line feed":  p.sign(t, text+"\n").Signature,
		"of the payload":               payload,
		"of the digest":                digest,
		"by a stranger's key":          stranger.sign(t, text).Signature,
		"by the customer's other key":  tablet.sign(t, text).Signature,
		"missing":                      nil,
		"empty":                        {},
		"of zeros":                     make([]byte, len(right)),
		"of noise":                     randomBytes(len(right)),
		"of noise, long":               randomBytes(64 << 10),
		"of an empty DER sequence":     {0x30, 0},
		"of r = 0 and s = 0":           {0x30, 6, 2, 1, 0, 2, 1, 0},
		"of r = 1 and s = 1":           {0x30, 6, 2, 1, 1, 2, 1, 1},
		"with a byte more":             append(bytes.Clone(right), 0),
		"without its last byte":        right[:len(right)-1],
		"without its first byte":       right[1:],
		"twice":                        append(bytes.Clone(right), right...),
		"that is the text":             []byte(text),
		"that is the bank's signature": nil,
	}
	guesses["that is the bank's signature"], err = p.ring.Sign(keys.Channel, []byte(text))
	check.Must(t, err)
	for i := range right {
		changed := bytes.Clone(right)
		changed[i] ^= 1
		guesses[fmt.Sprintf("with byte %d changed", i)] = changed
	}
	for name, signature := range guesses {
		_, err := p.confirm(t, in, stepup.Proof{Factor: stepup.DeviceKey, Signature: signature})
		want(t, "a signature "+name, err, stepup.ErrProofRejected)
	}
	_, err = p.confirm(t, in, stepup.Proof{Factor: stepup.DeviceKey, Signature: right})
	want(t, "the right signature", err, nil)
}

// What holds is the key that is bound now.
func TestADevicesKeyNow(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	in := p.intent(t, keyOnly)
	before := p.sign(t, text)
	p = p.bind(t, seed.Customer{ID: p.customer}, p.device)
	_, err := p.confirm(t, in, before)
	want(t, "the key of before", err, stepup.ErrProofRejected)
	_, err = p.confirm(t, in, p.sign(t, text))
	want(t, "the key of now", err, nil)
	p.change(t, "UPDATE device SET public_key = 'x' WHERE customer_id = $1", p.customer)
	_, err = p.confirm(t, in, p.sign(t, text))
	want(t, "with a key that is none", err, stepup.ErrProofRejected)
	p.change(t, "DELETE FROM device WHERE customer_id = $1", p.customer)
	_, err = p.confirm(t, in, p.sign(t, text))
	want(t, "after unbinding", err, stepup.ErrProofRejected)
}
