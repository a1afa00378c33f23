package main

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/tidebank/tidebank/infra/record"
	"github.com/tidebank/tidebank/infra/release/gate"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

const root = "../.."

// server is a Git server with the hook, and a developer's clone.
type server struct {
	dir, tool, clone, out string
	key                   *sm.PrivateKey
}

func (s server) run(t *testing.T, folder, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "RELEASE_OUT="+s.out, "RELEASE_TRUST="+s.dir+"/trust", "RELEASE_VULNDB="+s.dir+"/vulndb",
		"RELEASE_TOOL="+s.tool)
	text, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(text)), err
}

func (s server) must(t *testing.T, folder, name string, args ...string) string {
	t.Helper()
	text, err := s.run(t, folder, name, args...)
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, text)
	}
	return text
}

func write(t *testing.T, path, text string) {
	t.Helper()
	check.Must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	check.Must(t, os.WriteFile(path, []byte(text), 0o600))
}

func copied(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	check.Must(t, err)
	write(t, to, string(text))
}

func newServer(t *testing.T) server {
	t.Helper()
	dir := t.TempDir()
	s := server{dir: dir, tool: dir + "/tool", clone: dir + "/clone", out: dir + "/releases"}
	s.must(t, ".", "go", "build", "-o", s.tool, ".")
	s.must(t, dir, "git", "init", "-q", "--bare", "-b", "main", "server.git")
	hook, err := os.ReadFile("post-receive")
	check.Must(t, err)
	check.Must(t, os.MkdirAll(dir+"/server.git/hooks", 0o755))
	check.Must(t, os.WriteFile(dir+"/server.git/hooks/post-receive", hook, 0o700))
	s.must(t, dir, "git", "clone", "-q", "server.git", "clone")
	for _, pair := range [][2]string{{"user.name", "wang"}, {"user.email", "wang@bank.example"}, {"commit.gpgsign", "false"}} {
		s.must(t, s.clone, "git", "config", pair[0], pair[1])
	}
	s.must(t, s.clone, "git", "checkout", "-q", "-b", "main")
	copied(t, root+"/infra/release/components.yaml", s.clone+"/infra/release/components.yaml")
	write(t, s.clone+"/.gitignore", "/build/\n")
	s.plan(t, "")
	baseline := s.commit(t)
	s.trust(t, baseline)
	copied(t, root+"/infra/deployment/example.yaml", dir+"/trust/deployment.yaml")
	write(t, dir+"/vulndb/ID/GO-2026-0001.json", `{"id":"GO-2026-0001","modified":"`+time.Now().Format(time.RFC3339)+`",
		"affected":[{"package":{"ecosystem":"Go","name":"example.com/other"},"ranges":[{"events":[{"introduced":"0"}]}]}]}`)
	return s
}

// plan writes a plan whose stages pass, except for one kind.
func (s server) plan(t *testing.T, failing gate.Kind) {
	t.Helper()
	p, _, err := gate.LoadPlan(root)
	check.Must(t, err)
	p.Stages = []gate.Stage{{
		Name: "images", Kinds: []gate.Kind{gate.Build}, Run: "mkdir -p build && cp -r " + s.dir + "/images build/images",
	}}
	p.Recorded = []gate.Kind{gate.Acceptance, gate.Internal}
	for _, kind := range gate.Kinds() {
		if slices.Contains(p.Recorded, kind) {
			continue
		}
		line := "true"
		if kind == failing {
			line = "false"
		}
		p.Stages = append(p.Stages, gate.Stage{Name: string(kind), Kinds: []gate.Kind{kind}, Run: line})
	}
	text, err := yaml.Marshal(p)
	check.Must(t, err)
	write(t, s.clone+"/infra/release/plan.yaml", string(text))
}

func (s server) commit(t *testing.T) string {
	t.Helper()
	s.must(t, s.clone, "git", "add", "-A")
	s.must(t, s.clone, "git", "commit", "-q", "--allow-empty", "-m", "a change")
	return s.must(t, s.clone, "git", "rev-parse", "HEAD")
}

func (s *server) trust(t *testing.T, baseline string) {
	t.Helper()
	var err error
	s.key, err = sm.GenerateKey()
	check.Must(t, err)
	public, err := s.key.Public().Marshal()
	check.Must(t, err)
	text, err := yaml.Marshal(record.Trust{Baseline: baseline, Signers: []record.Signer{{
		Name: "li", Email: "li@bank.example", Kinds: record.Kinds(), Key: base64.StdEncoding.EncodeToString(public),
	}}})
	check.Must(t, err)
	write(t, s.dir+"/trust/trust.yaml", string(text))
}

