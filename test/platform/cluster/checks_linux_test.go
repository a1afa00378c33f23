package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/test/conformance/catalogue"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// docs/knative.md tells of each check, and each point that a check proves exists.
func TestChecksAreDocumented(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../../../docs/knative.md")
	must(t, err)
	requirements, err := catalogue.Load("../../..")
	must(t, err)
	known := catalogue.PointIDs(requirements)
	for _, c := range allChecks() {
		if !strings.Contains(string(document), "| `"+c.name+"` |") {
			t.Errorf("docs/knative.md does not tell of %s", c.name)
		}
		for _, point := range c.points {
			if !known[point] {
				t.Errorf("%s proves %s, which the catalogue does not have", c.name, point)
			}
		}
	}
}

// The record of the deployment says how long it took, and not how long the look at it took.
func TestTheDeploymentTakesItsTime(t *testing.T) {
	t.Parallel()
	deploying := time.Now()
	now := deploying.Add(time.Minute)
	for _, c := range allChecks() {
		if got, want := begins(c, deploying, now), c.name == "deploy"; got.Equal(deploying) != want {
			t.Errorf("%s began %v after the deployment", c.name, got.Sub(deploying))
		}
	}
}

func TestSpread(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string][]string{
		"a/{b,c}.yaml": {"a/b.yaml", "a/c.yaml"},
		"a/b":          {"a/b/*.yaml"},
		"a/b.yaml":     {"a/b.yaml"},
	} {
		if got := spread(pattern); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", pattern, got, want)
		}
	}
}

// Knative's files name no image outside the test's registry.
func TestImagesOfKnative(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const text = "a: ko://knative.dev/eventing/cmd/broker/filter\nb: ko://knative.dev/eventing/cmd/mtping\n" +
		"c: ko://knative.dev/serving/cmd/queue\nd: ko://knative.dev/eventing/cmd/in_memory/channel_controller\n"
	must(t, os.WriteFile(filepath.Join(dir, "x.yaml"), []byte(text), 0o600))
	got, err := read([]string{dir})
	must(t, err)
	const at = "10.88.0.1:5000/tools/"
	want := "a: " + at + "eventing-filter:v1\nb: " + at + "eventing-mtping:v1\nc: " + at + "serving-queue:v1\nd: " + at +
		"eventing-channel_controller:v1\n\n---\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if _, err := read([]string{filepath.Join(dir, "none")}); err == nil {
		t.Error("a folder without files is no error")
	}
}

// Each edit of the next release finds its place in the source.
func TestTheNextReleaseCanBeMade(t *testing.T) {
	t.Parallel()
	for _, e := range nextEdits() {
		folder := t.TempDir()
		text, err := os.ReadFile(filepath.Join("../../..", e.file))
		must(t, err)
		must(t, write(filepath.Join(folder, e.file), text))
		must(t, e.apply(folder))
	}
}
