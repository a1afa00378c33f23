package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/infra/gen/process"
	"github.com/tidebank/tidebank/infra/roles"
	"github.com/tidebank/tidebank/workers"
)

const namespace = "tidebank"

// processes are all functions and workers.
func processes() []process.Process {
	b := process.Describe(functions.All(), workers.All(), events.Declared())
	return slices.Concat(b.Functions, process.WithoutQueues(b.Workers))
}

// secrets makes what docs/knative.md asks for before the first start. Each process gets
// its own database role, and no other keys than it declares.
func (l *lab) secrets(ctx context.Context) error {
	files := filepath.Join(l.run(), "key-files")
	receiver := filepath.Join(files, "receiver.key")
	if err := errors.Join(os.RemoveAll(files), os.MkdirAll(files, 0o700)); err != nil {
		return err
	}
	told, err := l.tide(ctx, "keys", "receiver", "--out", receiver)
	if err != nil {
		return err
	}
	words := strings.Fields(told) // the pin comes last
	pin := words[len(words)-1]
	_, err = l.tide(ctx, "keys", "export", "--file", l.keys(), "--receiver", receiver+".pub", "--pin", pin, "--out", files)
	if err != nil {
		return err
	}
	private, err := os.ReadFile(receiver)
	if err != nil {
		return err
	}
	database := map[string]string{"migrate": ownerURL}
	list := []map[string]any{{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]string{"name": namespace}}}
	for _, one := range processes() {
		if one.DB {
			database[one.Name] = ownerURL + "&role=" + roles.Name(one.Name)
		}
		if len(one.Keys) == 0 {
			continue
		}
		own, err := os.ReadFile(filepath.Join(files, one.Name+".json"))
		if err != nil {
			return err
		}
		list = append(list, secret("tidebank-keys-"+one.Name, map[string]string{"keys.json": string(own), "receiver.key": string(private)}))
	}
	list = append(list, secret("tidebank-database", database), secret("tidebank-redis", map[string]string{"url": redisURL}),
		secret("tidebank-sms", map[string]string{"url": "http://" + smsAt, "secret": smsSecret}),
		secret("tidebank-face", map[string]string{"url": "http://127.0.0.1:1", "secret": smsSecret})) // no face engine answers
	text, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": list})
	if err != nil {
		return err
	}
	return l.apply(ctx, string(text))
}

func secret(name string, data map[string]string) map[string]any {
	return map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]string{"name": name, "namespace": namespace}, "stringData": data,
	}
}

// image is an image of the registry, by its digest.
func (p paths) image(name, tag string) (string, error) {
	text, err := os.ReadFile(p.digests())
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == name && f[1] == tag {
			return registry + "/" + name + "@" + f[2], nil
		}
	}
	return "", fmt.Errorf("the registry has no image %s:%s", name, tag)
}

// ingressClass is the class of the ingress of the test.
const ingressClass = "test.ingress.networking.knative.dev"

// proxies are the networks of the test's edge, of Knative's activator and queue-proxy, and
// of the other pods (config/cni.conflist), but not the addresses of the customers.
const proxies = address + ",10.88.128.0/17,127.0.0.1"

// scaled is the function whose load a check raises. Its target makes a small load enough.
const scaled = "account-overview"

// overlay writes the overlay of a release: dev, with the images of the registry. Some
// processes may be newer than the release.
func (p paths) overlay(tag string, newer []string) (string, error) {
	dir := filepath.Join(p.run(), "release-"+tag)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	base, err := filepath.Rel(dir, filepath.Join(p.repository(), "infra/knative/overlays/dev"))
	if err != nil {
		return "", err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [%s]\nimages:\n", base)
	names := []string{"migrate"}
	for _, one := range processes() {
		names = append(names, one.Name)
	}
	for _, name := range names {
		version := tag
		if slices.Contains(newer, name) {
			version = "v2"
		}
		image, err := p.image("tidebank/"+name, version)
		if err != nil {
			return "", err
		}
		at, digest, _ := strings.Cut(image, "@")
		fmt.Fprintf(&text, "  - {name: tidebank/%s, newName: %q, digest: %q}\n", name, at, digest)
	}
	fmt.Fprintf(&text, `configMapGenerator:
  - {name: tidebank, namespace: tidebank, behavior: merge, literals: ["trusted-proxies=%s"]}
patches:
  - target: {group: networking.internal.knative.dev, kind: Ingress}
    patch: |
      - {op: replace, path: /metadata/annotations/networking.knative.dev~1ingress.class, value: %s}
      - {op: replace, path: /spec/rules/0/hosts/0, value: %s}
  - target: {group: serving.knative.dev, kind: Service, name: %s}
    patch: |
      - {op: add, path: /spec/template/metadata/annotations/autoscaling.knative.dev~1target, value: "4"}
      - {op: add, path: /spec/template/spec/containers/0/env/-, value: {name: FN_RATE_SCALE, value: "1000"}}
`, proxies, ingressClass, edge, scaled)
	return dir, os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text.String()), 0o644)
}

// quickWave is how many Services change at a time while nobody is served.
const quickWave = 4

// carefulWave is how many change while customers are served: an instance that starts takes a
// processor for seconds, and half of them must be left.
func carefulWave() int { return max(1, runtime.NumCPU()/2) }

// deploy runs the one command that deploys, upgrades and rolls back.
func (p paths) deploy(ctx context.Context, tag string, newer ...string) error {
	return p.deployBy(ctx, quickWave, tag, newer...)
}

// deployBy does it with so many Services at a time.
func (p paths) deployBy(ctx context.Context, wave int, tag string, newer ...string) error {
	dir, err := p.overlay(tag, newer)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(p.repository(), "infra/knative/deploy"), dir)
	cmd.Env = append(p.environment(), fmt.Sprint("DEPLOY_WAVE=", wave))
	text, err := cmd.CombinedOutput()
	if at := os.WriteFile(filepath.Join(p.logs(), "deploy-"+tag+".log"), text, 0o644); at != nil {
		return at
	}
	if err != nil {
		return fmt.Errorf("infra/knative/deploy: %w: %s", err, last(string(text), 3))
	}
	return nil
}

// last are the last lines of a text, in one line.
func last(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], " | ")
}
