package gate

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/tidebank/tidebank/shared/sm"
)

// Result is what a stage did. It stays with the release.
type Result struct {
	Stage   string    `json:"stage"`
	Kinds   []Kind    `json:"kinds"`
	Passed  bool      `json:"passed"`
	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"`
	Report  string    `json:"report"` // the file with all that the stage printed
	SM3     string    `json:"sm3"`    // the digest of the report
}

// runner runs stages in a source.
type runner struct {
	root string
	out  string // the folder of the reports
	env  []string
	say  io.Writer
}

// all runs every stage, also after a failure: each reports its result.
func (r runner) all(ctx context.Context, stages []Stage) ([]Result, error) {
	if err := os.MkdirAll(filepath.Join(r.out, "reports"), 0o755); err != nil { //nolint:gosec // reports are no secret
		return nil, fmt.Errorf("reports: %w", err)
	}
	results := make([]Result, 0, len(stages))
	for _, s := range stages {
		result, err := r.one(ctx, s)
		if err != nil {
			return results, fmt.Errorf("stage %s: %w", s.Name, err)
		}
		word := "passed"
		if !result.Passed {
			word = "FAILED"
		}
		say(r.say, "%-14s %s in %.1f s (%s)", s.Name, word, result.Seconds, result.Report)
		results = append(results, result)
	}
	return results, nil
}

func (r runner) one(ctx context.Context, s Stage) (Result, error) {
	result := Result{Stage: s.Name, Kinds: s.Kinds, Started: time.Now().UTC(), Report: "reports/" + s.Name + ".txt"}
	path := filepath.Join(r.out, filepath.FromSlash(result.Report))
	file, err := os.Create(path)
	if err != nil {
		return result, fmt.Errorf("report: %w", err)
	}
	defer file.Close()                                                       // closed below, unless an error came first
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", s.Run) //nolint:gosec // the plan's own command
	cmd.Dir, cmd.Env = r.root, append(os.Environ(), r.env...)
	cmd.Stdout, cmd.Stderr = file, file
	// A stage runs make, which runs compilers and scanners: the end of the run ends all of them.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	err = cmd.Run()
	if ctx.Err() != nil { // the stage has not failed: somebody has ended the run
		return result, fmt.Errorf("run: %w", ctx.Err())
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return result, fmt.Errorf("run: %w", err)
	}
	result.Passed = err == nil
	result.Seconds = time.Since(result.Started).Seconds()
	if err := file.Close(); err != nil {
		return result, fmt.Errorf("report: %w", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return result, fmt.Errorf("report: %w", err)
	}
	result.SM3 = hex.EncodeToString(sm.Digest(text))
	return result, nil
}

// ruleStage is the rule of the problems that stages report.
const ruleStage = "stage"

// failed lists the stages that did not pass.
func failed(results []Result) []Problem {
	var list []Problem
	for _, r := range results {
		if !r.Passed {
			list = append(list, problem(ruleStage, "Read "+r.Report+", mend the cause, and make the release again",
				"%s failed (%v)", r.Stage, r.Kinds))
		}
	}
	return list
}
