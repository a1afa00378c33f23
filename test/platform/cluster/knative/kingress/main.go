// Command kingress is the edge of the cluster of `make test-knative`: a small ingress
// for Knative Serving, in the place of Kourier or Istio.
//
//	kingress PUBLIC LOCAL DESK
//
// At PUBLIC it serves outsiders: /function/<name> by the Ingress of the bank
// (infra/knative/edge/kourier). Other paths go to DESK, the developer page of the test.
// At LOCAL it serves the calls inside the cluster, by host. Both add the address of their
// client to X-Forwarded-For, behind what the client has sent, as gateways do. A call of an
// outsider passes both, as with Kourier.
package main

import (
	"cmp"
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
	every  = 200 * time.Millisecond
)

// route is where the calls of one host go: by the first path that a call's begins with.
type route struct {
	paths    []v1alpha1.HTTPIngressPath
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
		to := route{external: rule.Visibility != v1alpha1.IngressVisibilityClusterLocal}
		for _, p := range rule.HTTP.Paths {
			if len(p.Headers) == 0 {
				to.paths = append(to.paths, p)
			}
		}
		for _, host := range rule.Hosts {
			routes[host] = to
		}
	}
}

// find returns the way of a request, if there is one.
func (e *edge) find(r *http.Request) (way v1alpha1.HTTPIngressPath, external, ok bool) {
	host, _, _ := strings.Cut(r.Host, ":")
	to := (*e.routes.Load())[host]
	for _, p := range to.paths {
		if strings.HasPrefix(r.URL.Path, p.Path) {
			return p, to.external, true
		}
	}
	return v1alpha1.HTTPIngressPath{}, false, false
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
		way, external, ok := e.find(r)
		_, served := (*e.routes.Load())[way.RewriteHost]
		switch {
		case ok && external && (served || way.RewriteHost == ""):
			e.pass(way).ServeHTTP(w, r)
		case strings.HasPrefix(r.URL.Path, "/function/"):
			http.Error(w, "no such function", http.StatusNotFound)
		default:
			desk.ServeHTTP(w, r)
		}
	})
}

// local serves the pods of the cluster.
func (e *edge) local(w http.ResponseWriter, r *http.Request) {
	way, _, ok := e.find(r)
	if !ok {
		http.Error(w, "no route for "+r.Host, http.StatusNotFound)
		return
	}
	e.pass(way).ServeHTTP(w, r)
}

// pass sends a call to one of the backends of a way.
func (e *edge) pass(way v1alpha1.HTTPIngressPath) http.Handler {
	var split v1alpha1.IngressBackendSplit
	at := rand.IntN(100)
	for _, split = range way.Splits {
		if at -= split.Percent; at < 0 {
			break
		}
	}
	address := fmt.Sprintf("%s.%s.svc.cluster.local:%s", split.ServiceName, split.ServiceNamespace, split.ServicePort.String())
	return &httputil.ReverseProxy{Transport: e.transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: address})
		r.Out.Host = cmp.Or(way.RewriteHost, r.In.Host)
		r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"] // Rewrite has removed it; the next line adds to it
		r.SetXForwarded()
		for _, headers := range []map[string]string{way.AppendHeaders, split.AppendHeaders} {
			for k, v := range headers {
				r.Out.Header.Set(k, v)
			}
		}
	}}
}
