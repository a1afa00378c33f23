// Package req lets a test claim the acceptance points of the standard that it
// proves.
//
// The conformance report (test/conformance) runs the tests and reads the claims
// back. A claim counts only if the claiming test passes in that run with all its
// subtests, and none of them is skipped. Runs of parts of the tests (-run, -skip,
// -short) claim nothing, and neither does any run that the report did not start.
package req

import (
	"flag"
	"os"
	"regexp"
	"testing"
)

const (
	// NonceKey is the environment key of the secret that marks the claims of one
	// run of the report. Without it, tests claim nothing.
	NonceKey = "TIDEBANK_CLAIM_NONCE"
	// Attribute is the key of the test attribute that carries a claim. Its value is
	// the run's nonce, a blank, and the point's id.
	Attribute = "tidebank.claim"
	// FailedAttribute does the same for a test that failed, so that the report can say
	// which points lack their proof. It claims nothing.
	FailedAttribute = "tidebank.claim.failed"
)

var form = regexp.MustCompile(`^[A-Z0-9]+-\d{3}\.[1-9]\d*$`)

// Covers claims that the calling test proves the acceptance points named, by their
// ids in the standard's catalogue: OTP-002.1 is the first point of OTP-002. Covers
// prints the claim when the test ends, and only if the test was not skipped. The claim of
// a failed test has another key and proves nothing. A malformed id ends the test at once;
// the report refuses an id that the catalogue does not have.
func Covers(t testing.TB, points ...string) {
	t.Helper()
	if len(points) == 0 {
		t.Fatal("req.Covers: no acceptance point is named")
	}
	for _, id := range points {
		if !form.MatchString(id) {
			t.Fatalf("req.Covers: %q is not the id of an acceptance point, such as OTP-002.1", id)
		}
	}
	nonce := os.Getenv(NonceKey)
	if nonce == "" || partial() {
		return
	}
	t.Cleanup(func() {
		key := Attribute
		if t.Failed() {
			key = FailedAttribute
		} else if t.Skipped() {
			return
		}
		for _, id := range points {
			t.Attr(key, nonce+" "+id)
		}
	})
}

// partial reports whether flags leave out tests or parts of them. Such a run
// prints nothing about a subtest that it leaves out.
func partial() bool {
	for name, all := range map[string]string{"test.run": "", "test.skip": "", "test.short": "false"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != all {
			return true
		}
	}
	return false
}

// AtLeast returns list. It ends the test if list has fewer than floor members,
// because a walk over too few members proves nothing.
func AtLeast[T any](t testing.TB, floor int, list []T) []T {
	t.Helper()
	if len(list) < floor {
		t.Fatalf("the walk has %d members, want at least %d", len(list), floor)
	}
	return list
}
