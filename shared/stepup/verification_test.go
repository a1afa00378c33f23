package stepup_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/req"
)

// The verified factors must include one of the intent's combinations. Fewer factors are
// refused; more are not.
func TestCombinationsThatAreEnough(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	for name, combinations := range map[string][]stepup.Combination{
		"one":            {{stepup.DeviceKey}},
		"two of three":   {{stepup.SMSOTP, stepup.DeviceKey}, {stepup.DeviceKey, stepup.TradePassword}},
		"three":          {{stepup.TradePassword, stepup.DeviceKey, stepup.SMSOTP}},
		"with a face":    {{stepup.SMSOTP, stepup.Face}, {stepup.Face}},
		"an empty one":   {{}},
		"no combination": {},
		"an unnamed one": {{""}},
	} {
		for _, brought := range subsets {
			in := p.intent(t, func(in *stepup.Intent) { in.Combinations = combinations })
			var proofs []stepup.Proof
			for _, f := range brought {
				proofs = append(proofs, p.right(t, in, f))
			}
			what := fmt.Sprintf("%s: %v", name, brought)
			evidence, err := p.confirm(t, in, proofs...)
			p.resetAttempts(t)
			if !enough(combinations, brought) {
				want(t, what, err, stepup.ErrStronger)
				continue
			}
			want(t, what, err, nil)
			if evidence == nil {
				continue
			}
			if diff := cmp.Diff(brought, evidence.Factors); diff != "" {
				t.Errorf("%s: factors of the evidence (-want +got):\n%s", what, diff)
			}
			want(t, what+", its use", p.consume(t, evidence), nil)
		}
	}
}

// Every proof must hold, also one that the intent does not need. Audit is told which
// proof failed; the caller is not.
func TestAnExtraProofMustHoldToo(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	for _, failing := range []stepup.Factor{
		stepup.SMSOTP, stepup.DeviceKey, stepup.TradePassword, stepup.Face, stepup.UnlockKey, "fingerprint", "",
	} {
		for place := range 3 {
			in := p.intent(t)
			code := p.code(t, in)
			wrong := map[stepup.Factor]stepup.Proof{
				stepup.SMSOTP: off(code), stepup.DeviceKey: p.sign(t, "x"), stepup.TradePassword: p.password(t, "000000"),
				stepup.Face: {Factor: stepup.Face}, stepup.UnlockKey: {Factor: stepup.UnlockKey, Signature: p.sign(t, text).Signature},
				"fingerprint": {Factor: "fingerprint", Code: code.Code}, "": {Code: code.Code},
			}[failing]
			proofs := []stepup.Proof{code, p.sign(t, text), p.password(t, tradePassword)}
			proofs = slices.DeleteFunc(proofs, func(proof stepup.Proof) bool { return proof.Factor == failing })
			proofs = slices.Insert(proofs[:2], place, wrong)
			c := p.check(in, proofs...)
			evidence, err := p.verify(t.Context(), c)
			if evidence != nil || err == nil || bankerr.From(err).Code() != "PROOF_REJECTED" || c.Failed != failing {
				t.Errorf("a wrong %q at %d of two right ones: %v, %v, failed %q", failing, place, evidence, err, c.Failed)
			}
			p.resetAttempts(t)
		}
	}
}

