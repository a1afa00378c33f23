package manifests

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	istiov1 "istio.io/client-go/pkg/apis/networking/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	eventingv1 "knative.dev/eventing/pkg/apis/eventing/v1"
	eventingv1alpha1 "knative.dev/eventing/pkg/apis/eventing/v1alpha1"
	"knative.dev/eventing/pkg/apis/feature"
	sourcesv1 "knative.dev/eventing/pkg/apis/sources/v1"
	networkingv1alpha1 "knative.dev/networking/pkg/apis/networking/v1alpha1"
	"knative.dev/pkg/apis"
	servingcfg "knative.dev/serving/pkg/apis/config"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	autoscalercfg "knative.dev/serving/pkg/autoscaler/config"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

const root = "../../.."

const onAWS = "overlays/aws"

var overlays = []string{"overlays/dev", "overlays/prod", onAWS}

// features are those of Knative Eventing as docs/knative.md asks for them.
var features = feature.Flags{feature.DeliveryTimeout: feature.Enabled, feature.OIDCAuthentication: feature.Enabled}

// decoder decodes strictly: a field that the type lacks is an error.
func decoder(t *testing.T) runtime.Decoder {
	t.Helper()
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, servingv1.AddToScheme, eventingv1.AddToScheme, eventingv1alpha1.AddToScheme, sourcesv1.AddToScheme,
		networkingv1alpha1.AddToScheme, gatewayv1.Install, gatewayv1beta1.Install, istiov1.AddToScheme,
	} {
		if err := add(s); err != nil {
			t.Fatal(err)
		}
	}
	return json.NewSerializerWithOptions(json.DefaultMetaFactory, s, s, json.SerializerOptions{Yaml: true, Strict: true})
}

// asKnative is a context with the defaults and features of a fresh installation.
func asKnative(t *testing.T) context.Context {
	t.Helper()
	defaults, err := servingcfg.NewDefaultsConfigFromMap(nil)
	if err != nil {
		t.Fatal(err)
	}
	serving, err := servingcfg.NewFeaturesConfigFromMap(nil)
	if err != nil {
		t.Fatal(err)
	}
	scaler, err := autoscalercfg.NewConfigFromMap(nil)
	if err != nil {
		t.Fatal(err)
	}
	config := &servingcfg.Config{Defaults: defaults, Features: serving, Autoscaler: scaler}
	return apis.WithinCreate(feature.ToContext(servingcfg.ToContext(t.Context(), config), features))
}

// judge decodes a document and returns the object, or the first error of the platform.
func judge(ctx context.Context, d runtime.Decoder, document []byte) (runtime.Object, error) {
	object, _, err := d.Decode(document, nil, nil)
	if err != nil {
		return nil, err
	}
	if o, ok := object.(apis.Defaultable); ok {
		o.SetDefaults(ctx)
	}
	if o, ok := object.(apis.Validatable); ok {
		if err := o.Validate(ctx); err != nil {
			return nil, err
		}
	}
	return object, nil
}

// rendered renders an overlay and returns its objects.
func rendered(t *testing.T, overlay string) []runtime.Object {
	t.Helper()
	return judged(t, kustomized(t, filepath.Join(root, "infra/knative", overlay)))
}

func kustomized(t *testing.T, folder string) resmap.ResMap {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		t.Fatal(err)
	}
	return resources
}

// judged are the documents as the platform's types. Each is strictly decoded and validated.
func judged(t *testing.T, resources resmap.ResMap) []runtime.Object {
	t.Helper()
	var objects []runtime.Object
	for _, r := range resources.Resources() {
		document, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		object, err := judge(asKnative(t), decoder(t), document)
		if err != nil {
			t.Errorf("%s %s: %v", r.GetKind(), r.GetName(), err)
			continue
		}
		objects = append(objects, object)
	}
	return objects
}

// mains lists the processes that have a binary and run in an overlay: on AWS, SQS stands
// in the place of Knative's broker.
func mains(t *testing.T, overlay string) map[string]bool {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, "infra/mains"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, e := range entries {
		names[e.Name()] = true
	}
	delete(names, map[bool]string{false: "events-queues", true: "deadletter-on-event"}[overlay == onAWS])
	if len(names) < 20 {
		t.Fatalf("only %d mains", len(names))
	}
	return names
}

// podSpecs returns the pod of each process in an overlay, by name.
func podSpecs(objects []runtime.Object) map[string]corev1.PodSpec {
	pods := map[string]corev1.PodSpec{}
	for _, o := range objects {
		switch o := o.(type) {
		case *servingv1.Service:
			pods[o.Name] = o.Spec.Template.Spec.PodSpec
		case *appsv1.Deployment:
			pods[o.Name] = o.Spec.Template.Spec
		case *batchv1.Job:
			pods[o.Name] = o.Spec.Template.Spec
		}
	}
	return pods
}

