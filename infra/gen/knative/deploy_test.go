package knative_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/infra/gen/process"
	"github.com/tidebank/tidebank/test/check"
)

const digest = "sha256:b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c"

// A kubectl that renders two Services, notes what it is asked, and does nothing. LIST
// takes the place of its list of names, ROUTE is a line of what it renders.
const kubectl = `#!/usr/bin/env bash
case "$*" in
kustomize*) printf 'kind: Service\n  namespace: bank\n%s' "$ROUTE" ;;
create*) cat >/dev/null; eval "${LIST:-printf 'job.batch/migrate\nservice.serving.knative.dev/%s\n' one two three}" ;;
apply*) cat >/dev/null; echo "$*" >>"$CALLS" ;;
*) echo "$*" >>"$CALLS" ;;
esac
`

// deploy runs infra/knative/deploy with that kubectl, and returns its exit code, its
// output and the calls that would change the cluster or wait for it.
func deploy(t *testing.T, environment string, args ...string) (code int, out, calls string) {
	t.Helper()
	bin := t.TempDir()
	check.Must(t, os.WriteFile(filepath.Join(bin, "kubectl"), []byte(kubectl), 0o755))
	check.Must(t, os.WriteFile(filepath.Join(bin, "sleep"), []byte("#!/bin/sh\necho sleep \"$@\" >>\"$CALLS\"\n"), 0o755))
	noted := filepath.Join(bin, "calls")
	cmd := exec.CommandContext(t.Context(), "../../knative/deploy", args...)
	cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "CALLS=" + noted}
	if environment != "" {
		cmd.Env = append(cmd.Env, strings.Split(environment, "\x00")...)
	}
	text, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	asked, err := os.ReadFile(noted)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(text), string(asked)
}

// What is wrong with the arguments or the overlay ends the command before it changes
// anything.
func TestDeployChecksFirst(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		environment string
		args        []string
		code        int
		says        string
	}{
		"help":              {args: []string{"--help"}, code: 0, says: "usage: infra/knative/deploy OVERLAY"},
		"short help":        {args: []string{"overlay", "-h"}, code: 0, says: "usage:"},
		"no overlay":        {code: 2, says: "usage:"},
		"an empty overlay":  {args: []string{""}, code: 2, says: "usage:"},
		"two overlays":      {args: []string{"a", "b"}, code: 2, says: "usage:"},
		"an unknown flag":   {args: []string{"--wave"}, code: 2, says: "usage:"},
		"no wave":           {environment: "DEPLOY_WAVE=0", args: []string{"o"}, code: 2, says: "DEPLOY_WAVE"},
		"a negative wave":   {environment: "DEPLOY_WAVE=-1", args: []string{"o"}, code: 2, says: "DEPLOY_WAVE"},
		"a wave of letters": {environment: "DEPLOY_WAVE=x", args: []string{"o"}, code: 2, says: "DEPLOY_WAVE"},
		"an octal wave":     {environment: "DEPLOY_WAVE=08", args: []string{"o"}, code: 2, says: "DEPLOY_WAVE"},
		"the list fails":    {environment: "LIST=echo no match >&2; exit 1", args: []string{"o"}, code: 1, says: "no match"},
		"half a list":       {environment: "LIST=echo service.serving.knative.dev/one; exit 1", args: []string{"o"}, code: 1},
		"nothing to deploy": {environment: "LIST=true", args: []string{"o"}, code: 1, says: "no Knative Service"},
		"no proxies named": {
			environment: "ROUTE=  app-signatures: NAME-THEM\n  trusted-proxies: NAME-THEM", args: []string{"o"}, code: 1,
			says: "set app-signatures trusted-proxies",
		},
		"a wait of letters": {environment: "DEPLOY_WAIT=soon", args: []string{"o"}, code: 2, says: "DEPLOY_WAIT"},
		"no wait":           {environment: "DEPLOY_WAIT=0", args: []string{"o"}, code: 2, says: "DEPLOY_WAIT"},
		"an image without a registry": {
			environment: "ROUTE=  - image: tidebank/migrate@" + digest, args: []string{"o"}, code: 1, says: "such as: tidebank/migrate@",
		},
		"an image without a digest": {
			environment: "ROUTE=    image: registry.bank.example/tidebank/migrate:v1", args: []string{"o"}, code: 1,
			says: "such as: registry.bank.example/tidebank/migrate:v1",
		},
		"no Knative Service": {environment: "LIST=echo service/one", args: []string{"o"}, code: 1, says: "no Knative Service"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out, calls := deploy(t, tt.environment, tt.args...)
			if code != tt.code || !strings.Contains(out, tt.says) {
				t.Errorf("exit code %d, want %d and %q: %s", code, tt.code, tt.says, out)
			}
			if calls != "" {
				t.Errorf("the cluster was asked:\n%s", calls)
			}
		})
	}
}

