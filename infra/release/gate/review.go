package gate

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/tidebank/tidebank/infra/record"
	"github.com/tidebank/tidebank/shared/sm"
)

// notes is where Git keeps the reviews: beside the commits, so that a review can name a
// commit which exists already. `git push origin refs/notes/reviews` shares them.
const notes = "refs/notes/reviews"

// Reviewed is a commit with the person who has reviewed it.
type Reviewed struct {
	Commit string `json:"commit"`
	By     string `json:"by"`
}

// git runs Git in the source and returns what it prints.
func git(ctx context.Context, root string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...) //nolint:gosec // the arguments are the gate's own
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GIT_NO_REPLACE_OBJECTS=1") // a replaced commit would hide another
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(string(text)), nil
}

// reviews asks for a signed review of each commit since the baseline, by another person
// than the commit's author.
func reviews(ctx context.Context, root string, trust record.Trust) ([]Reviewed, []Problem, error) {
	const cure = "Let another person than the author review it: go run ./infra/release review COMMIT --as NAME --key FILE"
	if trust.Baseline == "" {
		return nil, []Problem{problem("review", "Name the commit up to which the bank has taken the history",
			"the trust file has no baseline")}, nil
	}
	// A baseline outside of this history would take away all commits.
	if _, err := git(ctx, root, "merge-base", "--is-ancestor", trust.Baseline, "HEAD"); err != nil {
		return nil, []Problem{problem("review", "Name a commit of this history", "the baseline %s is none", trust.Baseline)}, nil
	}
	text, err := git(ctx, root, "log", "--notes="+notes, "--format=%H%x00%ae%x00%N%x01", trust.Baseline+"..HEAD")
	if err != nil {
		return nil, nil, err
	}
	var done []Reviewed
	var list []Problem
	for entry := range strings.SplitSeq(text, "\x01") {
		fields := strings.SplitN(strings.TrimSpace(entry), "\x00", 3)
		if len(fields) != 3 {
			continue
		}
		commit, author := fields[0], fields[1]
		by, err := reviewer(trust, commit, author, fields[2])
		if err != nil {
			list = append(list, problem("review", cure, "commit %s: %v", short(commit), err))
			continue
		}
		done = append(done, Reviewed{Commit: commit, By: by})
	}
	return done, list, nil
}

// reviewer returns who has reviewed a commit, by its note.
func reviewer(trust record.Trust, commit, author, note string) (string, error) {
	if strings.TrimSpace(note) == "" {
		return "", fmt.Errorf("it has no review")
	}
	r, err := record.Parse([]byte(note))
	if err != nil {
		return "", fmt.Errorf("its review can't be read: %w", err)
	}
	if r.Kind != record.Review || r.Subject != commit {
		return "", fmt.Errorf("its note is no review of this commit")
	}
	if err := trust.Check(r); err != nil {
		return "", err
	}
	if strings.EqualFold(trust.Email(r.By), author) {
		return "", fmt.Errorf("%s reviewed their own commit", r.By)
	}
	return r.By, nil
}

// Sign writes reviews of commits (a commit or a range, as Git names them) as notes.
func Sign(ctx context.Context, root, commits, by string, key *sm.PrivateKey) (int, error) {
	args := []string{"rev-list", "--no-walk", commits}
	if strings.Contains(commits, "..") {
		args = []string{"rev-list", commits}
	}
	text, err := git(ctx, root, args...)
	if err != nil {
		return 0, err
	}
	list := strings.Fields(text)
	for _, commit := range list {
		r := record.Record{Kind: record.Review, Subject: commit, At: time.Now().Format(record.Day), By: by}
		if err := r.Sign(key); err != nil {
			return 0, err
		}
		note, err := r.Text()
		if err != nil {
			return 0, err
		}
		if _, err := git(ctx, root, "notes", "--ref="+notes, "add", "-f", "-m", note, commit); err != nil {
			return 0, err
		}
	}
	return len(list), nil
}
