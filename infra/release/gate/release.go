package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/semver"

	"github.com/tidebank/tidebank/infra/deployment"
	"github.com/tidebank/tidebank/infra/record"
)

// Refusals of an order to make a release.
var (
	ErrStopped = errors.New("the release is stopped")
	ErrVersion = errors.New("the version must be of the form v1.2.3, or v1.2.3-name for a candidate")
	ErrExists  = errors.New("this version exists already; a release is never made twice")
	ErrChanged = errors.New("the source has changes that no commit holds; commit or remove them")
)

// Order is the order to make a release of the commit that is checked out.
type Order struct {
	Root       string // the source
	Out        string // the folder of all releases
	Version    string // v1.2.3; a candidate is v1.2.3-rc.1
	Trust      string // the folder with trust.yaml and records
	Advisories string // the folder of the list of vulnerabilities
	Now        time.Time
	Log        io.Writer
}

// Manifest is what is known about a release. It is written as manifest.json; a stopped
// release has only refused.json, with the problems.
type Manifest struct {
	Version    string          `json:"version"`
	Commit     string          `json:"commit"`
	Candidate  bool            `json:"candidate"` // for tests only: people have not tested it yet
	Made       time.Time       `json:"made"`
	Stages     []Result        `json:"stages"`
	Images     []Image         `json:"images"`
	Bills      []string        `json:"bills"` // deliverables; bills/<name>.cdx.json lists the libraries
	Findings   []Finding       `json:"findings"`
	ListOf     time.Time       `json:"vulnerability_list_of"`
	Reviews    []Reviewed      `json:"reviews"`
	Records    []record.Record `json:"records"` // tests by people
	Exceptions []record.Record `json:"exceptions"`

	Sites    deployment.Description `json:"sites"` // where it will run; empty for a candidate
	Problems []Problem              `json:"problems,omitempty"`
}

// Make runs all stages and checks, and writes the release's folder. Each problem stops
// the release: then Make returns ErrStopped, and the manifest has the problems.
//
// Make tells monitoring in the folder of all releases, before and after its work.
func Make(ctx context.Context, o Order) (Manifest, error) {
	m := Manifest{Version: o.Version, Candidate: semver.Prerelease(o.Version) != "", Made: o.Now.UTC()}
	if !semver.IsValid(o.Version) || semver.Canonical(o.Version) != o.Version {
		return m, ErrVersion
	}
	for _, path := range []*string{&o.Out, &o.Trust, &o.Advisories} { // the stages run in another folder
		full, err := filepath.Abs(*path)
		if err != nil {
			return m, fmt.Errorf("release: %w", err)
		}
		*path = full
	}
	if err := listThere(o.Advisories); err != nil {
		return m, err
	}
	folder := filepath.Join(o.Out, o.Version)
	if _, err := os.Stat(filepath.Join(folder, "manifest.json")); err == nil {
		return m, fmt.Errorf("%w: %s", ErrExists, o.Version)
	}
	changed, err := git(ctx, o.Root, "status", "--porcelain")
	if err != nil {
		return m, err
	}
	if changed != "" {
		return m, fmt.Errorf("%w:\n%s", ErrChanged, changed)
	}
	if m.Commit, err = git(ctx, o.Root, "rev-parse", "HEAD"); err != nil {
		return m, err
	}
	if err := os.RemoveAll(folder); err != nil { // of an earlier, stopped attempt
		return m, fmt.Errorf("release: %w", err)
	}
	if err := releasing.tell(o.Out, true, nil, nil, nil); err != nil {
		return m, err
	}
	err = o.finish(ctx, folder, &m)
	return m, errors.Join(err, releasing.tell(o.Out, false, m.Stages, m.Problems, err))
}

// finish does the work of Make, and writes the manifest.
func (o Order) finish(ctx context.Context, folder string, m *Manifest) error {
	if err := o.fill(ctx, folder, m); err != nil {
		return err
	}
	name := "manifest.json"
	if len(m.Problems) > 0 {
		name = "refused.json"
	}
	if err := writeJSON(filepath.Join(folder, name), m); err != nil {
		return err
	}
	if len(m.Problems) > 0 {
		return fmt.Errorf("%w: %d problems, in %s", ErrStopped, len(m.Problems), filepath.Join(folder, name))
	}
	return nil
}

