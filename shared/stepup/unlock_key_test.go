package stepup_test

import (
	"testing"

	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
)

// unlocked sets a key on the phone that a finger unlocks, and is its proof of a text.
func (p phone) unlocked(t *testing.T, text string) stepup.Proof {
	t.Helper()
	key := keytest.PrivateKey(t)
	public, err := key.Public().Marshal()
	check.Must(t, err)
	p.change(t, "UPDATE device SET fingerprint_key = $3 WHERE customer_id = $1 AND device_id = $2", p.customer, p.device, public)
	return unlockedBy(t, key, text)
}

func unlockedBy(t *testing.T, key *sm.PrivateKey, text string) stepup.Proof {
	t.Helper()
	signature, err := sm.Sign(key, []byte(text))
	check.Must(t, err)
	return stepup.Proof{Factor: stepup.UnlockKey, Signature: signature}
}

// A signature over the intent's text confirms beside another factor, and nothing alone. A
// signature by another key of the phone, over another text, or by a key of another device is
// rejected.
func TestAnUnlockedSignatureIsBoundToTheText(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	in := p.intent(t, only(stepup.DeviceKey, stepup.UnlockKey))
	finger := p.unlocked(t, in.Text)
	_, err := p.confirm(t, in, finger)
	want(t, "a finger alone", err, stepup.ErrStronger)
	bound := p.sign(t, in.Text)
	for name, wrong := range map[string]stepup.Proof{
		"by the bound key": {Factor: stepup.UnlockKey, Signature: bound.Signature},
		"by another key":   unlockedBy(t, keytest.PrivateKey(t), in.Text),
		"empty":            {Factor: stepup.UnlockKey},
	} {
		c := p.check(in, bound, wrong)
		_, err := p.verify(t.Context(), c)
		if want(t, name, err, stepup.ErrProofRejected); c.Failed != stepup.UnlockKey {
			t.Errorf("%s: failed %q", name, c.Failed)
		}
	}
	elsewhere := p.unlocked(t, "another text")
	_, err = p.confirm(t, in, bound, elsewhere)
	want(t, "over another text", err, stepup.ErrProofRejected)
	finger = p.unlocked(t, in.Text)
	for _, column := range []string{"face_key", "fingerprint_key"} { // of either column
		_, err = p.confirm(t, in, finger, bound)
		want(t, column, err, nil)
		p.change(t, "UPDATE device SET face_key = fingerprint_key, fingerprint_key = NULL WHERE customer_id = $1", p.customer)
	}
	p.change(t, "UPDATE device SET face_key = NULL, fingerprint_key = NULL WHERE customer_id = $1", p.customer)
	_, err = p.confirm(t, in, finger, bound)
	want(t, "a key that is gone", err, stepup.ErrProofRejected)
}
