// Package deployment checks the description of the sites where the bank runs: backup
// power, and two of everything that the bank can't do without.
//
// A description is a YAML file that the bank's operators keep; example.yaml shows the
// form. A site states how long its backup power lasted when it was tested: more than one
// hour. Each key network device, line and data-processing system has at least two
// instances in different failure domains. All functions are pure, except Load.
package deployment

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"time"

	"gopkg.in/yaml.v3"
)

// Class is what a component is for.
type Class string

// The classes that each description must name.
const (
	Network Class = "network" // a key network device: switch, router, firewall, load balancer
	Line    Class = "line"    // a line of a carrier
	System  Class = "system"  // a data-processing system: server, database, cache
)

// Classes lists all classes.
func Classes() []Class { return []Class{Network, Line, System} }

// Description is the whole deployment.
type Description struct {
	Sites      []Site      `yaml:"sites" json:"sites"`
	Components []Component `yaml:"components" json:"components"`
}

// Site is a place with power of its own.
type Site struct {
	Name  string `yaml:"name" json:"name"`
	Power Power  `yaml:"backup_power" json:"backup_power"`
}

// Power is the backup power of a site, and the last test of it.
type Power struct {
	Minutes int    `yaml:"tested_minutes" json:"tested_minutes"` // how long it carried the full load
	Tested  string `yaml:"tested" json:"tested"`                 // the day: 2026-10-12
	Record  string `yaml:"record" json:"record"`                 // where the record of the test is
}

// Component is something that the bank can't do without.
type Component struct {
	Name      string     `yaml:"name" json:"name"`
	Class     Class      `yaml:"class" json:"class"`
	Instances []Instance `yaml:"instances" json:"instances"`
}

// Instance is one of several that do the same.
type Instance struct {
	Name   string `yaml:"name" json:"name"`
	Site   string `yaml:"site" json:"site"`
	Domain string `yaml:"domain" json:"domain"` // what fails together: a rack, a power feed, a carrier
}

const (
	leastMinutes = 60  // more than one hour
	testedWithin = 366 // days
)

// Load reads a description, and refuses unknown fields.
func Load(path string) (Description, error) {
	var d Description
	text, err := os.ReadFile(path)
	if err != nil {
		return d, fmt.Errorf("deployment: %w", err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&d); err != nil {
		return d, fmt.Errorf("deployment: %w", err)
	}
	return d, nil
}

// Check returns a sentence for each thing that is missing or wrong.
func (d Description) Check(now time.Time) []string {
	var list []string
	wrong := func(form string, args ...any) { list = append(list, fmt.Sprintf(form, args...)) }
	if len(d.Sites) == 0 {
		wrong("the description names no site")
	}
	for _, s := range d.Sites {
		for _, text := range s.Power.check(now) {
			wrong("site %s: %s", s.Name, text)
		}
	}
	for _, class := range Classes() {
		if !slices.ContainsFunc(d.Components, func(c Component) bool { return c.Class == class }) {
			wrong("the description names no component of the class %s", class)
		}
	}
	for _, c := range d.Components {
		if !slices.Contains(Classes(), c.Class) {
			wrong("%s has the class %q, and the classes are %v", c.Name, c.Class, Classes())
		}
		for _, text := range d.redundancy(c) {
			wrong("%s: %s", c.Name, text)
		}
	}
	return list
}

func (p Power) check(now time.Time) []string {
	var list []string
	if p.Minutes <= leastMinutes {
		list = append(list, fmt.Sprintf("backup power was tested for %d minutes; more than %d are needed", p.Minutes, leastMinutes))
	}
	day, err := time.Parse(time.DateOnly, p.Tested)
	switch {
	case err != nil:
		list = append(list, "the day of the test of backup power is missing")
	case day.After(now):
		list = append(list, "the test of backup power is not done yet")
	case now.Sub(day) > testedWithin*24*time.Hour:
		list = append(list, fmt.Sprintf("backup power was last tested on %s; test it every year", p.Tested))
	}
	if p.Record == "" {
		list = append(list, "the record of the test of backup power is missing")
	}
	return list
}

// redundancy checks that an instance stays when a failure domain fails.
func (d Description) redundancy(c Component) []string {
	var list []string
	names, domains := map[string]bool{}, map[string]bool{}
	for _, i := range c.Instances {
		if !slices.ContainsFunc(d.Sites, func(s Site) bool { return s.Name == i.Site }) {
			list = append(list, fmt.Sprintf("%q is at the site %q, which the description does not name", i.Name, i.Site))
		}
		if i.Name == "" || i.Domain == "" {
			list = append(list, "an instance has no name or no failure domain")
			continue
		}
		names[i.Name], domains[i.Site+"\x00"+i.Domain] = true, true
	}
	switch {
	case len(names) < 2:
		list = append(list, fmt.Sprintf("%d instance; two are needed", len(names)))
	case len(domains) < 2:
		list = append(list, "all instances are in one failure domain")
	}
	return list
}
