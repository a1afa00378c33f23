package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// knative installs Knative Eventing and Serving, as their own files say, with the images
// of the registry.
func (n *node) knative(ctx context.Context) error {
	for _, install := range []func(context.Context) error{n.eventing, n.serving} {
		if err := install(ctx); err != nil {
			return err
		}
	}
	settings := map[string]string{
		// docs/knative.md asks for these two.
		"knative-eventing config-features": `{"delivery-timeout":"enabled","authentication-oidc":"enabled"}`,
		// A small node, and tests that do not wait a minute for each instance to go.
		"knative-serving config-deployment": `{"queue-sidecar-cpu-request":"3m"}`,
		autoscaler:                          `{"stable-window":"20s","scale-to-zero-grace-period":"10s"}`,
		"knative-serving config-network":    `{"ingress-class":"` + ingressClass + `"}`,
		"knative-serving config-domain":     `{"bank.test":""}`,
	}
	for which, data := range settings {
		if err := n.patchSettings(ctx, which, data); err != nil {
			return err
		}
	}
	for _, name := range []string{"imc-dispatcher", "mt-broker-filter", "mt-broker-ingress"} {
		if err := n.patchDeployment(ctx, "knative-eventing/"+name, patient); err != nil {
			return err
		}
	}
	for _, name := range []string{
		"knative-serving/activator", "knative-serving/autoscaler", "knative-serving/controller", "knative-serving/webhook",
		"knative-eventing/eventing-controller", "knative-eventing/eventing-webhook", "knative-eventing/mt-broker-controller",
		"knative-eventing/mt-broker-filter", "knative-eventing/mt-broker-ingress",
	} {
		if err := n.patchDeployment(ctx, name, modest); err != nil {
			return err
		}
	}
	for _, namespace := range []string{"knative-eventing", "knative-serving"} {
		_, err := n.kubectl(ctx, "", "-n", namespace, "wait", "--for=condition=Available", "deploy", "--all", "--timeout=180s")
		if err != nil {
			return err
		}
	}
	return nil
}

// autoscaler is the ConfigMap of Knative's autoscaler.
const autoscaler = "knative-serving config-autoscaler"

// patchSettings changes a ConfigMap, "namespace name". Its webhook may not answer yet.
func (p paths) patchSettings(ctx context.Context, which, data string) error {
	namespace, name, _ := strings.Cut(which, " ")
	return until(ctx, time.Minute, which, func() (bool, error) {
		_, err := p.kubectl(ctx, "", "-n", namespace, "patch", "cm", name, "--type", "merge", "-p", `{"data":`+data+`}`)
		return err == nil, err
	})
}

// modest leaves room on a node with two processors. By Knative's own requests for processors,
// which add up to more than one, and those of the bank's instances, the node was full at 47
// instances. A further one then waited for its place for half a minute, and the calls that
// it was for were answered with 504.
const modest = `[{"op":"replace","path":"/spec/template/spec/containers/0/resources/requests/cpu","value":"50m"}]`

// patchDeployment changes a deployment, "namespace/name", by a JSON patch.
func (p paths) patchDeployment(ctx context.Context, which, patch string) error {
	namespace, name, _ := strings.Cut(which, "/")
	_, err := p.kubectl(ctx, "", "-n", namespace, "patch", "deploy", name, "--type", "json", "-p", patch)
	return err
}

// patient keeps the in-memory broker alive on a small node: what it holds is lost when it
// restarts. Knative restarts it when three answers take longer than 1 s. With OIDC, it then
// asks for one token for each waiting event, at 5 calls a second: it stands still for
// minutes, does not renew its lease, and restarts again.
const patient = `[
  {"op":"replace","path":"/spec/template/spec/containers/0/livenessProbe/timeoutSeconds","value":10},
  {"op":"replace","path":"/spec/template/spec/containers/0/livenessProbe/failureThreshold","value":6},
  {"op":"add","path":"/spec/template/spec/containers/0/env/-","value":{"name":"KUBE_API_QPS","value":"200"}},
  {"op":"add","path":"/spec/template/spec/containers/0/env/-","value":{"name":"KUBE_API_BURST","value":"400"}}
]`

