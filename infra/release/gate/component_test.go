package gate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/infra/record"
	"github.com/tidebank/tidebank/infra/release/gate"
	"github.com/tidebank/tidebank/test/req"
)

// What the bank ships today is on the list of allowed software, and its test data are
// of the reserved ranges.
func TestTheSourceHoldsTheRules(t *testing.T) {
	t.Parallel()
	list, err := gate.Check(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		t.Error(p)
	}
}

// A component that is not on the list, or that nobody has assessed, stops the release.
func TestComponents(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CLOUD-020.4", "QA-004.3", "QA-011.2")
	w := newWorkshop(t)
	path := w.source + "/infra/release/components.yaml"
	good := read(t, path)
	const captcha = "  - name: github.com/dchest/captcha\n"
	entry := captcha + strings.SplitN(strings.SplitN(good, captcha, 2)[1], "  - name:", 2)[0]
	copyleft := strings.Replace(entry, "MIT", "GPL-3.0", 1)
	for words, text := range map[string]string{
		"github.com/dchest/captcha v1.1.0 in captcha-issue is not on the list": strings.Replace(good, entry, "", 1),
		`"github.com/dchest/captcha" is listed without assessment`:             strings.Replace(good, entry, without(entry, "assessed"), 1),
		"does not say where it comes from":                                     strings.Replace(good, entry, without(entry, "source"), 1),
		"or which data it sends":                                               strings.Replace(good, entry, without(entry, "sends"), 1),
		`has the licence ""`:                                                   strings.Replace(good, entry, without(entry, "licence"), 1),
		`has the licence "GPL-3.0"`:                                            strings.Replace(good, entry, copyleft, 1),
	} {
		write(t, path, text)
		w.again(t)
		w.stops(t, "component", words)
	}
	write(t, path, good)
	lock := w.source + "/web/h5/package-lock.json"
	write(t, w.source+"/web/h5/package.json", "{}")
	w.again(t)
	w.stops(t, "component", "has no package-lock.json")
	write(t, lock, `{"packages":{"node_modules/tracker":{"version":"1.0.0","license":"MIT"}}}`)
	w.again(t)
	w.stops(t, "component", "tracker 1.0.0 in h5 is not on the list")
	write(t, path, good+assessed("tracker"))
	write(t, lock, `{"packages":{"node_modules/tracker":{"version":"1.0.0","license":"SSPL-1.0"}}}`)
	w.again(t)
	w.stops(t, "component", "tracker 1.0.0 has the licence SSPL-1.0")
	write(t, lock, `{"packages":{"node_modules/tracker":{"version":"1.0.0","license":"MIT"}}}`)
	w.again(t)
	w.passes(t, "v1.0.0")
}

