package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Check checks in seconds what each commit must hold: a whole plan, an assessment of each
// module that the programs import, and test data of the reserved ranges.
func Check(ctx context.Context, root string) ([]Problem, error) {
	_, list, err := LoadPlan(root)
	if err != nil {
		return nil, err
	}
	allowed, wrong, err := LoadAllowed(root)
	if err != nil {
		return nil, err
	}
	list = append(list, wrong...)
	modules, err := imported(ctx, root, "./infra/mains/...", "./infra/migrations/migrate")
	if err != nil {
		return nil, err
	}
	list = append(list, allowed.Unlisted(modules)...)
	web, wrong, err := webBills(root)
	if err != nil {
		return nil, err
	}
	list = append(list, wrong...)
	for i := range web {
		list = append(list, allowed.judge(&web[i])...)
	}
	outside, err := Fixtures(ctx, root)
	if err != nil {
		return nil, err
	}
	return append(list, outside...), nil
}

// imported lists the modules that programs link, without our own.
func imported(ctx context.Context, root string, packages ...string) ([]string, error) {
	args := append([]string{"list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}"}, packages...)
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the packages are the gate's own
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	paths := strings.Fields(string(text))
	slices.Sort(paths)
	return slices.Compact(paths), nil
}

// Show lists the libraries of one deliverable of a release, or of all, each with its
// version and licence.
func Show(to io.Writer, release, name string) error {
	var m Manifest
	text, err := os.ReadFile(filepath.Join(release, "manifest.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no release in %s", release)
	}
	if err != nil {
		return fmt.Errorf("release: %w", err)
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	if name != "" && !slices.Contains(m.Bills, name) {
		return fmt.Errorf("%s has no %q; it has %s", m.Version, name, strings.Join(m.Bills, ", "))
	}
	for _, one := range m.Bills {
		if name != "" && one != name {
			continue
		}
		b, err := ReadBill(release, one)
		if err != nil {
			return err
		}
		for _, c := range b.Components {
			say(to, "%-24s %-60s %-40s %s", one, c.Name, c.Version, c.licence())
		}
	}
	return nil
}
