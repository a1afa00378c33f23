package functions_test

import (
	"testing"
	"time"

	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/req"
)

// dynamicKinds are the kinds of dynamic passwords: how a customer gets one for an order. The bank
// takes no dynamic-password cards.
var dynamicKinds = map[stepup.Factor]func(*testing.T, fixture) func(transferprepare.Response) stepup.Proof{
	stepup.SMSOTP: func(t *testing.T, p fixture) func(transferprepare.Response) stepup.Proof {
		t.Helper()
		return func(in transferprepare.Response) stepup.Proof { return p.CodeFor(t, in.IntentID) }
	},
	stepup.Token: func(t *testing.T, p fixture) func(transferprepare.Response) stepup.Proof {
		t.Helper()
		held := p.Token(t)
		return func(in transferprepare.Response) stepup.Proof { return bank.Responded(held, in.Text) }
	},
}

// by confirms an order by a dynamic password and the device's key.
func (p fixture) by(t *testing.T, in transferprepare.Response, value stepup.Proof) string {
	t.Helper()
	return p.Confirm(t, stepup.Confirmation{IntentID: in.IntentID, Proofs: []stepup.Proof{p.Signed(t, in), value}}).Code
}

// A dynamic password of any kind is good once, for minutes, and no longer after five wrong
// values. A kind that the bank does not have is good never.
func TestDynamicPasswordsEnd(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PWD-020.1", "PWD-020.2", "PWD-020.3")
	for kind, of := range dynamicKinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			p := newFixture(t)
			value := of(t, p)
			want := func(what string, in transferprepare.Response, v stepup.Proof, want string) {
				t.Helper()
				if got := p.by(t, in, v); got != want {
					t.Errorf("%s: %q, want %q", what, got, want)
				}
			}
			in, next := p.Prepare(t, p.ToPayee(1_00)), p.Prepare(t, p.ToPayee(1_00))
			used := value(in)
			want("the first time", in, used, "")
			want("again", in, used, "INTENT_USED")
			want("for the next order", next, used, "PROOF_REJECTED")

			late := value(next)
			p.Advance(3 * time.Minute)
			want("three minutes old", next, late, "PROOF_REJECTED")
			want("fresh", next, value(next), "")

			guessed := p.Prepare(t, p.ToPayee(1_00))
			right := value(guessed)
			wrong := right
			wrong.Code = otptest.Wrong(right.Code)
			for range 5 {
				want("wrong", guessed, wrong, "PROOF_REJECTED")
			}
			locked := map[stepup.Factor]string{stepup.SMSOTP: "PROOF_REJECTED", stepup.Token: "TOKEN_LOCKED"}[kind]
			want("right, after five wrong ones", guessed, right, locked)
			want("a card", guessed, stepup.Proof{Factor: "card", Code: right.Code}, "PROOF_REJECTED")
			if n := p.Count(t, "SELECT count(*) FROM transfer"); n != 2 {
				t.Errorf("%d transfers were made, want 2", n)
			}
		})
	}
}
