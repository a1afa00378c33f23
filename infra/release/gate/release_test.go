package gate_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/infra/record"
	"github.com/tidebank/tidebank/infra/release/gate"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// A release without problems has a manifest with all that is known about it, the reports
// of the scans among it, and its libraries can be listed.
func TestARelease(t *testing.T) {
	t.Parallel()
	req.Covers(t, "QA-002.2", "QA-011.1", "QA-004.1")
	w := newWorkshop(t)
	write(t, w.source+"/web/h5/package.json", `{}`)
	write(t, w.source+"/web/h5/package-lock.json", `{"lockfileVersion":3,"packages":{"":{"name":"h5"},
		"node_modules/vue":{"version":"3.5.45","license":"MIT"},
		"node_modules/a/node_modules/@b/c":{"version":"2.0.0","license":"MIT"},
		"node_modules/vite":{"version":"8.3.8","license":"MIT","dev":true}}}`)
	write(t, w.source+"/infra/release/components.yaml", read(t, w.source+"/infra/release/components.yaml")+assessed("vue")+assessed("@b/c"))
	w.again(t)
	m := w.passes(t, "v1.0.0")
	if m.Commit != w.git(t, "rev-parse", "HEAD") || m.Candidate || len(m.Reviews) != 2 || len(m.Records) != 3 || len(m.Sites.Sites) != 2 {
		t.Errorf("manifest: %+v", m)
	}
	for _, kind := range []gate.Kind{gate.Secrets, gate.Dependencies, gate.Static} {
		i := slices.IndexFunc(m.Stages, func(r gate.Result) bool { return slices.Contains(r.Kinds, kind) })
		if i < 0 || !m.Stages[i].Passed || len(m.Stages[i].SM3) != 64 ||
			read(t, filepath.Join(w.out, "v1.0.0", m.Stages[i].Report)) != "it is well\n" {
			t.Errorf("%s: no report is kept: %+v", kind, m.Stages)
		}
	}
	if want := []string{"captcha-issue", "h5"}; !slices.Equal(slices.Sorted(slices.Values(m.Bills)), want) {
		t.Errorf("bills of %v, want %v", m.Bills, want)
	}
	for name, want := range map[string][]string{
		"captcha-issue": {"github.com/dchest/captcha", "v1.1.0", "MIT", "stdlib", "go1."},
		"h5":            {"vue", "3.5.45", "@b/c", "2.0.0", "MIT"},
		"":              {"h5 ", "captcha-issue "},
	} {
		var out bytes.Buffer
		check.Must(t, gate.Show(&out, filepath.Join(w.out, "v1.0.0"), name))
		for _, word := range want {
			if !strings.Contains(out.String(), word) {
				t.Errorf("the libraries of %q do not name %q:\n%s", name, word, &out)
			}
		}
		if strings.Contains(out.String(), "vite") {
			t.Error("a tool of the build is listed")
		}
	}
	for _, b := range m.Bills {
		bill, err := gate.ReadBill(filepath.Join(w.out, "v1.0.0"), b)
		check.Must(t, err)
		for _, c := range req.AtLeast(t, 2, bill.Components) {
			if c.Version == "" || len(c.Licences) != 1 || c.Licences[0].License.ID == "" {
				t.Errorf("%s: %+v", b, c)
			}
		}
	}
	if err := gate.Show(&bytes.Buffer{}, filepath.Join(w.out, "v1.0.0"), "transfer-none"); err == nil {
		t.Error("libraries of a function that is not there")
	}
	if _, err := gate.Make(t.Context(), w.order("v1.0.0")); !errors.Is(err, gate.ErrExists) {
		t.Errorf("again: %v", err)
	}
}

func assessed(name string) string {
	return "  - {name: '" + name + "', source: x, licence: MIT, does: x, sends: nothing, assessed: {by: li, at: '2026-11-26'}}\n"
}