// Knative takes every document of every overlay, and each binary runs in one of them.
func TestThePlatformTakesTheManifests(t *testing.T) {
	t.Parallel()
	for _, overlay := range overlays {
		pods := podSpecs(rendered(t, overlay))
		for name := range mains(t, overlay) {
			if _, ok := pods[name]; !ok {
				t.Errorf("%s: %s is not deployed", overlay, name)
			}
		}
		for name := range pods {
			if !mains(t, overlay)[name] && program(name) != "migrate" {
				t.Errorf("%s: %s has no binary", overlay, name)
			}
		}
	}
}

// program is whose image a process runs: the job that takes rights away is the migrations again.
func program(name string) string {
	if name == "rights" {
		return "migrate"
	}
	return name
}

// No process may do in its container what it does not need: the restricted standard
// of Kubernetes, a read-only file system, no token, and limits.
func TestEachPodIsConfined(t *testing.T) {
	t.Parallel()
	for _, overlay := range overlays {
		for name, pod := range podSpecs(rendered(t, overlay)) {
			for _, c := range pod.Containers {
				s := c.SecurityContext
				if s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.ReadOnlyRootFilesystem == nil ||
					!*s.ReadOnlyRootFilesystem || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.SeccompProfile == nil ||
					len(s.Capabilities.Drop) != 1 || s.Capabilities.Drop[0] != "ALL" {
					t.Errorf("%s: %s: security context %+v", overlay, name, s)
				}
				if c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() {
					t.Errorf("%s: %s: no limits or no requests", overlay, name)
				}
			}
			if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken || pod.ServiceAccountName != program(name) {
				t.Errorf("%s: %s: the pod has a token, or no account of its own", overlay, name)
			}
		}
	}
}

// A process gets the secrets of its own name only, besides those that several share.
func TestSecretsOfOneProcess(t *testing.T) {
	t.Parallel()
	shared := map[string]bool{"tidebank-redis": true, "tidebank-sms": true, "tidebank-face": true}
	for name, pod := range podSpecs(rendered(t, "overlays/prod")) {
		for _, v := range pod.Volumes {
			if v.Secret != nil && v.Secret.SecretName != "tidebank-keys-"+name {
				t.Errorf("%s mounts the secret %s", name, v.Secret.SecretName)
			}
		}
		for _, e := range pod.Containers[0].Env {
			if strings.HasSuffix(e.Name, "_SECRET") && e.ValueFrom == nil || e.Name == "DATABASE_URL" && e.Value != "" {
				t.Errorf("%s: %s stands in the manifest", name, e.Name)
			}
			if e.ValueFrom == nil || e.ValueFrom.SecretKeyRef == nil {
				continue
			}
			ref := e.ValueFrom.SecretKeyRef
			own := ref.Name == "tidebank-database" && ref.Key == program(name) || ref.Name == "tidebank-probe" && name == "business-probe" ||
				ref.Name == "tidebank-cert" && (ref.Key == "roots" || name == "identity-cert-apply" || name == "bank-upkeep")
			if !shared[ref.Name] && !own {
				t.Errorf("%s reads %s of the secret %s", name, ref.Key, ref.Name)
			}
		}
	}
}

// Each event function has one Trigger, but the one that takes the broker's dead letters. No
// function answers outside of the cluster: apps come by the route of the edge.
func TestFunctionsAreInside(t *testing.T) {
	t.Parallel()
	triggers, consumers := map[string]bool{}, map[string]bool{}
	sink := ""
	for _, o := range rendered(t, "overlays/prod") {
		switch o := o.(type) {
		case *eventingv1.Broker:
			if d := o.Spec.Delivery; d != nil && d.DeadLetterSink != nil && d.DeadLetterSink.Ref != nil {
				sink = d.DeadLetterSink.Ref.Name
			}
		case *eventingv1.Trigger:
			triggers[o.Name] = true
			if o.Spec.Subscriber.Ref.Name != o.Name || len(o.Spec.Filters) == 0 {
				t.Errorf("trigger %s: %+v", o.Name, o.Spec)
			}
		case *servingv1.Service:
			if o.Labels["networking.knative.dev/visibility"] != "cluster-local" {
				t.Errorf("%s answers at Knative's own public address", o.Name)
			}
			consumers[o.Name] = o.Labels["app.kubernetes.io/component"] == "consumer"
		}
	}
	for name, consumer := range consumers {
		if consumer != (triggers[name] != (name == sink)) {
			t.Errorf("%s: a consumer %v, has a trigger %v", name, consumer, triggers[name])
		}
	}
	if !consumers[sink] {
		t.Errorf("dead letters go to %q, which is no event function", sink)
	}
	if len(triggers) < 5 {
		t.Errorf("only %d triggers", len(triggers))
	}
}

