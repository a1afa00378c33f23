package gate

import (
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/semver"

	"github.com/tidebank/tidebank/infra/record"
)

// checked returns the records of one kind by subject, in the order of their files, and
// what is wrong with the others. One unsigned record stops a release.
func checked(trust record.Trust, kind record.Kind) (map[string][]record.Record, []Problem, error) {
	all, err := trust.Records()
	if err != nil {
		return nil, nil, err
	}
	good := map[string][]record.Record{}
	var list []Problem
	for _, file := range slices.Sorted(maps.Keys(all)) {
		r := all[file]
		if r.Kind != kind {
			continue
		}
		if err := trust.Check(r); err != nil {
			list = append(list, problem(string(kind), "Let a person who may do so sign it, or take the entry away",
				"%s for %s: %v", file, r.Subject, err))
			continue
		}
		good[r.Subject] = append(good[r.Subject], r)
	}
	return good, list, nil
}

// exceptions returns the exceptions in force, by the id of the vulnerability.
func exceptions(trust record.Trust, now time.Time) (map[string]record.Record, []Problem, error) {
	good, list, err := checked(trust, record.Exception)
	if err != nil {
		return nil, nil, err
	}
	inForce := map[string]record.Record{}
	for id, records := range good {
		for _, r := range records {
			until, err := time.Parse(record.Day, r.Says["until"])
			switch {
			case err != nil || r.Says["reason"] == "" || r.Says["component"] == "":
				list = append(list, problem("exception", "Fill in component, reason and until, and sign it again",
					"the exception for %s is incomplete", id))
			case now.After(until.AddDate(0, 0, 1)):
				list = append(list, problem("exception", "Take a fixed version, or decide anew",
					"the exception for %s ended on %s", id, r.Says["until"]))
			default:
				inForce[id] = r
			}
		}
	}
	return inForce, list, nil
}

// runs asks for a passed run of each kind that people do by hand, for this commit.
func runs(trust record.Trust, commit string, kinds []Kind) ([]record.Record, []Problem, error) {
	good, list, err := checked(trust, record.TestRun)
	if err != nil {
		return nil, nil, err
	}
	var done []record.Record
	for _, kind := range kinds {
		i := slices.IndexFunc(good[commit], func(r record.Record) bool { return r.Says["kind"] == string(kind) })
		switch {
		case i < 0:
			list = append(list, problem("test-run", "Run it on the candidate of this commit, and sign a record of kind test-run",
				"no %s test of commit %s is recorded", kind, short(commit)))
		case good[commit][i].Says["result"] != "passed" || good[commit][i].Says["report"] == "":
			list = append(list, problem("test-run", "Mend the cause and test again, or name the report",
				"the %s test of commit %s is not passed with a report", kind, short(commit)))
		default:
			done = append(done, good[commit][i])
		}
	}
	return done, list, nil
}

// securityTest asks for a security test of the major version, without open findings. So
// a first release and each major upgrade need a test of their own.
func securityTest(trust record.Trust, version string) ([]record.Record, []Problem, error) {
	major := semver.Major(version)
	good, list, err := checked(trust, record.SecurityTest)
	if err != nil {
		return nil, nil, err
	}
	tests := good[major]
	if len(tests) == 0 {
		return nil, append(list, problem("security-test", "Let the release be tested, and sign a record of kind security-test",
			"no security test of %s is recorded", major)), nil
	}
	// The latest test counts: it says what is still open.
	slices.SortStableFunc(tests, func(a, b record.Record) int { return strings.Compare(a.At, b.At) })
	last := tests[len(tests)-1]
	if last.Says["high"] != "0" || last.Says["medium"] != "0" || last.Says["report"] == "" {
		return nil, append(list, problem("security-test", "Mend the findings, test again, and record high: 0, medium: 0 and the report",
			"the security test of %s has %q high and %q medium findings open, report %q", major,
			last.Says["high"], last.Says["medium"], last.Says["report"])), nil
	}
	return []record.Record{last}, list, nil
}

func short(commit string) string { return commit[:min(12, len(commit))] }