// A failure of any kind of check stops the release, and each other check still reports.
func TestAFailedStageStopsTheRelease(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CLOUD-003.3", "QA-006.3", "QA-005.1")
	w := newWorkshop(t)
	good := w.plan.Stages
	for _, kind := range req.AtLeast(t, 12, gate.Kinds()) {
		w.plan.Stages = slices.Clone(good)
		i := slices.IndexFunc(good, func(s gate.Stage) bool { return s.Name == string(kind) })
		w.plan.Stages[i].Run = "echo planted fault; exit 3"
		w.again(t)
		m := w.stops(t, "stage", string(kind)+" failed")
		if len(m.Stages) != len(good) || read(t, filepath.Join(w.out, "v1.0.0", "reports", string(kind)+".txt")) != "planted fault\n" {
			t.Errorf("%s: %d results, want %d", kind, len(m.Stages), len(good))
		}
	}
	for file, kind := range map[string]string{"acceptance.yaml": "acceptance", "internal.yaml": "internal"} {
		w.plan.Stages = good
		w.again(t)
		check.Must(t, os.Remove(w.trust+"/records/"+file))
		w.stops(t, "test-run", "no "+kind+" test")
		w.record(t, file, record.Record{
			Kind: record.TestRun, Subject: w.git(t, "rev-parse", "HEAD"),
			Says: map[string]string{"kind": kind, "result": "failed", "report": "x"},
		})
		w.stops(t, "test-run", "the "+kind+" test")
	}
	w.again(t)
	w.passes(t, "v1.0.0")
}

// A plan without a kind stops the release before it is tested.
func TestAPlanWithoutAKind(t *testing.T) {
	t.Parallel()
	req.Covers(t, "QA-006.3", "QA-005.1")
	w := newWorkshop(t)
	good := w.plan.Stages
	w.plan.Recorded = nil
	for _, kind := range req.AtLeast(t, 12, gate.Kinds()) {
		w.plan.Stages = slices.DeleteFunc(slices.Clone(good), func(s gate.Stage) bool { return slices.Contains(s.Kinds, kind) })
		w.writePlan(t)
		_, wrong, err := gate.LoadPlan(w.source)
		if err != nil || len(wrong) != 1 || !strings.HasSuffix(wrong[0].What, "is of the kind "+string(kind)) {
			t.Errorf("%s: %v, %v", kind, wrong, err)
		}
	}
	w.plan.Stages = slices.DeleteFunc(slices.Clone(good), func(s gate.Stage) bool { return s.Name == string(gate.Performance) })
	w.again(t)
	w.stops(t, "plan", "is of the kind performance")
}

// The real plan has a stage, or asks for a record, for each kind of test; the reviews are
// asked for commit by commit.
func TestThePlanHasEveryKind(t *testing.T) {
	t.Parallel()
	req.Covers(t, "QA-006.1")
	p, wrong, err := gate.LoadPlan(root)
	if err != nil || len(wrong) > 0 {
		t.Fatal(err, wrong)
	}
	for kind, command := range map[gate.Kind]string{
		gate.Build: "make build", gate.Unit: "go test", gate.Integration: "make test", gate.Compatibility: "make test-manifests",
		gate.Performance: "make bench", gate.Monkey: "make fuzz", gate.Regression: "make test", gate.Static: "make lint",
		gate.Secrets: "make secrets", gate.Dependencies: "make vuln",
	} {
		if !slices.ContainsFunc(p.Stages, func(s gate.Stage) bool {
			return slices.Contains(s.Kinds, kind) && strings.HasPrefix(s.Run, command)
		}) {
			t.Errorf("no stage of the kind %s runs %s", kind, command)
		}
	}
	for _, kind := range []gate.Kind{gate.Acceptance, gate.Internal} {
		if !slices.Contains(p.Recorded, kind) {
			t.Errorf("%s needs no record", kind)
		}
	}
	makefile := read(t, root+"/Makefile")
	for _, s := range req.AtLeast(t, 10, p.Stages) {
		targets := strings.Fields(strings.TrimPrefix(s.Run, "make "))
		for _, target := range targets {
			if strings.HasPrefix(s.Run, "make ") && !strings.Contains(target, "=") && !strings.Contains(makefile, "\n"+target+":") {
				t.Errorf("%s: make has no target %q", s.Name, target)
			}
		}
	}
}

