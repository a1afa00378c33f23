package main

import (
	"os"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/conformance/catalogue"
)

// docs/availability.md tells of each drill, and each point that a drill proves exists.
func TestDrillsAreDocumented(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../../../docs/availability.md")
	check.Must(t, err)
	requirements, err := catalogue.Load("../../..")
	check.Must(t, err)
	known := catalogue.PointIDs(requirements)
	for _, d := range allDrills() {
		if !strings.Contains(string(document), "| `"+d.name+"` |") {
			t.Errorf("docs/availability.md does not tell of %s", d.name)
		}
		for _, point := range d.points {
			if !known[point] {
				t.Errorf("%s proves %s, which the catalogue does not have", d.name, point)
			}
		}
	}
}
