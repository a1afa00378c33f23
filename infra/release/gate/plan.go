package gate

import (
	"slices"
	"strings"
)

// Kind is a kind of check that each release needs.
type Kind string

// The kinds of checks.
const (
	Build         Kind = "build"
	Unit          Kind = "unit"
	Integration   Kind = "integration"
	Acceptance    Kind = "acceptance"
	Compatibility Kind = "compatibility"
	Performance   Kind = "performance"
	Monkey        Kind = "monkey" // random input
	Regression    Kind = "regression"
	Internal      Kind = "internal" // the bank's own staff use the release
	Secrets       Kind = "secret-scan"
	Dependencies  Kind = "dependency-scan"
	Static        Kind = "static-scan"
)

// Kinds lists the kinds that each release needs. The review of the code is not among
// them: the gate asks for it commit by commit.
func Kinds() []Kind {
	return []Kind{
		Build, Unit, Integration, Acceptance, Compatibility, Performance, Monkey, Regression, Internal,
		Secrets, Dependencies, Static,
	}
}

// scans are the kinds that are also due between releases.
func scans() []Kind { return []Kind{Secrets, Dependencies, Static} }

// Plan is how a release is made: infra/release/plan.yaml.
type Plan struct {
	Stages []Stage `yaml:"stages"`
	// Recorded are the kinds that people run by hand, on a candidate. A signed record of
	// the commit tells of the run.
	Recorded []Kind `yaml:"recorded"`

	ScanEveryDays  int `yaml:"scan_every_days"`   // the source is scanned at least as often
	FixWithinDays  int `yaml:"fix_within_days"`   // a published fix is taken within
	ListMaxAgeDays int `yaml:"list_max_age_days"` // a list of vulnerabilities is not older

	Images ImagePlan `yaml:"images"`
}

// ImagePlan is what an image may hold.
type ImagePlan struct {
	Layout string   `yaml:"layout"` // the folder that the stages fill
	Base   string   `yaml:"base"`   // the digest of the lowest layer, unpacked
	Files  []string `yaml:"files"`  // every file of an image
}

// Stage is a command of the pipeline. It passes if it exits with 0.
type Stage struct {
	Name  string `yaml:"name"`
	Kinds []Kind `yaml:"kinds"`
	Run   string `yaml:"run"` // a line for bash, in the source's root
}

// LoadPlan reads the plan of a source, and what is wrong with it.
func LoadPlan(root string) (Plan, []Problem, error) {
	var p Plan
	if err := readYAML(root, planFile, &p); err != nil {
		return p, nil, err
	}
	return p, p.problems(), nil
}

func (p Plan) problems() []Problem {
	var list []Problem
	for _, kind := range Kinds() {
		if !p.has(kind) && !slices.Contains(p.Recorded, kind) {
			list = append(list, problem("plan", "Add one to "+planFile, "no stage and no recorded run is of the kind %s", kind))
		}
	}
	names := map[string]bool{}
	for _, s := range p.Stages {
		if s.Name == "" || strings.ContainsAny(s.Name, "/ ") || names[s.Name] || s.Run == "" {
			list = append(list, problem("plan", "Mend "+planFile, "the stage %q has no name of its own or no command", s.Name))
		}
		names[s.Name] = true
	}
	if p.ScanEveryDays <= 0 || p.FixWithinDays <= 0 || p.ListMaxAgeDays <= 0 {
		list = append(list, problem("plan", "Set each to 1 or more days in "+planFile, "an interval is missing"))
	}
	return list
}

// has reports whether a stage is of the kind.
func (p Plan) has(kind Kind) bool {
	return slices.ContainsFunc(p.Stages, func(s Stage) bool { return slices.Contains(s.Kinds, kind) })
}

// of returns the stages of some kinds.
func (p Plan) of(kinds []Kind) []Stage {
	var list []Stage
	for _, s := range p.Stages {
		if slices.ContainsFunc(s.Kinds, func(k Kind) bool { return slices.Contains(kinds, k) }) {
			list = append(list, s)
		}
	}
	return list
}