// On AWS the relay sends to SNS, a worker takes the events from SQS to the functions, and
// nothing of Knative's broker is left.
func TestEventsOnAWS(t *testing.T) {
	t.Parallel()
	objects := rendered(t, onAWS)
	for _, o := range objects {
		switch o.(type) {
		case *eventingv1.Broker, *eventingv1.Trigger, *eventingv1alpha1.EventPolicy, *sourcesv1.SinkBinding:
			t.Errorf("%T is left", o)
		}
	}
	settings := map[string][]string{}
	for name, pod := range podSpecs(objects) {
		for _, e := range pod.Containers[0].Env {
			if slices.Contains(settings[name], e.Name) {
				t.Errorf("%s has %s twice", name, e.Name)
			}
			settings[name] = append(settings[name], e.Name)
		}
		if program(name) != "migrate" && !slices.Contains(settings[name], "AWS_REGION") {
			t.Errorf("%s does not know the region", name)
		}
	}
	for name, wants := range map[string]string{
		"events-relay": "SNS_TOPIC_ARN", "events-queues": "FUNCTIONS_URL", "business-probe": "PROBE_LEFT_OUT",
	} {
		if !slices.Contains(settings[name], wants) {
			t.Errorf("%s has no %s: %v", name, wants, settings[name])
		}
	}
}

// infra/knative/deploy applies what has the label of the migrations before the rest. This
// is all that the job needs besides its Secret: with a ConfigMap that is not there yet, it would
// never start on an empty cluster.
func TestTheMigrationsComeFirst(t *testing.T) {
	t.Parallel()
	for _, overlay := range overlays {
		var first []string
		for _, o := range rendered(t, overlay) {
			object, ok := o.(metav1.Object)
			if ok && object.GetLabels()["app.kubernetes.io/name"] == "migrate" {
				first = append(first, fmt.Sprintf("%T", o))
			}
		}
		slices.Sort(first)
		if want := []string{"*v1.Job", "*v1.ServiceAccount"}; !slices.Equal(first, want) {
			t.Errorf("%s: %v, want %v", overlay, first, want)
		}
		pod := podSpecs(rendered(t, overlay))["migrate"]
		for _, v := range pod.Volumes {
			if c := v.ConfigMap; c != nil && (c.Optional == nil || !*c.Optional) {
				t.Errorf("%s: the migrations mount the ConfigMap %s", overlay, c.Name)
			}
		}
		for _, e := range pod.Containers[0].Env {
			if from := e.ValueFrom; from != nil && from.ConfigMapKeyRef != nil {
				t.Errorf("%s: the migrations read %s from a ConfigMap", overlay, e.Name)
			}
		}
		if from := pod.Containers[0].EnvFrom; len(from) > 0 {
			t.Errorf("%s: the migrations read %v", overlay, from)
		}
	}
}

