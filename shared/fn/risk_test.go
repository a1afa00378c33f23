package fn_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
)

// opinion is an evaluator with a fixed decision, which remembers its questions.
type opinion struct {
	risk.Decision
	err   error
	asked *[]risk.Subject
}

func (o opinion) Evaluate(_ context.Context, scene risk.Scene, who risk.Subject) (risk.Decision, error) {
	if scene != risk.SceneTransfer {
		return risk.Decision{}, errors.New("another scene")
	}
	*o.asked = append(*o.asked, who)
	return o.Decision, o.err
}

// An operation runs only if risk allows it. Without an answer from risk, none runs.
func TestRiskDecides(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	for _, tt := range []struct {
		name    string
		opinion opinion
		under   risk.Grade // that the intent was decided under
		want    string
	}{
		{"allow", opinion{Decision: risk.Decision{Outcome: risk.Allow}}, risk.GradeNormal, ""},
		{"refuse", opinion{Decision: risk.Decision{Outcome: risk.Refuse}}, risk.GradeNormal, "RISK_REFUSED"},
		{"no answer", opinion{err: errors.New("down")}, risk.GradeNormal, "SERVICE_UNAVAILABLE"},
		{"an answer and an error", opinion{err: errors.New("half")}, risk.GradeHigh, "SERVICE_UNAVAILABLE"},
		{
			"stronger, decided before",
			opinion{Decision: risk.Decision{Outcome: risk.Allow, Grade: risk.GradeRaised}},
			risk.GradeNormal, stepup.ErrStronger.Code(),
		},
		{
			"stronger, decided so",
			opinion{Decision: risk.Decision{Outcome: risk.Allow, Grade: risk.GradeRaised}},
			risk.GradeRaised, "",
		},
		{"calmer since", opinion{Decision: risk.Decision{Outcome: risk.Allow}}, risk.GradeRaised, ""},
	} {
		var asked []risk.Subject
		tt.opinion.asked = &asked
		b.Host.Risk = tt.opinion
		u := newUser(t, b, everything("test-everything"))
		u.grade(t, risk.GradeRaised)
		u.intent = u.prepareUnder(t, tt.under)
		u.call(t, u.order(t)).Want(t, tt.want)
		n, want := effects(t, b, u.intent.ID.String()), map[bool]int{true: 1}[tt.want == ""]
		if n != want {
			t.Errorf("%s: %d effects, want %d", tt.name, n, want)
		}
		who := []risk.Subject{{CustomerID: u.customer.ID, DeviceID: u.ID, IP: u.IP, Grade: risk.GradeRaised}}
		if diff := cmp.Diff(who, asked); diff != "" {
			t.Errorf("%s: asked (-want +got):\n%s", tt.name, diff)
		}
	}
}
