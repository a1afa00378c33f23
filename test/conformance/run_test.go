package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// stream writes a run of the package p: lines of "action test value".
func stream(lines ...string) io.Reader {
	var b strings.Builder
	for _, l := range lines {
		action, rest, _ := strings.Cut(l, " ")
		test, value, _ := strings.Cut(rest, " ")
		named := strings.Replace(action, "broken", "attr", 1)
		fmt.Fprintf(&b, `{"Action":%q,"Package":"p","Test":%q`, named, test)
		switch action {
		case "attr":
			fmt.Fprintf(&b, `,"Key":%q,"Value":%q`, req.Attribute, value)
		case "broken":
			fmt.Fprintf(&b, `,"Key":%q,"Value":%q`, req.FailedAttribute, value)
		case "output":
			fmt.Fprintf(&b, `,"Output":%q`, value+"\n")
		}
		b.WriteString("}\n")
	}
	return strings.NewReader(b.String())
}

// follow reads a run whose nonce is n.
func follow(t *testing.T, lines ...string) *runResult {
	t.Helper()
	r, err := read(stream(lines...), "n", io.Discard)
	check.Must(t, err)
	return r
}

// counted are the claims that count, by test.
func counted(r *runResult) map[string][]string {
	got := map[string][]string{}
	voids := r.voids()
	for _, o := range r.inOrder() {
		if voids[o.id()] == "" && len(o.claims) > 0 {
			got[o.Test] = o.claims
		}
	}
	return got
}

func TestOnlyClaimsOfWholePassesCount(t *testing.T) {
	t.Parallel()
	const claim = "attr T n A-001.1"
	good := map[string][]string{"T": {"A-001.1"}}
	for name, tt := range map[string]struct {
		lines []string
		want  map[string][]string
	}{
		"passed":                  {[]string{"run T", claim, "pass T"}, good},
		"passed with parts":       {[]string{"run T", "run T/a", "pass T/a", claim, "pass T"}, good},
		"failed":                  {[]string{"run T", claim, "fail T"}, nil},
		"skipped":                 {[]string{"run T", claim, "skip T"}, nil},
		"never finished":          {[]string{"run T", claim, "fail "}, nil},
		"unknown to the run":      {[]string{claim}, nil},
		"part skipped":            {[]string{claim, "skip T/a", "pass T"}, nil},
		"deep part skipped":       {[]string{claim, "skip T/a/b", "pass T/a", "pass T"}, nil},
		"slash in a skipped part": {[]string{claim, "skip T/a/b", "pass T"}, nil},
		"another test skipped":    {[]string{claim, "pass T", "skip T2"}, good},
		"failed the second time":  {[]string{claim, "pass T", claim, "fail T"}, nil},
		"passed the second time":  {[]string{claim, "fail T", claim, "pass T"}, nil},
		"part of a failed test":   {[]string{"attr T/a n A-001.1", "pass T/a", "fail T"}, nil},
		"part beside a skipped one": {
			[]string{"attr T/a n A-001.1", "pass T/a", "skip T/b", "pass T"},
			map[string][]string{"T/a": {"A-001.1"}},
		},
		"another nonce": {[]string{"attr T m A-001.1", "pass T"}, nil},
		"no nonce":      {[]string{"attr T A-001.1", "pass T"}, nil},
		"empty nonce":   {[]string{"attr T  A-001.1", "pass T"}, nil},
		"of no test":    {[]string{"attr  n A-001.1", "pass T"}, nil},
		"printed":       {[]string{"output T === ATTR  T tidebank.claim n A-001.1", "pass T"}, nil},
	} {
		if tt.want == nil {
			tt.want = map[string][]string{}
		}
		if diff := cmp.Diff(tt.want, counted(follow(t, tt.lines...))); diff != "" {
			t.Errorf("%s: claims that count (-want +got):\n%s", name, diff)
		}
	}
}

func TestOtherAttributesAreNoClaims(t *testing.T) {
	t.Parallel()
	text := `{"Action":"attr","Package":"p","Test":"T","Key":"other","Value":"n A-001.1"}` + "\n" +
		`{"Action":"pass","Package":"p","Test":"T"}` + "\n"
	r, err := read(strings.NewReader(text), "n", io.Discard)
	check.Must(t, err)
	if got := counted(r); r.passed != 1 || len(got) != 0 {
		t.Errorf("%d passed, claims count: %v", r.passed, got)
	}
}