// A commit without the signed review of another person stops the release.
func TestReviews(t *testing.T) {
	t.Parallel()
	req.Covers(t, "QA-002.3")
	w := newWorkshop(t)
	write(t, w.source+"/feature.txt", "changed")
	commit := w.commit(t, "no one has read this")
	w.records(t)
	w.stops(t, "review", commit[:12]+": it has no review")
	w.review(t, commit, "wang")
	w.stops(t, "review", "wang reviewed their own commit")
	note := w.git(t, "notes", "--ref=refs/notes/reviews", "show", "HEAD^")
	w.git(t, "notes", "--ref=refs/notes/reviews", "add", "-f", "-m", note, commit)
	w.stops(t, "review", "its note is no review of this commit")
	forged := strings.ReplaceAll(note, w.git(t, "rev-parse", "HEAD^"), commit)
	w.git(t, "notes", "--ref=refs/notes/reviews", "add", "-f", "-m", forged, commit)
	w.stops(t, "review", record.ErrChanged.Error())
	w.git(t, "notes", "--ref=refs/notes/reviews", "add", "-f", "-m", "looks good to me", commit)
	w.stops(t, "review", "its review can't be read")
	w.review(t, "HEAD^..HEAD", "li")
	m := w.passes(t, "v1.0.0")
	if len(m.Reviews) != 2 || m.Reviews[0].By != "li" || m.Reviews[0].Commit != commit {
		t.Errorf("reviews: %+v", m.Reviews)
	}
	w.signers(t, "")
	w.stopsAs(t, "v1.0.1", "review", "no baseline")
	w.signers(t, strings.Repeat("1", 40))
	w.stopsAs(t, "v1.0.1", "review", "the baseline 1111")
}

// A first release and a major upgrade need a security test without open findings.
func TestSecurityTests(t *testing.T) {
	t.Parallel()
	req.Covers(t, "QA-003.2")
	w := newWorkshop(t)
	report := func(subject, at, high, medium, report string) {
		w.record(t, "security.yaml", record.Record{
			Kind: record.SecurityTest, Subject: subject, At: at, Says: map[string]string{"high": high, "medium": medium, "report": report},
		})
	}
	check.Must(t, os.Remove(w.trust+"/records/security.yaml"))
	w.stops(t, "security-test", "no security test of v1")
	report("v1", "2026-11-25", "1", "0", "x.pdf")
	w.stops(t, "security-test", `"1" high`)
	report("v1", "2026-11-25", "0", "2", "x.pdf")
	w.stops(t, "security-test", `"2" medium`)
	report("v1", "2026-11-25", "0", "0", "")
	w.stops(t, "security-test", `report ""`)
	report("v1", "2026-11-25", "0", "0", "x.pdf")
	w.passes(t, "v1.0.0")
	w.passes(t, "v1.0.1")
	w.stopsAs(t, "v2.0.0", "security-test", "no security test of v2")
	w.record(t, "v2.yaml", record.Record{
		Kind: record.SecurityTest, Subject: "v2", Says: map[string]string{"high": "0", "medium": "0", "report": "2.pdf"},
	}, func(r *record.Record) { r.Says["high"] = "0 " })
	w.stopsAs(t, "v2.0.0", "security-test", record.ErrChanged.Error())
}

// stopsAs is stops for another version.
func (w *workshop) stopsAs(t *testing.T, version, rule, words string) {
	t.Helper()
	m, err := gate.Make(t.Context(), w.order(version))
	if !errors.Is(err, gate.ErrStopped) || !slices.ContainsFunc(m.Problems, func(p gate.Problem) bool {
		return p.Rule == rule && strings.Contains(p.What, words)
	}) {
		t.Errorf("got %v with %v, want a problem %q with %q", err, m.Problems, rule, words)
	}
}

