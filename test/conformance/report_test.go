package main

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stream writes a run: each test claims one requirement and ends as told.
func stream(ends ...[3]string) string {
	var b strings.Builder
	for _, e := range ends {
		fmt.Fprintf(&b, `{"Action":"output","Package":"p","Test":%q,"Output":"    x_test.go:9: REQ %s\n"}`+"\n", e[0], e[1])
		if e[2] != "" {
			fmt.Fprintf(&b, `{"Action":%q,"Package":"p","Test":%q}`+"\n", e[2], e[0])
		}
	}
	return b.String()
}

func TestOnlyWhatRanAndPassedCounts(t *testing.T) {
	t.Parallel()
	requirements := []requirement{
		{ID: "A-001", Scope: "server"},
		{ID: "A-002", Scope: "server"},
		{ID: "A-003", Scope: "web"},
		{ID: "A-004", Scope: "ops"},
		{ID: "A-005", Scope: "server"},
	}
	r, err := read(strings.NewReader(stream(
		[3]string{"TestGood", "A-001", "pass"},
		[3]string{"TestBad", "A-002", "fail"}, [3]string{"TestAlsoGood", "A-002", "pass"},
		[3]string{"TestSkipped", "A-003", "skip"},
		[3]string{"TestParent/sub", "A-004", "pass"},
		[3]string{"TestKilled", "A-005", ""},
		[3]string{"TestLiar", "Z-999", "pass"},
	)), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	report, unknown := judge(requirements, r)
	got := map[string]string{}
	for _, l := range report.Lines {
		got[l.ID] = l.Status
	}
	want := map[string]string{"A-001": "covered", "A-002": "failed", "A-003": "none", "A-004": "covered", "A-005": "failed"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Z-999"}, unknown); diff != "" {
		t.Error(diff)
	}
	if got := report.Line(); got != "CONFORMANCE server 1/3 web 0/1 ops 1/1" {
		t.Error(got)
	}
}

func TestProseIsNoClaim(t *testing.T) {
	t.Parallel()
	text := `{"Action":"output","Package":"p","Test":"T","Output":"see REQ A-001 for more\n"}` + "\n" +
		`{"Action":"pass","Package":"p","Test":"T"}` + "\n"
	r, err := read(strings.NewReader(text), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.tests["p.T"].claims) != 0 {
		t.Fatalf("claims: %v", r.tests["p.T"].claims)
	}
}

func TestCatalogueIsWhole(t *testing.T) {
	t.Parallel()
	requirements, err := load("testdata/requirements.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(requirements) != 466 {
		t.Fatalf("%d requirements, want 466", len(requirements))
	}
}