// without is an entry without the line of a field.
func without(entry, field string) string {
	var lines []string
	for line := range strings.SplitSeq(entry, "\n") {
		if !strings.HasPrefix(line, "    "+field+":") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// captchaHole is a planted vulnerability of a module in captcha-issue.
func captchaHole(id, published, severity, fixed string) string {
	if fixed != "" {
		fixed = `,{"fixed":"` + fixed + `"}`
	}
	return `{"id":"` + id + `","published":"` + published + `","modified":"2026-11-25T00:00:00Z",
		"database_specific":{"severity":"` + severity + `"},"affected":[{"package":{"ecosystem":"Go","name":"github.com/dchest/captcha"},
		"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}` + fixed + `]}]}]}`
}

// A component with a published vulnerability is reported and stops the release; a low
// one is only reported. A fix that was published too long ago is reported by itself.
func TestVulnerabilities(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CLOUD-020.5", "QA-003.1", "QA-004.2", "QA-004.4")
	w := newWorkshop(t)
	const recent, old = "2026-11-20T00:00:00Z", "2026-10-01T00:00:00Z"
	for _, severity := range []string{"HIGH", "MODERATE", "MEDIUM", "CRITICAL", ""} { // Go's own list has no levels
		w.advisory(t, captchaHole("GO-2026-9001", recent, severity, ""))
		m := w.stops(t, "vulnerability", "github.com/dchest/captcha v1.1.0 has GO-2026-9001 (in captcha-issue)")
		if len(m.Findings) != 1 || m.Findings[0].In[0] != "captcha-issue" {
			t.Errorf("findings: %+v", m.Findings)
		}
	}
	w.advisory(t, captchaHole("GO-2026-9001", recent, "LOW", "1.2.0"))
	if m := w.passes(t, "v1.0.0-low"); len(m.Findings) != 1 || !m.Findings[0].Low || m.Findings[0].Fixed != "1.2.0" {
		t.Errorf("findings: %+v", m.Findings)
	}
	w.advisory(t, captchaHole("GO-2026-9001", old, "LOW", "1.2.0"))
	w.stops(t, "overdue fix", "GO-2026-9001 was fixed in 1.2.0 more than 30 days ago")
	w.advisory(t, captchaHole("GO-2026-9001", old, "HIGH", "1.1.0")) // this version is the fixed one
	w.passes(t, "v1.0.0-fixed")
	w.advisory(t, `{"id":"GHSA-1","published":"`+recent+`","modified":"`+recent+`","affected":[
		{"package":{"ecosystem":"npm","name":"github.com/dchest/captcha"},"ranges":[{"events":[{"introduced":"0"}]}]}]}`)
	w.passes(t, "v1.0.0-other") // the same name in another world
	// Without a current list, nothing was compared.
	w.now = today.Add(15 * 24 * time.Hour)
	w.stops(t, "vulnerability list", "its newest entry is of 2026-11-25")
	w.now, w.advisories = today, t.TempDir()
	w.stops(t, "vulnerability list", "holds no entries")
}

// A vulnerability of the web app is found, too.
func TestVulnerabilityOfTheWebApp(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	write(t, w.source+"/infra/release/components.yaml", read(t, w.source+"/infra/release/components.yaml")+assessed("vue"))
	write(t, w.source+"/web/h5/package-lock.json", `{"packages":{"node_modules/vue":{"version":"3.5.45","license":"MIT"}}}`)
	w.again(t)
	w.advisory(t, `{"id":"GHSA-2","published":"2026-11-20T00:00:00Z","modified":"2026-11-25T00:00:00Z","affected":[
		{"package":{"ecosystem":"npm","name":"vue"},"ranges":[{"events":[{"introduced":"3.0.0"},{"fixed":"3.5.46"}]}]}]}`)
	w.stops(t, "vulnerability", "vue 3.5.45 has GHSA-2 (in h5)")
}

// An exception is signed, complete and in force, or it stops the release. No exception
// at all stops nothing.
func TestExceptions(t *testing.T) {
	t.Parallel()
	req.Covers(t, "QA-003.3")
	w := newWorkshop(t)
	w.passes(t, "v1.0.0-none")
	w.advisory(t, captchaHole("GO-2026-9001", "2026-10-01T00:00:00Z", "HIGH", "1.2.0"))
	exception := func(until string, spoil ...func(*record.Record)) {
		w.record(t, "exception.yaml", record.Record{Kind: record.Exception, Subject: "GO-2026-9001", Says: map[string]string{
			"component": "github.com/dchest/captcha", "reason": "no caller passes a width", "until": until,
		}}, spoil...)
	}
	exception("2026-12-31", func(r *record.Record) { r.Signature = "" })
	w.stops(t, "exception", record.ErrUnsigned.Error())
	w.stops(t, "vulnerability", "GO-2026-9001")
	exception("2026-12-31", func(r *record.Record) { r.Says["until"] = "2027-12-31" })
	w.stops(t, "exception", record.ErrChanged.Error())
	exception("2026-12-31", func(r *record.Record) { r.By = "wang" }) // who may only review
	w.stops(t, "exception", record.ErrSigner.Error())
	exception("2026-11-24")
	w.stops(t, "exception", "ended on 2026-11-24")
	exception("")
	w.stops(t, "exception", "incomplete")
	exception("2026-11-26") // the last day
	m := w.passes(t, "v1.0.0")
	if len(m.Exceptions) != 1 || m.Findings[0].Excepted != "li" {
		t.Errorf("%+v, %+v", m.Exceptions, m.Findings)
	}
	// An exception is for one component and one vulnerability.
	hole := captchaHole("GO-2026-9001", "2026-11-20T00:00:00Z", "HIGH", "")
	w.advisory(t, strings.Replace(hole, "github.com/dchest/captcha", "stdlib", 1))
	w.stopsAs(t, "v1.0.1", "vulnerability", "stdlib go1.")
}
