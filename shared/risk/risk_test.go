package risk_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/risk"
)

// Only the grade decides, in every scene and for every customer, device and address.
// The matrix is then read with that grade.
func TestBaseline(t *testing.T) {
	t.Parallel()
	for grade, want := range map[risk.Grade]risk.Outcome{
		risk.GradeNormal: risk.Allow, risk.GradeRaised: risk.Allow, risk.GradeHigh: risk.Refuse,
	} {
		for _, scene := range []risk.Scene{risk.None, risk.SceneTransfer, "another"} {
			for _, who := range []risk.Subject{{}, {CustomerID: uuid.New(), DeviceID: "phone", IP: "203.0.113.7"}} {
				who.Grade = grade
				got, err := risk.Baseline{}.Evaluate(t.Context(), scene, who)
				if diff := cmp.Diff(risk.Decision{Outcome: want, Grade: grade}, got); err != nil || diff != "" {
					t.Errorf("grade %d, scene %q, %+v: %v (-want +got):\n%s", grade, scene, who, err, diff)
				}
			}
		}
	}
}

// The grades are stored as numbers, and more risk is the greater number.
func TestGradesAsStored(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff([]risk.Grade{0, 1, 2}, []risk.Grade{risk.GradeNormal, risk.GradeRaised, risk.GradeHigh}); diff != "" {
		t.Error(diff)
	}
}