// fill fills the manifest: what people have signed, then the stages, then what they
// have built.
func (o Order) fill(ctx context.Context, folder string, m *Manifest) error {
	plan, wrong, err := LoadPlan(o.Root)
	if err != nil {
		return err
	}
	m.stop(wrong)
	if err := o.signed(ctx, plan, m); err != nil {
		return err
	}
	run := runner{root: o.Root, out: folder, say: o.Log, env: []string{"VULNDB=" + o.Advisories, "RELEASE_VERSION=" + o.Version}}
	if m.Stages, err = run.all(ctx, plan.Stages); err != nil {
		return err
	}
	m.stop(failed(m.Stages))
	return o.deliverables(plan, folder, m)
}

// signed checks what people have signed.
func (o Order) signed(ctx context.Context, plan Plan, m *Manifest) error {
	trust, err := record.LoadTrust(o.Trust)
	if err != nil {
		return err
	}
	done, wrong, err := reviews(ctx, o.Root, trust)
	if err != nil {
		return err
	}
	m.Reviews = done
	m.stop(wrong)
	inForce, wrong, err := exceptions(trust, o.Now)
	if err != nil {
		return err
	}
	for _, r := range inForce {
		m.Exceptions = append(m.Exceptions, r)
	}
	m.stop(wrong)
	if m.Candidate {
		return nil // people test the candidate; the release needs their records
	}
	tests, wrong, err := runs(trust, m.Commit, plan.Recorded)
	if err != nil {
		return err
	}
	m.stop(wrong)
	security, wrong, err := securityTest(trust, o.Version)
	if err != nil {
		return err
	}
	m.Records = append(tests, security...)
	m.stop(wrong)
	return o.sites(m)
}

// sites checks the description of the sites where the release will run, and keeps it with
// the release.
func (o Order) sites(m *Manifest) error {
	const cure = "Complete deployment.yaml beside the trust file (form: infra/deployment/example.yaml)"
	path := filepath.Join(o.Trust, "deployment.yaml")
	d, err := deployment.Load(path)
	if err != nil {
		m.stop([]Problem{problem("deployment", cure, "no description of the sites can be read: %v", err)})
		return nil //nolint:nilerr // the problem stops the release
	}
	for _, sentence := range d.Check(o.Now) {
		m.stop([]Problem{problem("deployment", cure, "%s", sentence)})
	}
	m.Sites = d
	return nil
}

// deliverables checks the images and web apps, and writes their bills of materials.
func (o Order) deliverables(plan Plan, folder string, m *Manifest) error {
	images, bills, wrong, err := CheckImages(filepath.Join(o.Root, filepath.FromSlash(plan.Images.Layout)), plan.Images)
	if err != nil {
		m.stop([]Problem{problem("image", "Mend the stage that builds the images", "no images can be read: %v", err)})
	}
	m.Images = images
	m.stop(wrong)
	web, wrong, err := webBills(o.Root)
	if err != nil {
		return err
	}
	m.stop(wrong)
	bills = append(bills, web...)
	allowed, wrong, err := LoadAllowed(o.Root)
	if err != nil {
		return err
	}
	m.stop(wrong)
	for i := range bills {
		m.stop(allowed.judge(&bills[i]))
		m.Bills = append(m.Bills, bills[i].Metadata.Component.Name)
		if err := bills[i].write(filepath.Join(folder, "bills")); err != nil {
			return err
		}
	}
	return o.vulnerabilities(plan, bills, m)
}

// vulnerabilities compares the bills with the list.
func (o Order) vulnerabilities(plan Plan, bills []Bill, m *Manifest) error {
	list, err := LoadAdvisories(o.Advisories)
	if err != nil {
		m.stop([]Problem{problem("vulnerability list", "Fetch it, and name its folder with --vulndb",
			"the bills of materials were not compared: %v", err)})
		return nil
	}
	allowed := map[string]record.Record{}
	for _, r := range m.Exceptions {
		allowed[r.Subject] = r
	}
	m.ListOf, m.Findings = list.Modified, list.find(bills)
	m.stop(list.old(plan.ListMaxAgeDays, o.Now))
	m.stop(vulnerable(m.Findings, allowed, plan.FixWithinDays, o.Now))
	return nil
}

// stop adds problems, each once: twenty images with one library make one problem.
func (m *Manifest) stop(list []Problem) {
	for _, p := range list {
		known := false
		for _, other := range m.Problems {
			known = known || other == p
		}
		if !known {
			m.Problems = append(m.Problems, p)
		}
	}
}

func writeJSON(path string, value any) error {
	text, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		return fmt.Errorf("release: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // a release's papers are no secret
		return fmt.Errorf("release: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil { //nolint:gosec // see above
		return fmt.Errorf("release: %w", err)
	}
	return nil
}
