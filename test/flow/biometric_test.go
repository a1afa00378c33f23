package flow_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/test/req"
)

// For every function that takes proofs, a face that has passed for its own intent is refused
// alone, and the same request succeeds with independent factors beside the face. No other function
// takes anything biometric, but for the check of a face itself, which opens nothing. What a phone
// signs after its own check of finger or face counts beside the bound key only
// (functions/identity/quicklogin).
func TestBiometricsAloneOpenNoFunction(t *testing.T) {
	t.Parallel()
	req.Covers(t, "BIO-002.1", "BIO-002.2")
	p := newFixture(t)
	good := p.good(t)
	walked := 0
	for _, name := range logoutLast(good) {
		proofs, takes := good[name]["proofs"].([]fields)
		if published := schema(t, name).Properties; takes != (published["proofs"] != nil) {
			t.Fatalf("%s: the good request has proofs: %v", name, takes)
		} else if !takes {
			for _, field := range []string{"capture", "check_id", "face", "fingerprint", "biometric", "factor"} {
				if published[field] != nil && name != "identity-face-finish" {
					t.Errorf("%s takes %s", name, field)
				}
			}
			continue
		}
		walked++
		p.calm(t)
		face := p.facePassed(t, p.wang, good[name]["intent_id"].(uuid.UUID))
		before := p.rows(t)
		alone := call(t, p.wang.phone, name, with(good[name], "proofs", []fields{face}))
		if alone.Code != "STEPUP_STRONGER" || len(alone.Problem.Missing) == 0 {
			t.Errorf("%s by a face alone: %d %s", name, alone.Status, alone.Body)
		}
		same(t, name, before, p.rows(t))
		beside := call(t, p.wang.phone, name, with(good[name], "proofs", append(slices.Clone(proofs), face)))
		if beside.Code != "" {
			t.Errorf("%s by a face beside other factors: %d %s", name, beside.Status, beside.Body)
		}
	}
	if walked < 8 {
		t.Fatalf("only %d functions take proofs", walked)
	}
}
