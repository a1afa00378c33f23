// Package catalogue reads the requirements of the standard, each with the
// numbered acceptance points that tests prove.
package catalogue

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"gopkg.in/yaml.v3"
)

// Path is the catalogue's place below the root of the module.
const Path = "test/conformance/testdata/requirements.yaml"

// Scopes lists the scopes whose requirements tests prove. The catalogue also has the
// scopes client and org; their requirements have no points.
var Scopes = [...]string{"server", "web", "ops"}

// Requirement is one clause of the standard.
type Requirement struct {
	ID      string   `yaml:"id" json:"id"`           // OTP-002
	Section string   `yaml:"section" json:"section"` // the heading and item letter in the standard
	Scope   string   `yaml:"scope" json:"scope"`     // server, web, ops, client or org
	ZH      string   `yaml:"zh" json:"zh"`           // the clause in Chinese
	EN      string   `yaml:"en" json:"en"`           // the clause in English
	Accept  string   `yaml:"accept" json:"accept"`   // how the project accepts it
	Points  []string `yaml:"points" json:"-"`        // the texts of the acceptance points
}

// PointID names the acceptance point at index i of Points. The first point of
// OTP-002 is OTP-002.1.
func (r Requirement) PointID(i int) string { return r.ID + "." + strconv.Itoa(i+1) }

// PointIDs returns the ids of all acceptance points.
func PointIDs(requirements []Requirement) map[string]bool {
	known := map[string]bool{}
	for _, r := range requirements {
		for i := range r.Points {
			known[r.PointID(i)] = true
		}
	}
	return known
}

var (
	errEmpty = errors.New("no requirements")
	errTwice = errors.New("requirement stands there twice")
)

// Load reads the catalogue of the module whose root folder is given.
func Load(root string) ([]Requirement, error) {
	raw, err := os.ReadFile(filepath.Join(root, Path))
	if err != nil {
		return nil, fmt.Errorf("catalogue: %w", err)
	}
	var doc struct {
		Requirements []Requirement `yaml:"requirements"`
	}
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("catalogue: %w", err)
	}
	if len(doc.Requirements) == 0 {
		return nil, fmt.Errorf("catalogue: %w", errEmpty)
	}
	seen := map[string]bool{}
	for _, r := range doc.Requirements {
		if seen[r.ID] {
			return nil, fmt.Errorf("catalogue: %w: %s", errTwice, r.ID)
		}
		seen[r.ID] = true
	}
	return doc.Requirements, nil
}
