package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// edge is the load balancer before the sites, as a bank has one: it asks each instance
// whether it is ready, and sends a call elsewhere if an instance takes no connection. It
// repeats no call that an instance may have seen.
type edge struct {
	client *http.Transport
	next   atomic.Uint64
	calls  atomic.Int64 // of customers
	broken atomic.Int64 // calls without an answer of an instance

	mu      sync.Mutex
	targets []*target
	only    string // the site to which an operator has sent all customers
}

// target is an instance.
type target struct {
	site, address string
	ready         bool
	served        atomic.Int64
}

const (
	edgeAnswers = 8 * time.Second        // longest wait for an answer
	edgeProbes  = 200 * time.Millisecond // pause between two questions to an instance
	edgePatient = time.Second            // longest wait for a connection, or for the answer that it is ready
)

func newEdge() *edge {
	dialer := &net.Dialer{Timeout: edgePatient}
	return &edge{client: &http.Transport{
		DialContext: dialer.DialContext, ResponseHeaderTimeout: edgeAnswers, MaxIdleConnsPerHost: 64,
	}}
}

func (e *edge) add(site, address string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.targets = append(e.targets, &target{site: site, address: address})
}

// watch asks every instance again and again whether it is ready.
func (e *edge) watch(ctx context.Context) {
	for ctx.Err() == nil {
		e.mu.Lock()
		targets := slices.Clone(e.targets)
		e.mu.Unlock()
		var asked sync.WaitGroup
		for _, t := range targets {
			asked.Go(func() {
				ready := e.isReady(ctx, t)
				e.mu.Lock()
				defer e.mu.Unlock()
				t.ready = ready
			})
		}
		asked.Wait()
		select {
		case <-ctx.Done():
		case <-time.After(edgeProbes):
		}
	}
}

func (e *edge) isReady(ctx context.Context, t *target) bool {
	ctx, cancel := context.WithTimeout(ctx, edgePatient)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+t.address+"/_/ready", http.NoBody)
	if err != nil {
		return false
	}
	response, err := e.client.RoundTrip(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close() // it is empty
	return response.StatusCode == http.StatusOK
}

// send sends all customers to a site.
func (e *edge) send(site string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.only = site
}

// order lists the instances for a call: ready ones in turn, of one site or of all. The
// remote site takes no customers unless it is named.
func (e *edge) order(site string) (list []*target) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, t := range e.targets {
		if t.ready && (t.site == site || site == "" && (t.site == e.only || e.only == "" && t.site != remote)) {
			list = append(list, t)
		}
	}
	if len(list) == 0 {
		return nil
	}
	n := int(e.next.Add(1) % uint64(len(list)))
	return append(list[n:], list[:n]...)
}

// handler is the edge of a site, or of all sites ("").
func (e *edge) handler(site string) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "bank" },
		Transport: sender{e, site},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			e.broken.Add(1)
			w.WriteHeader(http.StatusBadGateway)
		},
	}
}

type sender struct {
	edge *edge
	site string
}

var errNobody = errors.New("no instance is ready")

// RoundTrip sends a call to the first instance that takes the connection.
func (s sender) RoundTrip(r *http.Request) (*http.Response, error) {
	s.edge.calls.Add(1)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	err = errNobody
	for _, t := range s.edge.order(s.site) {
		out := r.Clone(r.Context())
		out.URL.Host = t.address
		out.ContentLength = int64(len(body))
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		out.Body, _ = out.GetBody() // it never fails
		var response *http.Response
		if response, err = s.edge.client.RoundTrip(out); err == nil {
			t.served.Add(1)
			return response, nil
		}
		var network *net.OpError
		if !errors.As(err, &network) || network.Op != "dial" {
			return nil, err
		}
	}
	return nil, err
}

// served counts the calls that a site's instances have answered.
func (e *edge) served(site string) (n int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, t := range e.targets {
		if t.site == site {
			n += t.served.Load()
		}
	}
	return n
}

// readyIn counts the instances of a site that are ready.
func (e *edge) readyIn(site string) (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, t := range e.targets {
		if t.site == site && t.ready {
			n++
		}
	}
	return n
}