// The sites where the release will run have a tested backup power of more than an hour,
// by their deployment record, or the release is stopped.
func TestSites(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AVAIL-008.1")
	w := newWorkshop(t)
	path := w.trust + "/deployment.yaml"
	good := read(t, path)
	for words, text := range map[string]string{
		"60 minutes; more than 60":        strings.Replace(good, "tested_minutes: 240", "tested_minutes: 60", 1),
		"the day of the test":             strings.Replace(good, `tested: "2026-10-12", `, "", 1),
		"core switch: 1 instance":         strings.Replace(good, "sw-a2", "sw-a1", 1),
		"no description of the sites can": "sites: [",
	} {
		write(t, path, text)
		w.stops(t, "deployment", words)
	}
	write(t, path, good)
	m := w.passes(t, "v1.0.0")
	if len(m.Sites.Sites) != 2 || m.Sites.Sites[0].Power.Minutes != 240 || m.Sites.Sites[0].Power.Record == "" {
		t.Errorf("the release does not keep the record of the sites: %+v", m.Sites)
	}
}

// A candidate needs no tests by people yet, but all else. It says that it is one.
func TestCandidates(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	check.Must(t, os.RemoveAll(w.trust+"/records"))
	if m := w.passes(t, "v1.0.0-rc.1"); !m.Candidate {
		t.Error("the manifest calls a candidate a release")
	}
	w.plan.Stages[1].Run = "false"
	w.writePlan(t)
	w.commit(t, "x")
	w.review(t, "HEAD", "li")
	w.stopsAs(t, "v1.0.0-rc.2", "stage", "failed")
}

// The order itself must make sense.
func TestOrders(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	for _, version := range []string{"", "1.0.0", "v1", "v1.0", "v1.0.0+x", "v1.0.0/../x", "main"} {
		if _, err := gate.Make(t.Context(), w.order(version)); !errors.Is(err, gate.ErrVersion) {
			t.Errorf("%q: %v", version, err)
		}
	}
	write(t, w.source+"/new.txt", "x")
	if _, err := gate.Make(t.Context(), w.order("v1.0.0")); !errors.Is(err, gate.ErrChanged) {
		t.Errorf("a changed source: %v", err)
	}
	check.Must(t, os.Remove(w.source+"/new.txt"))
	check.Must(t, os.Remove(w.trust+"/trust.yaml"))
	if _, err := gate.Make(t.Context(), w.order("v1.0.0")); err == nil {
		t.Error("a release without a trust file")
	}
}

// The source is scanned also between releases, at the interval of the plan; a scan that
// did not happen is reported.
func TestScansBetweenReleases(t *testing.T) {
	t.Parallel()
	req.Covers(t, "QA-002.4")
	w := newWorkshop(t)
	scans := filepath.Join(w.out, "scans")
	scan := gate.Scan{Root: w.source, Out: scans, Advisories: w.advisories, Now: today, Log: &bytes.Buffer{}}
	overdue := func(after time.Duration, want int) {
		t.Helper()
		list, err := gate.Overdue(scans, w.plan.ScanEveryDays, today.Add(after))
		if err != nil || len(list) != want {
			t.Errorf("after %v: %v, %v", after, list, err)
		}
	}
	overdue(0, 1)
	done, err := scan.Run(t.Context(), true)
	if err != nil || len(done.Stages) != 3 || done.Commit == "" {
		t.Fatalf("%+v, %v", done, err)
	}
	interval := time.Duration(w.plan.ScanEveryDays) * 24 * time.Hour
	overdue(interval-time.Second, 0)
	overdue(interval, 1)
	scan.Now = today.Add(interval - time.Second)
	if done, err := scan.Run(t.Context(), true); err != nil || len(done.Stages) != 0 {
		t.Errorf("before it is due: %+v, %v", done, err)
	}
	i := slices.IndexFunc(w.plan.Stages, func(s gate.Stage) bool { return s.Name == string(gate.Secrets) })
	w.plan.Stages[i].Run = "echo found a secret; false"
	w.writePlan(t)
	scan.Now = today.Add(interval)
	done, err = scan.Run(t.Context(), true)
	if err == nil || len(done.Problems) != 1 || !strings.Contains(done.Problems[0].What, "secret-scan failed") {
		t.Errorf("a finding: %+v, %v", done, err)
	}
	overdue(interval, 0)
	if got := read(t, filepath.Join(scans, scan.Now.Format("20060102T150405Z"), "reports", "secret-scan.txt")); got != "found a secret\n" {
		t.Errorf("the report is %q", got)
	}
}
