package functions_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/test/functest"

	transferconfirm "github.com/tidebank/tidebank/functions/transfer/confirm"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/req"
)

func (p fixture) grade(t *testing.T, grade risk.Grade) {
	t.Helper()
	p.Exec(t, "UPDATE customer SET risk_grade = $2 WHERE id = $1", p.Payer.ID, grade)
}

// withCode adds a code for the intent, which the customer asks for.
func (p fixture) withCode(t *testing.T, in transferprepare.Response, proven stepup.Confirmation) stepup.Confirmation {
	t.Helper()
	p.Advance(time.Minute) // codes come no faster
	p.Phone.Call(t, functest.Named(t, "otp-send"), "", map[string]any{"purpose": otp.Intent, "intent_id": in.IntentID}).Want(t, "")
	code := otptest.Code(t, p.Bank, stepup.Subject(in.IntentID))
	proven.Proofs = append(slices.Clone(proven.Proofs), stepup.Proof{Factor: stepup.SMSOTP, Code: code})
	return proven
}

// factors is the number of factors in the shortest combination.
func factors(t *testing.T, in transferprepare.Response) int {
	t.Helper()
	if len(in.Combinations) == 0 {
		t.Fatal("no combination")
	}
	fewest := 99
	for _, c := range in.Combinations {
		fewest = min(fewest, 1+strings.Count(c, "+"))
	}
	return fewest
}

func (p fixture) postings(t *testing.T) int {
	t.Helper()
	return p.Count(t, "SELECT count(*) FROM posting WHERE kind = 'transfer'")
}

// Risk refuses the customer's transfers. No new transfer and none that was prepared
// before is posted, with any proof and at any repetition.
func TestABlockedTransferIsNeverPosted(t *testing.T) {
	t.Parallel()
	req.Covers(t, "FRAUD-001.2")
	p := newFixture(t)
	in, proven := p.proven(t, 1_00)
	all := p.withCode(t, in, proven)
	p.grade(t, risk.GradeHigh)
	p.Phone.Call(t, transferprepare.Function, "", p.ToPayee(1_00)).Want(t, "RISK_REFUSED")
	p.Phone.Call(t, transferprepare.Function, "", p.ToPayee(1)).Want(t, "RISK_REFUSED")
	for i := range 3 {
		p.Phone.Call(t, transferconfirm.Function, fmt.Sprint("key", i), all).Want(t, "RISK_REFUSED")
	}
	if got := p.postings(t); got != 0 {
		t.Errorf("%d transfers were posted", got)
	}
	p.grade(t, risk.GradeNormal)
	p.Phone.Call(t, transferconfirm.Function, "allowed", all).Want(t, "")
	if got := p.postings(t); got != 1 {
		t.Errorf("%d transfers were posted once risk allowed it", got)
	}
	p.CheckLedger(t)
}

// A transfer that no rule objects to takes the usual factors and no more; the same
// transfer takes one more while the payer's risk is raised.
func TestOnlyARiskyTransferTakesOneMoreFactor(t *testing.T) {
	t.Parallel()
	req.Covers(t, "FRAUD-002.4", "FRAUD-004.3")
	p := newFixture(t)
	in, proven := p.proven(t, 1_00)
	usual := factors(t, in)
	p.Phone.Call(t, transferconfirm.Function, "usual", proven).Want(t, "")
	if len(proven.Proofs) != usual || usual != 2 {
		t.Errorf("%d factors were asked for, %d were enough", usual, len(proven.Proofs))
	}
	p.grade(t, risk.GradeRaised)
	in, proven = p.proven(t, 1_00)
	if got := factors(t, in); got != usual+1 {
		t.Errorf("%d factors at a raised risk, %d usually", got, usual)
	}
	p.Phone.Call(t, transferconfirm.Function, "two", proven).Want(t, "STEPUP_STRONGER")
	p.Phone.Call(t, transferconfirm.Function, "three", p.withCode(t, in, proven)).Want(t, "")
	if got := p.postings(t); got != 2 {
		t.Errorf("%d transfers were posted", got)
	}
}

// The factor that is asked for besides is another one, and proves this transfer: a
// code for another transfer, or a factor that has been shown, is not enough.
func TestTheFurtherFactorIsAnotherAndForThisTransfer(t *testing.T) {
	t.Parallel()
	req.Covers(t, "FRAUD-010.3")
	p := newFixture(t)
	p.grade(t, risk.GradeRaised)
	other, otherProven := p.proven(t, 2_00)
	foreign := p.withCode(t, other, otherProven).Proofs[2]
	in, proven := p.proven(t, 1_00)
	right := p.withCode(t, in, proven)
	for name, further := range map[string]stepup.Proof{"signature": proven.Proofs[0], "password": proven.Proofs[1]} {
		again := proven
		again.Proofs = append(slices.Clone(proven.Proofs), further)
		p.Phone.Call(t, transferconfirm.Function, name+" again", again).Want(t, "PROOF_REJECTED")
	}
	if foreign.Code == right.Proofs[2].Code {
		foreign.Code = otptest.Wrong(foreign.Code) // by chance; it would be right
	}
	wrong := proven
	wrong.Proofs = append(slices.Clone(proven.Proofs), foreign)
	p.Phone.Call(t, transferconfirm.Function, "foreign code", wrong).Want(t, "PROOF_REJECTED")
	if got := p.postings(t); got != 0 {
		t.Errorf("%d transfers were posted", got)
	}
	p.Phone.Call(t, transferconfirm.Function, "right", right).Want(t, "")
}

// Each customer has a known risk level from the first moment on.
func TestEachCustomerHasARiskLevel(t *testing.T) {
	t.Parallel()
	req.Covers(t, "FRAUD-003.2")
	p := newFixture(t)
	const unknown = "SELECT count(*) FROM customer WHERE risk_grade IS NULL OR risk_grade NOT BETWEEN 0 AND 2"
	if n, all := p.Count(t, unknown), p.Count(t, "SELECT count(*) FROM customer"); n != 0 || all != 2 {
		t.Errorf("%d of %d customers have no known risk level", n, all)
	}
	for _, level := range []string{"NULL", "-1", "3"} {
		_, err := p.Host.DB.Pool().Exec(t.Context(), "UPDATE customer SET risk_grade = "+level)
		if err == nil {
			t.Errorf("a customer got the risk level %s", level)
		}
	}
	for range 16 { // in an hour: a burst
		p.pay(t, 1_00)
	}
	p.deliverAll(t)
	if got := p.Count(t, "SELECT risk_grade FROM customer WHERE id = $1", p.Payer.ID); got != int(risk.GradeRaised) {
		t.Errorf("after a burst the payer's risk level is %d", got)
	}
}
