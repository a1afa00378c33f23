package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// ready deploys the bank unless the cluster has it already.
func (l *lab) ready(ctx context.Context) error {
	if _, err := l.kubectl(ctx, "", "-n", namespace, "get", "broker", "tidebank"); err == nil {
		return nil
	}
	if err := l.secrets(ctx); err != nil {
		return err
	}
	if err := l.deploy(ctx, "v1"); err != nil {
		return err
	}
	l.fresh = true
	return order(ctx, "page")
}

// deployed looks at what the one command has deployed: every process of this source is
// there and ready, with the image that the release names.
func deployed(ctx context.Context, l *lab) error { return l.runs(ctx, "v1") }

// runs waits until every function and worker runs the image of a release. A Service may not be
// ready for a moment, while its next instance starts.
func (l *lab) runs(ctx context.Context, tag string) error {
	return until(ctx, time.Minute, "every process runs "+tag, func() (bool, error) {
		err := l.runsNow(ctx, tag)
		return err == nil, err
	})
}

func (l *lab) runsNow(ctx context.Context, tag string) error {
	list, err := l.revisions(ctx)
	if err != nil {
		return err
	}
	for _, one := range processes() {
		want, err := l.image("tidebank/"+one.Name, tag)
		if err != nil {
			return err
		}
		if got := list[one.Name]; !got.ready || got.image != want {
			return fmt.Errorf("%s: ready %v with %s, want %s", one.Name, got.ready, got.image, want)
		}
	}
	return nil
}

// running is what the cluster says of one process.
type running struct {
	ready           bool
	revision, image string
}

// revisions lists the processes as the platform's own registry knows them.
func (l *lab) revisions(ctx context.Context) (map[string]running, error) {
	var services struct {
		Items []struct {
			Metadata struct{ Name string }
			Status   struct {
				LatestReadyRevisionName string
				Conditions              []struct{ Type, Status string }
			}
		}
	}
	if err := l.get(ctx, &services, "-n", namespace, "ksvc"); err != nil {
		return nil, err
	}
	images, err := l.revisionImages(ctx)
	if err != nil {
		return nil, err
	}
	list := map[string]running{}
	for _, s := range services.Items {
		r := running{revision: s.Status.LatestReadyRevisionName, image: images[s.Status.LatestReadyRevisionName]}
		for _, c := range s.Status.Conditions {
			r.ready = r.ready || c.Type == "Ready" && c.Status == "True"
		}
		list[s.Metadata.Name] = r
	}
	var workers struct {
		Items []struct {
			Metadata struct{ Name string }
			Spec     struct {
				Replicas int
				Template struct{ Spec podSpec }
			}
			Status struct{ ReadyReplicas, UpdatedReplicas int }
		}
	}
	if err := l.get(ctx, &workers, "-n", namespace, "deploy", "-l", "app.kubernetes.io/component=worker"); err != nil {
		return nil, err
	}
	for _, w := range workers.Items {
		list[w.Metadata.Name] = running{
			ready: w.Status.ReadyReplicas == w.Spec.Replicas && w.Status.UpdatedReplicas == w.Spec.Replicas,
			image: w.Spec.Template.Spec.Containers[0].Image,
		}
	}
	return list, nil
}

type podSpec struct {
	Containers []struct{ Name, Image string }
}

func (l *lab) revisionImages(ctx context.Context) (map[string]string, error) {
	var revisions struct {
		Items []struct {
			Metadata struct{ Name string }
			Spec     podSpec
		}
	}
	if err := l.get(ctx, &revisions, "-n", namespace, "revision"); err != nil {
		return nil, err
	}
	images := map[string]string{}
	for _, r := range revisions.Items {
		images[r.Metadata.Name] = r.Spec.Containers[0].Image
	}
	return images, nil
}

// demo runs the demo as a user of `make demo` does.
func demo(ctx context.Context, l *lab) error {
	cmd := exec.CommandContext(ctx, l.program("bank/demo"))
	cmd.Env = append(os.Environ(), "BANK_URL="+bankURL)
	text, err := cmd.CombinedOutput()
	if at := os.WriteFile(filepath.Join(l.logs(), "demo.log"), text, 0o644); at != nil {
		return at
	}
	if err == nil && !strings.Contains(string(text), "全部 14 步符合预期") {
		err = errors.New("it did not say that all 14 steps are as expected")
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, last(string(text), 4))
	}
	return nil
}

const bankURL = "http://" + edge
