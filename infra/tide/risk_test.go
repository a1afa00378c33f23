package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/events"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
)

// A customer with a high grade transfers nothing until an operator lifts the grade. Audit
// records the operator, the reason and the lifted grade.
func TestAHighGradeStaysUntilAnOperatorLiftsIt(t *testing.T) {
	t.Parallel()
	w := bank.NewPair(t, 100_00)
	o := order{phone: w.Payer.Phone, reason: "confirmed at the branch", operator: "zhao"}
	prepare := func(want string) {
		t.Helper()
		w.Phone.Call(t, transferprepare.Function, "", w.ToPayee(1_00)).Want(t, want)
	}
	w.Exec(t, "UPDATE customer SET risk_grade = $1", risk.GradeHigh) // the payee's grade is high too
	prepare("RISK_REFUSED")
	id, err := liftGrade(t.Context(), w.Host, o)
	check.Must(t, err)
	prepare("")
	if n := w.Count(t, "SELECT count(*) FROM customer WHERE risk_grade = $1", risk.GradeHigh); n != 1 {
		t.Errorf("%d customers have a high grade, want the payee only", n)
	}
	w.Exec(t, "UPDATE customer SET risk_grade = $1 WHERE id = $2", risk.GradeRaised, w.Payer.ID)
	_, err = liftGrade(t.Context(), w.Host, o)
	check.Must(t, err)

	stranger := o
	stranger.phone = "13999999999"
	for name, o := range map[string]order{"a normal grade": o, "nobody's number": stranger} {
		if _, err := liftGrade(t.Context(), w.Host, o); !errors.Is(err, errNotGraded) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var reasons []string
	for _, r := range bank.Told[events.AccessRecorded](t, w.Bank, events.TypeAccessRecorded) {
		if r.Function != liftFunction {
			continue
		}
		reasons = append(reasons, r.Reason)
		if r.CustomerID != w.Payer.ID.String() || r.IP == "" || r.DeviceID == "" || len(reasons) == 1 && r.Trace != id {
			t.Errorf("access record %+v", r)
		}
	}
	want := []string{"grade 2 lifted by zhao: confirmed at the branch", "grade 1 lifted by zhao: confirmed at the branch"}
	if diff := cmp.Diff(want, reasons); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}

func TestLiftOrdersThatAreRefused(t *testing.T) {
	t.Parallel()
	for args, says := range map[string]string{
		"risk lift": `"operator", "phone", "reason" not set`,
		"risk lift --phone 138 --reason x --operator y":                   "--phone is not a mobile number",
		"risk lift --phone 13800010001 --reason x --operator 13800010001": "--operator must be",
		"risk raise": "unknown command",
	} {
		if _, stderr, err := tide(strings.Fields(args)...); err == nil || !strings.Contains(stderr, says) {
			t.Errorf("tide %s: it says %q, %v; want %q", args, stderr, err, says)
		}
	}
	if stdout, _, err := tide("risk", "lift", "--help"); err != nil || !strings.Contains(stdout, "access record") {
		t.Errorf("help: %q, %v", stdout, err)
	}
}
