package stepup_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/check"
)

// faced stores a check of the customer's face that has passed for the intent now, and is the
// proof of it.
func (p phone) faced(t *testing.T, in stepup.Intent) stepup.Proof {
	t.Helper()
	id, now := uuid.New(), p.clock.Now()
	check.Exec(t, p.db.Pool(), `
INSERT INTO face_check (id, customer_id, device_id, channel, intent_id, binding, nonce, actions, created_at, expires_at, state, ended_at)
VALUES ($1, $2, $3, $4, $5, $6, '', '{}', $7, $7, 'passed', $7)`,
		id, p.customer, p.device, sm.Digest(p.channel[:]), in.ID, in.Digest, now)
	return stepup.Proof{Factor: stepup.Face, CheckID: &id}
}

// Biometrics alone confirm nothing, also if an intent says so. Beside another factor, the face
// counts as one.
func TestBiometricsAloneAreNeverEnough(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	for _, combinations := range [][]stepup.Combination{
		{{stepup.Face}}, {{stepup.Face, stepup.Face}}, {{stepup.Face}, {stepup.Face, stepup.DeviceKey}},
	} {
		in := p.intent(t, func(in *stepup.Intent) { in.Combinations = combinations })
		_, err := p.confirm(t, in, p.faced(t, in))
		want(t, "a face alone", err, stepup.ErrStronger)
	}
	in := p.intent(t, only(stepup.DeviceKey, stepup.Face))
	evidence, err := p.confirm(t, in, p.faced(t, in), p.sign(t, in.Text))
	if want(t, "a face and the key", err, nil); evidence != nil {
		want(t, "its use", p.consume(t, evidence), nil)
	}
}

// A check proves its own intent on the device and channel of its beginning, for five minutes and
// once. The guess of an id counts nowhere: an id is random.
func TestAFaceProvesItsOwnIntentOnce(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	for name, sql := range map[string]string{
		"another customer's": "UPDATE face_check SET customer_id = gen_random_uuid()",
		"of another device":  "UPDATE face_check SET device_id = 'tablet'",
		"of another channel": "UPDATE face_check SET channel = decode('00', 'hex')",
		"for another intent": "UPDATE face_check SET intent_id = gen_random_uuid()",
		"for another text":   "UPDATE face_check SET binding = decode('00', 'hex')",
		"for no text":        "UPDATE face_check SET binding = ''",
		"open":               "UPDATE face_check SET state = 'open'",
		"under way":          "UPDATE face_check SET state = 'tried'",
		"failed":             "UPDATE face_check SET state = 'failed'",
		"unanswered":         "UPDATE face_check SET state = 'unanswered'",
		"used":               "UPDATE face_check SET state = 'used'",
		"unknown":            "DELETE FROM face_check",
	} {
		in := p.intent(t, only(stepup.DeviceKey, stepup.Face))
		proof := p.faced(t, in)
		p.change(t, sql)
		c := p.check(in, proof, p.sign(t, in.Text))
		_, err := p.verify(t.Context(), c)
		if want(t, name, err, stepup.ErrProofRejected); c.Failed != stepup.Face {
			t.Errorf("%s: failed %q", name, c.Failed)
		}
		check.Exec(t, p.db.Pool(), "DELETE FROM face_check")
	}
	in := p.intent(t, only(stepup.DeviceKey, stepup.Face))
	proofs := []stepup.Proof{p.faced(t, in), p.sign(t, in.Text)}
	p.clock.Advance(face.ProofLife - time.Microsecond)
	first, err := p.confirm(t, in, proofs...)
	want(t, "just in time", err, nil)
	second, err := p.confirm(t, in, proofs...)
	want(t, "before the first is consumed", err, nil)
	p.clock.Advance(time.Microsecond)
	_, err = p.confirm(t, in, proofs...)
	want(t, "too late", err, stepup.ErrProofRejected)
	if first == nil || second == nil {
		return
	}
	want(t, "the first use", p.consume(t, first), nil)
	p.change(t, "UPDATE intent SET state = 'open' WHERE id = $1", in.ID)
	want(t, "the second use", p.consume(t, second), stepup.ErrProofRejected)
}
