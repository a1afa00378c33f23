// Package req lets a test claim the requirements of the standard that it proves.
//
// A claim is one line of test output, "REQ <id>", that the conformance report
// (test/conformance) reads back from the run: it counts only when the test that
// printed it ran and passed.
package req

import "testing"

// Covers claims that the calling test proves the requirements named, by their
// ids in the standard's catalogue (XFER-001).
func Covers(t testing.TB, ids ...string) {
	t.Helper()
	for _, id := range ids {
		t.Logf("REQ %s", id)
	}
}
