package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Two functions; the second one has a switch, whose cases stand between blocks.
func TestFillGapsAddsWhatIsNotCounted(t *testing.T) {
	t.Parallel()
	const profile = `mode: set
m/a/a.go:12.2,12.9 1 1
m/a/a.go:5.20,7.2 2 1
m/a/a.go:13.30,14.13 1 0
m/a/b.go:1.1,9.2 1 1
`
	const want = profile + `m/a/a.go:1.1,5.20 1 1
m/a/a.go:7.2,12.2 1 1
m/a/a.go:12.9,13.30 1 1
m/a/a.go:14.13,1073741824.1 1 1
m/a/b.go:9.2,1073741824.1 1 1
`
	got, err := fillGaps([]byte(profile))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	if _, err := fillGaps([]byte("m/a/a.go:1.1,x 1 1\n")); err == nil {
		t.Error("a line that is no block was read")
	}
}

// A block may stand within another one.
func TestGapsOfNestedBlocks(t *testing.T) {
	t.Parallel()
	at := func(line int) place { return place{line: line, column: 1} }
	got := gaps([]block{{start: at(1), end: at(9)}, {start: at(2), end: at(3)}, {start: at(12), end: at(14)}})
	want := []block{{start: at(9), end: at(12)}, {start: at(14), end: fileEnd}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(block{}, place{})); diff != "" {
		t.Error(diff)
	}
}
