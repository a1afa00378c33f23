// Command kingress is the edge of the cluster of `make test-knative`: a small ingress
// for Knative Serving, in the place of Kourier or Istio.
//
//	kingress PUBLIC LOCAL DESK
//
// At PUBLIC it serves /function/<name> of the functions that outsiders may call, by the
// route that Knative gives them, and passes all other paths to DESK, the developer page
// of the test. It overwrites X-Forwarded-For with the address of its client, as
// docs/knative.md asks for. At LOCAL it serves the calls inside the cluster, by host.
package main

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"knative.dev/networking/pkg/apis/networking"
	"knative.dev/networking/pkg/apis/networking/v1alpha1"
	netclient "knative.dev/networking/pkg/client/clientset/versioned"
)

const (
	class  = "test.ingress.networking.knative.dev"
	local  = "test-gateway.knative-serving.svc.cluster.local"
	public = "test-gateway-public.knative-serving.svc.cluster.local"
	suffix = ".tidebank.bank.test" // the bank's namespace and Knative's domain
	every  = 200 * time.Millisecond
)

// route is where the calls of one host go.
type route struct {
	path     v1alpha1.HTTPIngressPath
	external bool
}

// edge holds the routes of all Ingress objects.
type edge struct {
	client    netclient.Interface
	routes    atomic.Pointer[map[string]route]
	transport http.RoundTripper
}

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: kingress PUBLIC LOCAL DESK")
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		log.Fatal(err)
	}
	config.QPS, config.Burst = 100, 200
	desk, err := url.Parse(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	e := &edge{client: netclient.NewForConfigOrDie(config), transport: &http.Transport{MaxIdleConnsPerHost: 200, IdleConnTimeout: 20 * time.Second}}
	e.routes.Store(&map[string]route{})
	go e.follow(context.Background())
	go func() { log.Fatal(http.ListenAndServe(os.Args[2], http.HandlerFunc(e.local))) }()
	log.Fatal(http.ListenAndServe(os.Args[1], e.public(httputil.NewSingleHostReverseProxy(desk))))
}

// follow reads the Ingress objects again and again, and tells Knative that they are
// served.
func (e *edge) follow(ctx context.Context) {
	for ; ; time.Sleep(every) {
		list, err := e.client.NetworkingV1alpha1().Ingresses("").List(ctx, metav1.ListOptions{})
		if err != nil {
			log.Print(err)
			continue
		}
		routes := map[string]route{}
		var served []v1alpha1.Ingress
		for _, i := range list.Items {
			if i.Annotations[networking.IngressClassAnnotationKey] != class {
				continue
			}
			add(routes, i)
			if i.Status.ObservedGeneration != i.Generation || !i.IsReady() {
				served = append(served, i)
			}
		}
		e.routes.Store(&routes)
		for _, i := range served {
			e.ready(ctx, &i)
		}
	}
}

func add(routes map[string]route, i v1alpha1.Ingress) {
	for _, rule := range i.Spec.Rules {
		for _, host := range rule.Hosts {
			for _, p := range rule.HTTP.Paths {
				if len(p.Headers) == 0 {
					routes[host] = route{path: p, external: rule.Visibility != v1alpha1.IngressVisibilityClusterLocal}
				}
			}
		}
	}
}

func (e *edge) ready(ctx context.Context, i *v1alpha1.Ingress) {
	i.Status.InitializeConditions()
	i.Status.MarkNetworkConfigured()
	i.Status.MarkLoadBalancerReady(
		[]v1alpha1.LoadBalancerIngressStatus{{DomainInternal: public}}, []v1alpha1.LoadBalancerIngressStatus{{DomainInternal: local}})
	i.Status.ObservedGeneration = i.Generation
	if _, err := e.client.NetworkingV1alpha1().Ingresses(i.Namespace).UpdateStatus(ctx, i, metav1.UpdateOptions{}); err != nil {
		log.Print(err)
	}
}

// public serves outsiders.
func (e *edge) public(desk http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, isFunction := strings.CutPrefix(r.URL.Path, "/function/")
		if !isFunction {
			desk.ServeHTTP(w, r)
			return
		}
		to, ok := (*e.routes.Load())[name+suffix]
		if !ok || !to.external {
			http.Error(w, "no such function", http.StatusNotFound)
			return
		}
		e.pass(to, name+suffix, "/").ServeHTTP(w, r)
	})
}

// local serves the pods of the cluster.
func (e *edge) local(w http.ResponseWriter, r *http.Request) {
	host, _, _ := strings.Cut(r.Host, ":")
	to, ok := (*e.routes.Load())[host]
	if !ok {
		http.Error(w, "no route for "+host, http.StatusNotFound)
		return
	}
	e.pass(to, host, r.URL.Path).ServeHTTP(w, r)
}

// pass sends a call to one of the revisions of a route.
func (e *edge) pass(to route, host, path string) http.Handler {
	var split v1alpha1.IngressBackendSplit
	at := rand.IntN(100)
	for _, split = range to.path.Splits {
		if at -= split.Percent; at < 0 {
			break
		}
	}
	address := fmt.Sprintf("%s.%s.svc.cluster.local:%s", split.ServiceName, split.ServiceNamespace, split.ServicePort.String())
	return &httputil.ReverseProxy{Transport: e.transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: address})
		r.Out.Host, r.Out.URL.Path = host, path
		r.SetXForwarded() // Rewrite has removed what the client sent
		for _, headers := range []map[string]string{to.path.AppendHeaders, split.AppendHeaders} {
			for k, v := range headers {
				r.Out.Header.Set(k, v)
			}
		}
	}}
}