// A request brings one proof of each factor. With two of one, or more than there are
// factors, it is refused before anything is counted, whether or not the proofs hold.
func TestOneProofOfEachFactor(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	in := p.intent(t)
	code, key, password := p.code(t, in), p.sign(t, text), p.password(t, tradePassword)
	finger, login := stepup.Proof{Factor: "fingerprint"}, stepup.Proof{Factor: stepup.LoginPassword, Password: password.Password}
	held, face, unlocked := stepup.Proof{Factor: stepup.Token, Code: "123456"}, p.faced(t, in), p.unlocked(t, in.Text)
	ukey, counter, shield := stepup.Proof{Factor: stepup.SoftUKey}, stepup.Proof{Factor: stepup.SoftUKeyCounter},
		stepup.Proof{Factor: stepup.PhoneShield}
	for name, tt := range map[string]struct {
		proofs []stepup.Proof
		failed stepup.Factor
	}{
		"a right code twice":           {[]stepup.Proof{code, code}, stepup.SMSOTP},
		"a right key twice":            {[]stepup.Proof{key, code, key}, stepup.DeviceKey},
		"a right password twice":       {[]stepup.Proof{password, password, code}, stepup.TradePassword},
		"a right and a wrong code":     {[]stepup.Proof{code, off(code), key}, stepup.SMSOTP},
		"a wrong and a right code":     {[]stepup.Proof{off(code), key, code}, stepup.SMSOTP},
		"a wrong and a right password": {[]stepup.Proof{p.password(t, "000000"), password, key}, stepup.TradePassword},
		"an unknown one twice":         {[]stepup.Proof{code, finger, finger}, "fingerprint"},
		"a right face twice":           {[]stepup.Proof{face, code, face}, stepup.Face},
		"all of them and an unknown one": {
			[]stepup.Proof{code, key, password, login, held, face, unlocked, ukey, counter, shield, finger}, "fingerprint",
		},
		"all of them and one without a name": {
			[]stepup.Proof{code, key, password, login, held, face, unlocked, ukey, counter, shield, {}}, "",
		},
	} {
		c := p.check(in, tt.proofs...)
		_, err := p.verify(t.Context(), c)
		want(t, name, err, stepup.ErrProofRejected)
		if n, failures := p.tries(t, in), p.failures(t); n != 0 || failures != 0 || c.Failed != tt.failed {
			t.Errorf("%s: %d tries, %d failures, failed %q", name, n, failures, c.Failed)
		}
	}
	many := slices.Repeat([]stepup.Proof{p.password(t, "000000")}, 270)
	_, err := p.confirm(t, in, append(many, password)...)
	want(t, "270 passwords, the last right", err, stepup.ErrProofRejected)
	if failures := p.failures(t); failures != 0 {
		t.Errorf("%d failures", failures)
	}
	_, err = p.confirm(t, in, code, key, password)
	want(t, "one of each", err, nil)
}

// The refusal names the factors that are missing.
func TestMissingFactorsAreNamed(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	for _, tt := range []struct {
		brought []stepup.Factor
		want    []string
	}{
		{nil, []string{"sms_otp+device_key", "sms_otp+trade_password", "device_key+trade_password"}},
		{[]stepup.Factor{stepup.DeviceKey}, []string{"sms_otp", "trade_password"}},
		{[]stepup.Factor{stepup.TradePassword}, []string{"sms_otp", "device_key"}},
	} {
		in := p.intent(t)
		var proofs []stepup.Proof
		for _, f := range tt.brought {
			proofs = append(proofs, p.right(t, in, f))
		}
		_, err := p.confirm(t, in, proofs...)
		var m *stepup.MissingError
		if !errors.As(err, &m) {
			t.Fatalf("with %v: %v", tt.brought, err)
		}
		var got []string
		for _, c := range m.Missing {
			got = append(got, c.String())
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("with %v (-want +got):\n%s", tt.brought, diff)
		}
	}
}

