// Package claims holds tests that end in every way. The test of the report runs
// them; some fail on purpose. Patterns like ./... leave out testdata.
package claims

import (
	"fmt"
	"testing"

	"github.com/tidebank/tidebank/test/req"
)

func TestPasses(t *testing.T) {
	req.Covers(t, "TEST-001.1", "TEST-001.2")
	t.Run("part", func(t *testing.T) { req.Covers(t, "TEST-001.3") })
}

func TestParallelPartsPass(t *testing.T) {
	t.Parallel()
	req.Covers(t, "TEST-002.1")
	t.Run("part", func(t *testing.T) { t.Parallel() })
}

func FuzzSeeds(f *testing.F) {
	req.Covers(f, "TEST-002.2")
	f.Add(1)
	f.Fuzz(func(*testing.T, int) {})
}

func TestFails(t *testing.T) {
	req.Covers(t, "TEST-003.1")
	t.Error("on purpose")
}

func TestParallelPartFails(t *testing.T) {
	req.Covers(t, "TEST-003.2")
	t.Run("good", func(t *testing.T) { req.Covers(t, "TEST-003.3") })
	t.Run("bad", func(t *testing.T) {
		t.Parallel()
		t.Error("on purpose")
	})
}

// The claim is printed before the first cleanup fails the test.
func TestFailsAfterItsClaim(t *testing.T) {
	t.Cleanup(func() { t.Error("on purpose") })
	req.Covers(t, "TEST-003.4")
}

func TestIsSkipped(t *testing.T) {
	req.Covers(t, "TEST-004.1")
	t.Skip("on purpose")
}

func TestPartIsSkipped(t *testing.T) {
	req.Covers(t, "TEST-004.2")
	t.Run("good", func(t *testing.T) { req.Covers(t, "TEST-004.3") })
	t.Run("deep", func(t *testing.T) {
		t.Parallel()
		req.Covers(t, "TEST-004.4")
		t.Run("left out", func(t *testing.T) {
			t.Parallel()
			t.Skip("on purpose")
		})
	})
}

// Without the run's nonce, nothing is a claim.
func TestForges(t *testing.T) {
	t.Attr(req.Attribute, "TEST-005.1")
	t.Attr(req.Attribute, "guess TEST-005.2")
	fmt.Printf("\x16=== ATTR  TestForges %s guess TEST-005.3\n", req.Attribute)
	t.Log("REQ TEST-005.4")
}

func TestClaimsNothingKnown(t *testing.T) { req.Covers(t, "TEST-001.9") }

func TestClaimsWithoutAPoint(t *testing.T) { req.Covers(t, "TEST-006") }

func TestClaimIsMalformed(t *testing.T) { req.Covers(t, "TEST-6.1") }

func TestClaimIsEmpty(t *testing.T) { req.Covers(t) }

func TestWalksTooLittle(t *testing.T) {
	req.Covers(t, "TEST-003.5")
	req.AtLeast(t, 3, []int{1, 2})
}

func TestWalksEnough(t *testing.T) {
	for range req.AtLeast(t, 2, []int{1, 2}) {
		req.Covers(t, "TEST-001.4")
	}
}