// The migrations run first, and the Services change in waves. The rights of the earlier
// release go last: its instances use them until they end. All happens in the namespace of
// the overlay.
func TestDeployChangesInWaves(t *testing.T) {
	t.Parallel()
	code, out, calls := deploy(t, "DEPLOY_WAVE=2", "o")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	applied := "apply --server-side --force-conflicts --filename - --selector "
	wave := applied + "app.kubernetes.io/component in (function, consumer), app.kubernetes.io/name in "
	job := func(name string) []string {
		return []string{
			applied + "app.kubernetes.io/name=" + name,
			"--namespace bank wait --for=condition=Complete job/" + name + " --timeout=5m",
		}
	}
	want := slices.Concat([]string{
		"--namespace bank delete job migrate rights --ignore-not-found --cascade=foreground --timeout=5m",
	}, job("migrate"), []string{
		applied + "app.kubernetes.io/component notin (function, consumer, route, migrate, rights)",
		wave + "(one,two)",
		"--namespace bank wait --for=condition=Ready ksvc one two --timeout=5m",
		wave + "(three)",
		"--namespace bank wait --for=condition=Ready ksvc three --timeout=5m",
		fmt.Sprint("sleep ", (process.Linger + process.Drain).Seconds()),
	}, job("rights"))
	if diff := cmp.Diff(want, strings.Split(strings.TrimSpace(calls), "\n")); diff != "" {
		t.Error(diff)
	}
}

// What only another release holds may never become ready: a Trigger whose Service has failed, or a worker.
func TestDeployWaitsForItsOwnTriggersAndWorkers(t *testing.T) {
	t.Parallel()
	list := `LIST=printf 'service.serving.knative.dev/one\nbroker.eventing.knative.dev/b\ntrigger.eventing.knative.dev/t\n` +
		`eventpolicy.eventing.knative.dev/p\nsinkbinding.sources.knative.dev/s\njob.batch/migrate\ndeployment.apps/w\n'`
	code, out, calls := deploy(t, "ROUTE=kind: Broker\n\x00"+list, "o")
	const want = "wait --for=condition=Ready broker.eventing.knative.dev/b trigger.eventing.knative.dev/t " +
		"eventpolicy.eventing.knative.dev/p sinkbinding.sources.knative.dev/s --timeout=5m"
	const worker = "--namespace bank rollout status deployment w --timeout=5m\n"
	if code != 0 || !strings.Contains(calls, want) || strings.Count(calls, "rollout") != 1 || !strings.Contains(calls, worker) {
		t.Errorf("exit code %d: %s\n%s", code, out, calls)
	}
}

// The routes of the edge come after the Services that they lead to.
func TestDeployEndsWithTheRoutes(t *testing.T) {
	t.Parallel()
	code, out, calls := deploy(t, "ROUTE=    app.kubernetes.io/component: route\n  - image: 10.0.0.1:5000/tidebank/migrate@"+digest, "o")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	_, after, found := strings.Cut(calls, "wait --for=condition=Ready ksvc one two three")
	if !found || !strings.Contains(after, "--selector app.kubernetes.io/component=route\n") {
		t.Errorf("the calls are:\n%s", calls)
	}
}