// An intent is confirmed by its customer, on its device, in its function, in
// time, once. The proofs here are right all the time.
func TestWhoseIntentAndWhen(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	p, stranger := d.phone(t), d.phone(t)
	tablet := d.bind(t, seed.Customer{ID: p.customer}, "tablet")
	missing := bankerr.ErrNotFound
	for _, tt := range []struct {
		name string
		want error
		by   func(t *testing.T, in stepup.Intent, c *stepup.Verification)
	}{
		{"as prepared", nil, func(*testing.T, stepup.Intent, *stepup.Verification) {}},
		{"a stranger", missing, func(_ *testing.T, _ stepup.Intent, c *stepup.Verification) { c.CustomerID = stranger.customer }},
		{"no customer", missing, func(_ *testing.T, _ stepup.Intent, c *stepup.Verification) { c.CustomerID = uuid.Nil }},
		{"an unknown intent", missing, func(_ *testing.T, _ stepup.Intent, c *stepup.Verification) {
			c.Confirmation.IntentID = uuid.New()
		}},
		{"no intent", missing, func(_ *testing.T, _ stepup.Intent, c *stepup.Verification) { c.Confirmation.IntentID = uuid.Nil }},
		{"on another device", missing, func(_ *testing.T, _ stepup.Intent, c *stepup.Verification) { c.DeviceID = tablet.device }},
		{"on no device", missing, func(_ *testing.T, _ stepup.Intent, c *stepup.Verification) { c.DeviceID = "" }},
		{"in another function", missing, func(_ *testing.T, _ stepup.Intent, c *stepup.Verification) { c.Operation = "payee-confirm" }},
		{"just in time", nil, func(_ *testing.T, in stepup.Intent, c *stepup.Verification) {
			c.Now = in.ExpiresAt.Add(-time.Microsecond)
		}},
		{"when it expires", stepup.ErrExpired, func(_ *testing.T, in stepup.Intent, c *stepup.Verification) { c.Now = in.ExpiresAt }},
		{"a day later", stepup.ErrExpired, func(_ *testing.T, in stepup.Intent, c *stepup.Verification) { c.Now = c.Now.AddDate(0, 0, 1) }},
		{"consumed", stepup.ErrUsed, func(t *testing.T, in stepup.Intent, _ *stepup.Verification) {
			p.change(t, "UPDATE intent SET state = 'consumed' WHERE id = $1", in.ID)
		}},
		{"cancelled", stepup.ErrExpired, func(t *testing.T, in stepup.Intent, _ *stepup.Verification) {
			p.cancelAll(t, p.customer)
		}},
		{"a stranger, expired", missing, func(_ *testing.T, in stepup.Intent, c *stepup.Verification) {
			c.CustomerID, c.Now = stranger.customer, in.ExpiresAt
		}},
		{"on another device, expired", missing, func(_ *testing.T, in stepup.Intent, c *stepup.Verification) {
			c.DeviceID, c.Now = tablet.device, in.ExpiresAt
		}},
	} {
		in := p.intent(t, only(stepup.DeviceKey, stepup.TradePassword))
		c := p.check(in, p.sign(t, text), p.password(t, tradePassword))
		tt.by(t, in, c)
		_, err := p.verify(t.Context(), c)
		want(t, tt.name, err, tt.want)
		for proofs := range slices.Values([][]stepup.Proof{nil, {{Factor: "face"}}, {p.sign(t, "x")}}) {
			if tt.want == nil {
				break
			}
			c.Confirmation.Proofs = proofs
			_, err := p.verify(t.Context(), c)
			want(t, tt.name+", with proofs that don't hold", err, tt.want)
		}
		p.resetAttempts(t)
	}
	req.Covers(t, "LOGIC-007.4")
}

// A stranger's attempts at an intent are not counted. An attempt at the password of a
// consumed intent is not counted either.
func TestGuessesThatAreNotCounted(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	p, stranger := d.phone(t), d.phone(t)
	in := p.intent(t, only(stepup.SMSOTP, stepup.TradePassword))
	code := p.code(t, in)
	for range tries {
		_, err := stranger.confirm(t, in, off(code), stranger.password(t, tradePassword))
		want(t, "a stranger", err, bankerr.ErrNotFound)
	}
	if tries, his, own := p.tries(t, in), p.failures(t), stranger.failures(t); tries != 0 || his != 0 || own != 0 {
		t.Errorf("%d tries, %d failures of the customer, %d of the stranger", tries, his, own)
	}
	evidence, err := p.confirm(t, in, code, p.password(t, tradePassword))
	want(t, "the customer", err, nil)
	want(t, "the use", p.consume(t, evidence), nil)
	_, err = p.confirm(t, in, code, p.password(t, "000000"))
	want(t, "a consumed intent", err, stepup.ErrUsed)
	if failures := p.failures(t); failures != 0 {
		t.Errorf("%d failures after the use, want 0", failures)
	}
}
