package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/tidebank/tidebank/infra/record"
)

// Scan is the order to scan the source without a release.
type Scan struct {
	Root       string
	Out        string // the folder of the scans; last.json tells of the newest
	Advisories string
	Now        time.Time
	Log        io.Writer
}

// Scanned is what a scan has found.
type Scanned struct {
	Commit   string    `json:"commit"`
	At       time.Time `json:"at"`
	Stages   []Result  `json:"stages"`
	Problems []Problem `json:"problems,omitempty"`
}

const lastScan = "last.json"

// Run runs the secret, the dependency and the static scan, and keeps their reports.
// With ifDue, it does nothing before the interval has passed. It tells monitoring in the
// folder of the scans, before and after its work.
func (s Scan) Run(ctx context.Context, ifDue bool) (Scanned, error) {
	plan, wrong, err := LoadPlan(s.Root)
	if err != nil {
		return Scanned{}, errors.Join(err, scanning.tell(s.Out, false, nil, nil, err))
	}
	if ifDue {
		overdue, err := Overdue(s.Out, plan.ScanEveryDays, s.Now)
		if err != nil || len(overdue) == 0 {
			return Scanned{}, err
		}
	}
	if s.Advisories != "" { // the stages run in another folder
		if s.Advisories, err = filepath.Abs(s.Advisories); err != nil {
			return Scanned{}, fmt.Errorf("scan: %w", err)
		}
		if err := listThere(s.Advisories); err != nil {
			return Scanned{}, errors.Join(err, scanning.tell(s.Out, false, nil, nil, err))
		}
	}
	if err := scanning.tell(s.Out, true, nil, nil, nil); err != nil {
		return Scanned{}, err
	}
	done, err := s.run(ctx, plan, wrong)
	return done, errors.Join(err, scanning.tell(s.Out, false, done.Stages, done.Problems, err))
}

// run runs the scans of a plan, with what is wrong with it.
func (s Scan) run(ctx context.Context, plan Plan, wrong []Problem) (done Scanned, err error) {
	done = Scanned{At: s.Now.UTC(), Problems: wrong}
	if done.Commit, err = git(ctx, s.Root, "rev-parse", "HEAD"); err != nil {
		return done, err
	}
	folder := filepath.Join(s.Out, s.Now.UTC().Format("20060102T150405Z"))
	run := runner{root: s.Root, out: folder, say: s.Log, env: []string{"VULNDB=" + s.Advisories}}
	if done.Stages, err = run.all(ctx, plan.of(scans())); err != nil {
		return done, err
	}
	done.Problems = append(done.Problems, failed(done.Stages)...)
	if err := writeJSON(filepath.Join(folder, "scan.json"), done); err != nil {
		return done, err
	}
	if err := writeJSON(filepath.Join(s.Out, lastScan), done); err != nil {
		return done, err
	}
	if len(done.Problems) > 0 {
		return done, fmt.Errorf("the scan of %s found %d problems; the reports are in %s", short(done.Commit), len(done.Problems), folder)
	}
	return done, nil
}

// Overdue reports when the last scan is older than the interval, or when there is none.
func Overdue(scans string, every int, now time.Time) ([]Problem, error) {
	const cure = "Run: go run ./infra/release scan"
	text, err := os.ReadFile(filepath.Join(scans, lastScan))
	if errors.Is(err, fs.ErrNotExist) {
		return []Problem{problem("scan", cure, "the source has never been scanned between releases")}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("last scan: %w", err)
	}
	var last Scanned
	if err := json.Unmarshal(text, &last); err != nil {
		return nil, fmt.Errorf("last scan: %w", err)
	}
	if now.Sub(last.At) < days(every) {
		return nil, nil
	}
	return []Problem{problem("scan", cure, "the last scan was on %s, and one is due every %d days",
		last.At.Format(record.Day), every)}, nil
}
