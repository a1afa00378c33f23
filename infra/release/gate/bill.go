package gate

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Bill is a bill of materials (CycloneDX 1.6) of something that is deployed: an image of
// a function, or the pages of a web app.
type Bill struct {
	Format     string      `json:"bomFormat"`
	Spec       string      `json:"specVersion"`
	Version    int         `json:"version"`
	Metadata   Metadata    `json:"metadata"`
	Components []Component `json:"components"`
}

// Metadata names what the bill is of.
type Metadata struct {
	Component Component `json:"component"`
}

// Component is a library in a bill.
type Component struct {
	Type     string    `json:"type"`
	Name     string    `json:"name"`
	Version  string    `json:"version,omitempty"`
	PURL     string    `json:"purl,omitempty"`
	Licences []Licence `json:"licenses,omitempty"`
	Evidence *Evidence `json:"evidence,omitempty"`
}

// Evidence says in which files of the image a component was found, if not in the program.
type Evidence struct {
	Occurrences []Occurrence `json:"occurrences"`
}

// Occurrence is a file.
type Occurrence struct {
	Location string `json:"location"`
}

// Licence is CycloneDX' form of a licence.
type Licence struct {
	License LicenceID `json:"license"`
}

// LicenceID names a licence by its SPDX id.
type LicenceID struct {
	ID string `json:"id"`
}

// licence is the component's licence; empty if it is unknown.
func (c Component) licence() string {
	if len(c.Licences) == 0 {
		return ""
	}
	return c.Licences[0].License.ID
}

// ecosystem is where the component comes from, in the words of OSV: Go or npm.
func (c Component) ecosystem() string {
	if strings.HasPrefix(c.PURL, "pkg:npm/") {
		return "npm"
	}
	return "Go"
}

func newBill(name string, components []Component) Bill {
	return Bill{
		Format: "CycloneDX", Spec: "1.6", Version: 1,
		Metadata: Metadata{Component: Component{Type: "application", Name: name}}, Components: components,
	}
}

// write writes the bill as a file of the release.
func (b Bill) write(folder string) error {
	text, err := json.MarshalIndent(b, "", " ")
	if err != nil {
		return fmt.Errorf("bill of materials: %w", err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // a bill of materials is no secret
		return fmt.Errorf("bill of materials: %w", err)
	}
	path := filepath.Join(folder, b.Metadata.Component.Name+".cdx.json")
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil { //nolint:gosec // see above
		return fmt.Errorf("bill of materials: %w", err)
	}
	return nil
}

// ReadBill reads the bill of a deliverable of a release.
func ReadBill(release, name string) (Bill, error) {
	var b Bill
	text, err := os.ReadFile(filepath.Join(release, "bills", filepath.Base(name)+".cdx.json"))
	if err != nil {
		return b, fmt.Errorf("bill of materials: %w", err)
	}
	if err := json.Unmarshal(text, &b); err != nil {
		return b, fmt.Errorf("bill of materials: %w", err)
	}
	return b, nil
}

// webBills makes a bill of each web app: of each package-lock.json in the source. Its name
// is the folder's name.
func webBills(root string) ([]Bill, []Problem, error) {
	var bills []Bill
	var list []Problem
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && (strings.HasPrefix(entry.Name(), ".") ||
			slices.Contains([]string{"node_modules", "build", "testdata"}, entry.Name())):
			return filepath.SkipDir
		case entry.Name() == "package.json":
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), "package-lock.json")); err != nil {
				list = append(list, problem("component", "Commit the lock file that npm writes",
					"%s has no package-lock.json, so nobody knows its libraries", path))
			}
		case entry.Name() == "package-lock.json":
			b, err := lockBill(path)
			bills = append(bills, b)
			return err
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("web apps: %w", err)
	}
	return bills, list, nil
}

// lockBill reads a package-lock.json of npm 7 or newer. It leaves out what only the
// build needs.
func lockBill(path string) (Bill, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Bill{}, fmt.Errorf("lock file: %w", err)
	}
	var lock struct {
		Packages map[string]struct {
			Version string `json:"version"`
			License string `json:"license"`
			Dev     bool   `json:"dev"`
			Link    bool   `json:"link"`
		} `json:"packages"`
	}
	if err := json.Unmarshal(text, &lock); err != nil {
		return Bill{}, fmt.Errorf("lock file %s: %w", path, err)
	}
	var components []Component
	for place, p := range lock.Packages {
		_, name, found := cutLast(place, "node_modules/")
		if !found || p.Dev || p.Link {
			continue
		}
		c := Component{Type: "library", Name: name, Version: p.Version, PURL: "pkg:npm/" + name + "@" + p.Version}
		if p.License != "" {
			c.Licences = []Licence{{LicenceID{p.License}}}
		}
		components = append(components, c)
	}
	slices.SortFunc(components, func(a, b Component) int { return strings.Compare(a.PURL, b.PURL) })
	return newBill(filepath.Base(filepath.Dir(path)), components), nil
}

// cutLast is strings.Cut at the last separator.
func cutLast(text, separator string) (before, after string, found bool) {
	i := strings.LastIndex(text, separator)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(separator):], true
}