// The selector of docs/terraform.md leaves out of the remote region what needs a database
// that takes changes, and applies the rest.
func TestTheRemoteRegionIsPrepared(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(root, "docs/terraform.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "--selector '")
	text, _, found := strings.Cut(text, "'")
	selector, err := labels.Parse(text)
	if err != nil || !found {
		t.Fatalf("%q: %v", text, err)
	}
	applied := map[string]int{}
	for _, o := range rendered(t, onAWS) {
		object, ok := o.(metav1.Object)
		if !ok {
			t.Fatalf("%T has no labels", o)
		}
		if !selector.Matches(labels.Set(object.GetLabels())) {
			continue
		}
		switch o.(type) {
		case *batchv1.Job, *appsv1.Deployment, *servingv1.Service, *gatewayv1.HTTPRoute:
			t.Errorf("%T %s is applied", o, object.GetName())
		}
		applied[fmt.Sprintf("%T", o)]++
	}
	for _, kind := range []string{"*v1.Namespace", "*v1.ServiceAccount", "*v1.ConfigMap", "*v1.Secret", "*v1.NetworkPolicy"} {
		if applied[kind] == 0 {
			t.Errorf("no %s is applied: %v", kind, applied)
		}
	}
}

// The lines of docs/knative.md make an overlay that names images by digest and keeps the
// rest of its base. The file of `make images` is the golden one of infra/images.
func TestTheOverlayOfARelease(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(root, "docs/knative.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, lines, _ := strings.Cut(string(page), "release=../bank/v1\n")
	lines, _, found := strings.Cut(lines, "kubectl kustomize")
	if !found {
		t.Fatal("docs/knative.md does not make the overlay of a release")
	}
	release := filepath.Join(t.TempDir(), "v1")
	lines = strings.Replace(lines, "build/images/", "infra/images/testdata/", 1)
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", lines)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "release="+release)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	resources := kustomized(t, release)
	text, err := resources.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	for _, image := range []string{
		"registry.example/tidebank/migrate@sha256:" + strings.Repeat("0a", 32),
		"registry.example/tidebank/transfer-confirm@sha256:" + strings.Repeat("1b", 32),
	} {
		if !strings.Contains(string(text), "image: "+image+"\n") {
			t.Errorf("the overlay does not name %s", image)
		}
	}
	if want := len(rendered(t, "overlays/prod")) + 1; resources.Size() != want { // tidebank-options
		t.Errorf("%d documents, want the %d of overlays/prod and of the options", resources.Size(), want)
	}
	sameNames(t, judged(t, resources))
	if !strings.Contains(string(text), "trusted-proxies: 127.0.0.1,10.0.0.0/16\n") || !strings.Contains(string(text), "PROBE_EVENTS_URL: ") {
		t.Error("the settings of overlays/prod or of the release are lost")
	}
}

// sameNames checks that each process reads the generated ConfigMaps by their present names,
// which hold a digest of what is in them. So a changed setting is a changed process, and the
// platform replaces its instances.
func sameNames(t *testing.T, objects []runtime.Object) {
	t.Helper()
	digested := regexp.MustCompile(`^tidebank(-options)?-[a-z0-9]{10}$`)
	made, read := map[string]bool{}, map[string]bool{}
	for _, o := range objects {
		if c, ok := o.(*corev1.ConfigMap); ok {
			made[c.Name] = true
		}
	}
	for name, pod := range podSpecs(objects) {
		for _, from := range configMaps(pod) {
			read[from] = true
			if from != "tidebank-ca" && !digested.MatchString(from) {
				t.Errorf("%s reads the ConfigMap %s, whose name has no digest", name, from)
			}
		}
	}
	delete(read, "tidebank-ca") // made by hand, and optional
	if !maps.Equal(made, read) || len(made) != 2 {
		t.Errorf("the ConfigMaps are %v, the processes read %v", made, read)
	}
}

// configMaps are the names of the ConfigMaps that a process reads.
func configMaps(pod corev1.PodSpec) (names []string) {
	for _, v := range pod.Volumes {
		if v.ConfigMap != nil {
			names = append(names, v.ConfigMap.Name)
		}
	}
	for _, c := range pod.Containers {
		for _, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.ConfigMapKeyRef != nil {
				names = append(names, e.ValueFrom.ConfigMapKeyRef.Name)
			}
		}
		for _, f := range c.EnvFrom {
			if f.ConfigMapRef != nil {
				names = append(names, f.ConfigMapRef.Name)
			}
		}
	}
	return names
}

// With the Component registry-login, each pod pulls its image with the bank's login.
func TestARegistryThatAsksForALogin(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(root, "infra/knative"))); err != nil {
		t.Fatal(err)
	}
	text := "resources: [overlays/prod]\ncomponents: [overlays/registry-login]\n"
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	objects := judged(t, kustomized(t, dir))
	logins := map[string]bool{}
	for _, o := range objects {
		if account, ok := o.(*corev1.ServiceAccount); ok {
			logins[account.Name] = slices.Equal(account.ImagePullSecrets, []corev1.LocalObjectReference{{Name: "tidebank-registry"}})
		}
	}
	for name, pod := range podSpecs(objects) {
		if !logins[pod.ServiceAccountName] {
			t.Errorf("%s pulls its image without a login", name)
		}
	}
}

// The judge finds what a cluster would refuse.
func TestFaultsAreFound(t *testing.T) {
	t.Parallel()
	good, err := os.ReadFile(filepath.Join(root, "infra/knative/base/functions.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	first := strings.Split(string(good), "\n---\n")[1]
	if _, err := judge(asKnative(t), decoder(t), []byte(first)); err != nil {
		t.Fatal(err)
	}
	for name, replace := range map[string][2]string{
		"a field with a typing error": {"containerConcurrency", "containerConcurency"},
		"a scale that is no number":   {`max-scale: "6"`, `max-scale: "ten"`},
		"a host's network":            {"enableServiceLinks: false", "hostNetwork: true"},
		"an endless call":             {"timeoutSeconds: 30", "timeoutSeconds: 86400"},
		"a probe of nothing":          {"httpGet: {path: /_/ready}", "httpGet: {paths: /_/ready}"},
		"a secret without a name":     {"secretName: ", "secretNam: "},
		"a wrong version":             {"serving.knative.dev/v1", "serving.knative.dev/v9"},
	} {
		text := strings.Replace(first, replace[0], replace[1], 1)
		if text == first {
			t.Errorf("%s: nothing was changed", name)
		}
		if _, err := judge(asKnative(t), decoder(t), []byte(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