func TestARunWithoutANonceHasNoClaims(t *testing.T) {
	t.Parallel()
	r, err := read(stream("attr T  A-001.1", "attr T A-001.1", "pass T"), "", io.Discard)
	check.Must(t, err)
	if got := counted(r); len(got) != 0 {
		t.Errorf("claims count: %v", got)
	}
}

func TestFailuresCanBeRead(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		lines  []string
		want   string
		failed []string
	}{
		"passed": {[]string{"output T secret", "pass T", "output  PASS", "output  ok p 1s", "pass "}, "ok p 1s\n", nil},
		"failed": {
			[]string{"output T because", "output U fine", "fail T", "pass U", "output  FAIL", "output  FAIL p 1s", "fail "},
			"because\nFAIL\nFAIL p 1s\n",
			[]string{"p.T", "p"},
		},
		"panicked": {
			[]string{"run T", "output T panic: x", "run U", "output U fine", "pass U", "output  FAIL p 1s", "fail "},
			"panic: x\nFAIL p 1s\n",
			[]string{"p"},
		},
		"no tests": {[]string{"output  ? p [no test files]", "skip "}, "? p [no test files]\n", nil},
	} {
		var shown strings.Builder
		r, err := read(stream(tt.lines...), "n", &shown)
		check.Must(t, err)
		if diff := cmp.Diff(tt.want, shown.String()); diff != "" {
			t.Errorf("%s: shown (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(tt.failed, r.failed); diff != "" {
			t.Errorf("%s: failed (-want +got):\n%s", name, diff)
		}
	}
}

func TestTheGoCommandsOwnWordsAreShown(t *testing.T) {
	t.Parallel()
	var shown strings.Builder
	text := "go: no such thing\n" + `{"ImportPath":"p","Action":"build-output","Output":"x.go:1: wrong\n"}` + "\n"
	_, err := read(strings.NewReader(text), "n", &shown)
	check.Must(t, err)
	if got := shown.String(); got != "go: no such thing\nx.go:1: wrong\n" {
		t.Errorf("shown: %q", got)
	}
}

// realRun lets the go command run tests of testdata.
func realRun(t *testing.T, nonce string, args ...string) *runResult {
	t.Helper()
	r, err := goTest(t.Context(), "", append([]string{"test", "-json"}, args...), nonce, io.Discard)
	check.Must(t, err)
	return r
}

func TestClaimsOfARealRun(t *testing.T) {
	t.Parallel()
	r := realRun(t, "n1", "-count=1", "./testdata/claims")
	want := map[string][]string{
		"TestPasses":             {"TEST-001.1", "TEST-001.2"},
		"TestPasses/part":        {"TEST-001.3"},
		"TestParallelPartsPass":  {"TEST-002.1"},
		"FuzzSeeds":              {"TEST-002.2"},
		"TestPartIsSkipped/good": {"TEST-004.3"},
		"TestWalksEnough":        {"TEST-001.4", "TEST-001.4"},
		"TestClaimsNothingKnown": {"TEST-001.9"},
	}
	if diff := cmp.Diff(want, counted(r)); diff != "" {
		t.Errorf("claims that count (-want +got):\n%s", diff)
	}
	const p = "github.com/tidebank/tidebank/test/conformance/testdata/claims"
	var failed []string
	for _, name := range []string{
		".TestFails", ".TestParallelPartFails/bad", ".TestParallelPartFails", ".TestFailsAfterItsClaim", ".TestClaimsWithoutAPoint",
		".TestClaimIsMalformed", ".TestClaimIsEmpty", ".TestWalksTooLittle", "",
	} {
		failed = append(failed, p+name)
	}
	if diff := cmp.Diff(failed, r.failed); diff != "" {
		t.Errorf("failed (-want +got):\n%s", diff)
	}
	// The test claimed, and then failed: its end decides.
	late := r.tests[p+".TestFailsAfterItsClaim"]
	if diff := cmp.Diff([]string{"TEST-003.4"}, late.claims); diff != "" || late.action != "fail" {
		t.Errorf("claims of a test that %ss later (-want +got):\n%s", late.action, diff)
	}
	for name, want := range map[string][]string{
		".TestFails": {"TEST-003.1"}, ".TestParallelPartFails": {"TEST-003.2"}, ".TestIsSkipped": nil,
	} {
		got := r.tests[p+name]
		if len(got.claims) > 0 {
			t.Errorf("%s prints claims: %v", name, got.claims)
		}
		if diff := cmp.Diff(want, got.broken); diff != "" {
			t.Errorf("%s: the points that it fails to prove (-want +got):\n%s", name, diff)
		}
	}
	if r.exit == "" {
		t.Error("the go command did not report the failures")
	}
}

