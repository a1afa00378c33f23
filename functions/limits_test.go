package functions_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/functions/fraud"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// docs/limits.md lists each figure of the policy in force, and each class of rates.
func TestTheDocumentListsTheLimits(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/limits.md")
	check.Must(t, err)
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z._]+)` \\| (\\d+) \\|(?: (\\d*) ?\\|)?").FindAllSubmatch(text, -1) {
		if row[3] != nil {
			continue // a rule of the grade
		}
		documented = append(documented, fmt.Sprintf("%s %s", row[1], row[2]))
	}
	want := check.Column[string](t, pgtest.New(t).Pool(), `
SELECT DISTINCT ON (name) name || ' ' || value FROM policy WHERE valid_from <= now() ORDER BY name, valid_from DESC`)
	for _, class := range []fn.RateClass{fn.RateDefault, fn.RateAuth, fn.RateSend, fn.RateOpen} {
		want = append(want, fmt.Sprintf("%s %d", class, class.PerMinute()))
	}
	slices.Sort(want)
	slices.Sort(documented)
	if diff := cmp.Diff(want, documented); diff != "" {
		t.Errorf("limits (-in force +documented):\n%s", diff)
	}
}

// docs/limits.md lists each rule for new passwords with its figure.
func TestTheDocumentListsThePasswordRules(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/limits.md")
	check.Must(t, err)
	var documented, want []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| `([a-z_]+)` \\| (\\d*) ?\\|").FindAllSubmatch(text, -1) {
		documented = append(documented, fmt.Sprintf("%s %s %s", row[1], row[2], row[3]))
	}
	for _, r := range req.AtLeast(t, 10, password.Rules()) {
		figure := ""
		if r.Figure > 0 {
			figure = strconv.Itoa(r.Figure)
		}
		want = append(want, fmt.Sprintf("%s %s %s", r.Field, r.Name, figure))
	}
	if diff := cmp.Diff(want, documented); diff != "" {
		t.Errorf("rules (-in force +documented):\n%s", diff)
	}
}

// docs/limits.md lists each rule of the grade with its points and its figure, and the
// points from which a grade holds.
func TestTheDocumentListsTheGradesRules(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/limits.md")
	check.Must(t, err)
	var documented, want []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z]+\\.[a-z_]+)` \\| (\\d+) \\| (\\d*) ?\\|").FindAllSubmatch(text, -1) {
		documented = append(documented, fmt.Sprintf("%s %s %s", row[1], row[2], row[3]))
	}
	for _, r := range req.AtLeast(t, 9, fraud.Rules()) {
		figure := ""
		if r.Figure > 0 {
			figure = strconv.FormatInt(r.Figure, 10)
		}
		want = append(want, fmt.Sprintf("%s %d %s", r.Reason, r.Points, figure))
	}
	if diff := cmp.Diff(want, documented); diff != "" {
		t.Errorf("rules (-in force +documented):\n%s", diff)
	}
	grades := fmt.Sprintf("from %d points the grade is raised, from %d it is high", fraud.RaisedFrom, fraud.HighFrom)
	if !strings.Contains(string(text), grades) {
		t.Errorf("the document does not say %q", grades)
	}
}