func (n *node) eventing(ctx context.Context) error {
	dir, err := n.module("eventing")
	if err != nil {
		return err
	}
	core, memory, broker := dir+"/config/core", dir+"/config/channels/in-memory-channel", dir+"/config/brokers/mt-channel-broker"
	return n.install(ctx,
		[]string{core + "/100-namespace.yaml"},
		[]string{
			core + "/resources", core + "/roles", core + "/configmaps", core, memory + "/resources", memory + "/roles",
			memory + "/configmaps", memory, broker + "/roles", dir + "/third_party/eventing-integrations-latest/*images.yaml",
		},
		[]string{
			core + "/deployments/{webhook,controller,pingsource-mt-adapter}.yaml", memory + "/deployments",
			broker + "/deployments/{broker-filter,broker-ingress,controller}.yaml", core + "/webhooks", memory + "/webhooks",
		})
}

func (n *node) serving(ctx context.Context) error {
	dir, err := n.module("serving")
	if err != nil {
		return err
	}
	networking, err := n.module("networking")
	if err != nil {
		return err
	}
	caching, err := n.module("caching")
	if err != nil {
		return err
	}
	core := dir + "/config/core"
	return n.install(ctx,
		[]string{core + "/100-namespace.yaml"},
		[]string{
			networking + "/config/{certificate,domain-claim,ingress,serverlessservice,config-network}.yaml",
			caching + "/config/image.yaml", core + "/300-resources", core + "/200-roles",
		},
		[]string{core, core + "/configmaps", core + "/webhooks", core + "/deployments/{activator,autoscaler,controller,webhook}.yaml"})
}

// module is the folder of a module of Knative, as the module knative pins it.
func (n *node) module(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(n.bin(), "modules"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if of, dir, _ := strings.Cut(strings.TrimSpace(line), " "); of == "knative.dev/"+name {
			return dir, nil
		}
	}
	return "", fmt.Errorf("the folder of knative.dev/%s is not known", name)
}

// install applies stages of files one after the other.
func (n *node) install(ctx context.Context, stages ...[]string) error {
	for _, stage := range stages {
		documents, err := read(stage)
		if err != nil {
			return err
		}
		// A kind that the stage itself defines may take a moment.
		err = until(ctx, time.Minute, "Knative's files are applied", func() (bool, error) {
			err := n.apply(ctx, documents)
			return err == nil, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

var (
	inner  = regexp.MustCompile(`ko://knative\.dev/eventing/cmd/(?:broker|in_memory)/`)
	images = regexp.MustCompile(`ko://knative\.dev/(eventing|serving)/cmd/([a-z_-]+)`)
	choice = regexp.MustCompile(`\{(.*)\}`)
)

// read joins the YAML files of folders, names and patterns with a choice in braces.
func read(stage []string) (string, error) {
	var all strings.Builder
	for _, pattern := range stage {
		for _, one := range spread(pattern) {
			files, err := filepath.Glob(one)
			if err != nil || len(files) == 0 {
				return "", fmt.Errorf("no file %s: %w", one, err)
			}
			for _, file := range files {
				text, err := os.ReadFile(file)
				if err != nil {
					return "", err
				}
				all.Write(text)
				all.WriteString("\n---\n")
			}
		}
	}
	text := inner.ReplaceAllString(all.String(), "ko://knative.dev/eventing/cmd/")
	return images.ReplaceAllString(text, registry+"/tools/$1-$2:v1"), nil
}

func spread(pattern string) []string {
	if found := choice.FindStringSubmatch(pattern); found != nil {
		var list []string
		for one := range strings.SplitSeq(found[1], ",") {
			list = append(list, strings.Replace(pattern, found[0], one, 1))
		}
		return list
	}
	if !strings.HasSuffix(pattern, ".yaml") {
		pattern += "/*.yaml"
	}
	return []string{pattern}
}

// ingress starts the edge.
func (n *node) ingress(ctx context.Context) error {
	text, err := configs.ReadFile("config/edge.yaml")
	if err != nil {
		return err
	}
	if err := n.apply(ctx, string(text)); err != nil {
		return err
	}
	if err := n.start("edge", "edge/kingress", edge+":80", edge+":8089", "http://"+desk); err != nil {
		return err
	}
	return until(ctx, time.Minute, "the ingress listens", func() (bool, error) { return listens(ctx, edge+":80") })
}