func TestPartsOfTheTestsClaimNothing(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"-run", "TestOne/^part"}, {"-run", "."}, {"-skip", "other"}, {"-short"},
	} {
		r := realRun(t, "n1", append(args, "-count=1", "./testdata/allpass")...)
		if r.passed == 0 || len(r.failed) > 0 {
			t.Errorf("%v: %d tests passed, failed %v", args, r.passed, r.failed)
		}
		if got := counted(r); len(got) != 0 {
			t.Errorf("%v: claims count: %v", args, got)
		}
	}
}

// realEvents are the events of a run of tests that pass.
func realEvents(t *testing.T, nonce string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "test", "-json", "./testdata/allpass")
	cmd.Env = append(os.Environ(), req.NonceKey+"="+nonce)
	out, err := cmd.Output()
	check.Must(t, err)
	return out
}

func TestTestsAloneClaimNothing(t *testing.T) {
	t.Parallel()
	if out := realEvents(t, ""); bytes.Contains(out, []byte(req.Attribute)) {
		t.Errorf("without a nonce, the tests print claims:\n%s", out)
	}
}

// The go command prints the claims of an earlier run again when it answers out of
// its cache. They carry that run's nonce.
func TestACachedRunClaimsNothing(t *testing.T) {
	t.Parallel()
	const old = "nonce-of-an-earlier-run"
	realEvents(t, old)
	out := realEvents(t, old)
	if !bytes.Contains(out, []byte("(cached)")) {
		t.Fatalf("the second run was not answered out of the cache:\n%s", out)
	}
	for nonce, want := range map[string]int{old: 1, "n1": 0} {
		r, err := read(bytes.NewReader(out), nonce, io.Discard)
		check.Must(t, err)
		if got := counted(r); len(got) != want {
			t.Errorf("for the nonce %s count %v, want %d tests", nonce, got, want)
		}
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		o    options
		want string
	}{
		{options{timeout: 1200e9}, "test -json -count=1 -vet=off -ldflags=-w -timeout 20m0s ./..."},
		{
			options{timeout: 60e9, race: true, packages: []string{"./a", "./b"}},
			"test -json -count=1 -vet=off -ldflags=-w -timeout 1m0s -race ./a ./b",
		},
	} {
		if got := strings.Join(tt.o.args(), " "); got != tt.want {
			t.Errorf("go %s, want go %s", got, tt.want)
		}
	}
}

func TestSequentialPackagesRunWithoutTheDetector(t *testing.T) {
	t.Parallel()
	all := []string{
		module + "/docs", module + "/functions", module + "/functions/transfer/confirm", module + "/infra/gen", module + "/shared/fn",
		module + "/test/conformance", module + "/test/flow", module + "/test/flowing",
	}
	got := options{timeout: 60e9, race: true}.runs(all)
	const args = "test -json -count=1 -vet=off -ldflags=-w -timeout 1m0s "
	want := [][]string{
		strings.Fields(args + strings.Join([]string{all[0], all[1], all[3], all[5], all[6]}, " ")),
		strings.Fields(args + "-race " + strings.Join([]string{all[2], all[4], all[7]}, " ")),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := (options{timeout: 60e9}).runs(all); len(got) != 1 || !slices.Contains(got[0], "./...") {
		t.Errorf("without -race: %v", got)
	}
}

func TestResultsOfTwoRunsAreOne(t *testing.T) {
	t.Parallel()
	r := &runResult{tests: map[string]*outcome{"a.T": {Package: "a", Test: "T"}}, passed: 1, failed: []string{"a"}}
	r.join(&runResult{tests: map[string]*outcome{"b.T": {}}, passed: 2, skipped: 3, failed: []string{"b"}, exit: "exit status 1"})
	if len(r.tests) != 2 || r.passed != 3 || r.skipped != 3 || len(r.failed) != 2 || r.exit != "exit status 1" {
		t.Errorf("%+v", r)
	}
}
