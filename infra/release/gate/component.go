package gate

import (
	"slices"
	"time"

	"github.com/tidebank/tidebank/infra/record"
)

// Allowed is the list of allowed software: infra/release/components.yaml.
type Allowed struct {
	Licences   []string     `yaml:"licences"` // SPDX ids that the bank accepts
	Components []Assessment `yaml:"components"`
}

// Assessment is a component that the bank has looked at.
type Assessment struct {
	Name     string   `yaml:"name"`
	Source   string   `yaml:"source"` // where it comes from
	Licence  string   `yaml:"licence"`
	Does     string   `yaml:"does"`
	Sends    string   `yaml:"sends"` // which data it sends, and where to
	Assessed Assessed `yaml:"assessed"`
}

// Assessed is who has looked, and when.
type Assessed struct {
	By string `yaml:"by"`
	At string `yaml:"at"`
}

// LoadAllowed reads the list of a source, and what is wrong with its entries.
func LoadAllowed(root string) (Allowed, []Problem, error) {
	var a Allowed
	if err := readYAML(root, componentsFile, &a); err != nil {
		return a, nil, err
	}
	var list []Problem
	for _, c := range a.Components {
		if _, err := time.Parse(record.Day, c.Assessed.At); err != nil || c.Name == "" || c.Assessed.By == "" {
			list = append(list, problem("component", "Assess it, and write down by whom and when in "+componentsFile,
				"%q is listed without assessment", c.Name))
		}
		if c.Source == "" || c.Does == "" || c.Sends == "" {
			list = append(list, problem("component", "Fill in source, does and sends in "+componentsFile,
				"the assessment of %s does not say where it comes from, what it does, or which data it sends", c.Name))
		}
		if !slices.Contains(a.Licences, c.Licence) {
			list = append(list, problem("component", "Find its licence, or do without it",
				"%s has the licence %q, which is not among the accepted ones", c.Name, c.Licence))
		}
	}
	return a, list, nil
}

// judge looks up each component of a bill, and writes the licences into the bill.
func (a Allowed) judge(b *Bill) []Problem {
	var list []Problem
	for i := range b.Components {
		c := &b.Components[i]
		at := slices.IndexFunc(a.Components, func(known Assessment) bool { return known.Name == c.Name })
		if at < 0 {
			list = append(list, problem("component", "Assess it and add it to "+componentsFile+", or do without it",
				"%s %s in %s is not on the list of allowed software", c.Name, c.Version, b.Metadata.Component.Name))
			continue
		}
		if c.Version == "" {
			list = append(list, problem("component", "Use a released version", "%s in %s has no version",
				c.Name, b.Metadata.Component.Name))
		}
		if found := c.licence(); found != "" && found != a.Components[at].Licence {
			list = append(list, problem("component", "Correct "+componentsFile, "%s %s has the licence %s, and the list says %s",
				c.Name, c.Version, found, a.Components[at].Licence))
		}
		c.Licences = []Licence{{LicenceID{a.Components[at].Licence}}}
	}
	return list
}

// Unlisted judges module paths: a check for each commit, before any image is built.
func (a Allowed) Unlisted(paths []string) []Problem {
	b := newBill("the programs", nil)
	for _, path := range paths {
		b.Components = append(b.Components, Component{Type: "library", Name: path, Version: "any"})
	}
	return a.judge(&b)
}
