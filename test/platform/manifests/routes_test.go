package manifests

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	istiov1 "istio.io/client-go/pkg/apis/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
	networkingv1alpha1 "knative.dev/networking/pkg/apis/networking/v1alpha1"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"
)

const address = "m.bank.example"

// way is one path of the edge, and the host that its calls go to.
type way struct{ Address, Path, Host string }

// ways reads the routes of a gateway, in their order.
func ways(t *testing.T, objects []runtime.Object) (list []way) {
	t.Helper()
	for _, o := range objects {
		switch o := o.(type) {
		case *networkingv1alpha1.Ingress:
			for _, rule := range o.Spec.Rules {
				for _, p := range rule.HTTP.Paths {
					list = append(list, way{rule.Hosts[0], p.Path, p.RewriteHost})
					if to := p.Splits[0]; to.ServiceName+"."+to.ServiceNamespace+".svc.cluster.local" != p.RewriteHost || to.Percent != 100 {
						t.Errorf("%s goes to %+v", p.Path, to)
					}
				}
			}
		case *gatewayv1.HTTPRoute:
			for _, rule := range o.Spec.Rules {
				if rule.BackendRefs[0].Name != "kourier-internal" || len(rule.Matches) != 1 || len(rule.Filters) != 1 {
					t.Errorf("%s: %+v", o.Name, rule)
				}
				list = append(list, way{
					string(o.Spec.Hostnames[0]), *rule.Matches[0].Path.Value, string(*rule.Filters[0].URLRewrite.Hostname),
				})
			}
		case *istiov1.VirtualService:
			for _, r := range o.Spec.Http {
				list = append(list, way{o.Spec.Hosts[0], r.Match[0].Uri.GetExact(), r.Rewrite.Authority})
			}
		}
	}
	return list
}

// Whichever gateway a bank has, each function for apps has a path there, and no event
// function has one. No path hides another that begins with it.
func TestAppsReachEachFunction(t *testing.T) {
	t.Parallel()
	var want []way
	for _, o := range rendered(t, "overlays/prod") {
		if s, ok := o.(*servingv1.Service); ok && s.Labels["app.kubernetes.io/component"] == "function" {
			want = append(want, way{address, "/function/" + s.Name, s.Name + ".tidebank.svc.cluster.local"})
		}
	}
	if len(want) < 15 {
		t.Fatalf("only %d functions", len(want))
	}
	byPath := func(a, b way) int { return strings.Compare(a.Path, b.Path) }
	slices.SortFunc(want, byPath)
	for _, gateway := range []string{"gateway-api", "istio", "kourier"} {
		got := ways(t, routesOf(t, gateway))
		for i, w := range got {
			if later := slices.IndexFunc(got[i+1:], func(next way) bool { return strings.HasPrefix(next.Path, w.Path) }); later >= 0 {
				t.Errorf("%s: %s hides %s", gateway, w.Path, got[i+1+later].Path)
			}
		}
		slices.SortFunc(got, byPath)
		if !slices.Equal(got, want) {
			t.Errorf("%s has the paths %v, want %v", gateway, got, want)
		}
	}
}

// routesOf renders the routes of one gateway.
func routesOf(t *testing.T, gateway string) []runtime.Object {
	t.Helper()
	knative, err := filepath.Abs(filepath.Join(root, "infra/knative"))
	if err != nil {
		t.Fatal(err)
	}
	folder, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	there, err := filepath.Rel(folder, knative) // kustomize takes no absolute path
	if err != nil {
		t.Fatal(err)
	}
	back, err := filepath.Rel(knative, folder)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("namespace: tidebank\ncomponents: [%s/edge/%s]\n", there, gateway)
	if err := os.WriteFile(filepath.Join(folder, "kustomization.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return rendered(t, back)
}

// The routes of the Gateway API use a Service of another namespace, which grants it.
func TestTheGatewayMayUseTheService(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "infra/knative/edge/gateway-api/grant.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	object, err := judge(asKnative(t), decoder(t), text)
	if err != nil {
		t.Fatal(err)
	}
	grant, ok := object.(*gatewayv1beta1.ReferenceGrant)
	if !ok {
		t.Fatalf("the grant is a %T", object)
	}
	for _, o := range routesOf(t, "gateway-api") {
		route, ok := o.(*gatewayv1.HTTPRoute)
		if !ok {
			continue
		}
		to := route.Spec.Rules[0].BackendRefs[0]
		if string(*to.Namespace) != grant.Namespace || to.Name != *grant.Spec.To[0].Name || string(grant.Spec.From[0].Namespace) != route.Namespace {
			t.Errorf("the route %s in %s to %+v is not granted", route.Name, route.Namespace, to)
		}
	}
}