// record signs and stores a record.
func (s server) record(t *testing.T, file string, kind record.Kind, subject string, says map[string]string) {
	t.Helper()
	r := record.Record{Kind: kind, Subject: subject, At: time.Now().Format(record.Day), By: "li", Says: says}
	check.Must(t, r.Sign(s.key))
	check.Must(t, os.MkdirAll(s.dir+"/trust/records", 0o755))
	check.Must(t, r.WriteFile(s.dir+"/trust/records/"+file))
}

// push commits, reviews and pushes a change, and returns what the push printed.
func (s server) push(t *testing.T) (commit, printed string) {
	t.Helper()
	commit = s.commit(t)
	_, err := gate.Sign(t.Context(), s.clone, commit, "li", s.key)
	check.Must(t, err)
	s.must(t, s.clone, "git", "push", "-q", "origin", "refs/notes/reviews")
	return commit, s.must(t, s.clone, "git", "push", "-q", "origin", "main")
}

// of finds the papers of the candidate of a commit.
func (s server) of(t *testing.T, commit, file string) (m gate.Manifest, found bool) {
	t.Helper()
	paths, err := filepath.Glob(s.out + "/*.c" + commit[:12] + "/" + file)
	check.Must(t, err)
	if len(paths) != 1 {
		return m, false
	}
	text, err := os.ReadFile(paths[0])
	check.Must(t, err)
	check.Must(t, json.Unmarshal(text, &m))
	return m, true
}

// A pushed commit starts all checks, and each reports its result. If all pass, a release
// is there, without a manual step; if one fails, none is.
func TestAPushedCommitIsCheckedAndReleased(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CLOUD-003.1", "CLOUD-003.2")
	s := newServer(t)
	s.images(t)
	commit, printed := s.push(t)
	m, made := s.of(t, commit, "manifest.json")
	if !made || !m.Candidate || m.Commit != commit || !strings.Contains(printed, "candidate, for tests only") {
		t.Fatalf("no candidate of %s: %s", commit, printed)
	}
	for _, kind := range []gate.Kind{gate.Build, gate.Unit, gate.Integration, gate.Secrets, gate.Dependencies, gate.Static} {
		i := slices.IndexFunc(m.Stages, func(r gate.Result) bool { return r.Stage == string(kind) })
		if i < 0 || !m.Stages[i].Passed || !strings.Contains(printed, string(kind)) {
			t.Errorf("%s reports no result: %+v", kind, m.Stages)
		}
	}
	// People test the candidate; then the tag makes the release.
	for _, kind := range []gate.Kind{gate.Acceptance, gate.Internal} {
		says := map[string]string{"kind": string(kind), "result": "passed", "report": "x"}
		s.record(t, string(kind)+".yaml", record.TestRun, commit, says)
	}
	s.record(t, "security.yaml", record.SecurityTest, "v1", map[string]string{"high": "0", "medium": "0", "report": "x"})
	s.must(t, s.clone, "git", "tag", "v1.0.0")
	s.must(t, s.clone, "git", "push", "-q", "origin", "v1.0.0")
	text, err := os.ReadFile(s.out + "/v1.0.0/manifest.json")
	check.Must(t, err)
	var release gate.Manifest
	check.Must(t, json.Unmarshal(text, &release))
	if release.Candidate || len(release.Images) == 0 || len(release.Problems) > 0 {
		t.Errorf("release: %s", text)
	}
	s.plan(t, gate.Integration)
	commit, printed = s.push(t)
	refused, stopped := s.of(t, commit, "refused.json")
	if _, made := s.of(t, commit, "manifest.json"); made || !stopped || !strings.Contains(printed, "integration failed") {
		t.Errorf("a failed check made a release: %+v, %s", refused, printed)
	}
	i := slices.IndexFunc(refused.Stages, func(r gate.Result) bool { return r.Stage == string(gate.Static) })
	if i < 0 || !refused.Stages[i].Passed {
		t.Errorf("a check after the failed one reports nothing: %+v", refused.Stages)
	}
	// Another branch makes none.
	s.must(t, s.clone, "git", "push", "-q", "origin", "main:work")
	if folders, _ := filepath.Glob(s.out + "/v*"); len(folders) != 3 {
		t.Errorf("%d folders, want 3", len(folders))
	}
}

// images builds the image that the plan's stage copies.
func (s server) images(t *testing.T) {
	t.Helper()
	s.must(t, root+"/infra/images", "go", "run", ".", "--out", s.dir+"/images", "captcha-issue")
}
