package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// registered reads the platform's registry: it has each function and worker with its
// version and health, and forgets a service that is removed.
func registered(ctx context.Context, l *lab) error {
	list, err := l.revisions(ctx)
	if err != nil {
		return err
	}
	all := processes()
	for _, one := range all {
		if got := list[one.Name]; !got.ready || !strings.Contains(got.image, "@sha256:") {
			return fmt.Errorf("%s: %+v", one.Name, got)
		}
	}
	if len(list) != len(all) {
		return fmt.Errorf("%d services are registered, want %d", len(list), len(all))
	}
	const gone = "message-read"
	if err := l.remove(ctx, "ksvc/"+gone); err != nil {
		return err
	}
	defer l.deploy(context.WithoutCancel(ctx), "v1") //nolint:errcheck // the next check would say so
	if list, err = l.revisions(ctx); err != nil {
		return err
	}
	if _, ok := list[gone]; ok || len(list) != len(all)-1 {
		return fmt.Errorf("%s is removed and still registered: %+v", gone, list[gone])
	}
	return nil
}

// remove deletes objects of the bank, and waits until they and their pods are gone.
func (l *lab) remove(ctx context.Context, objects ...string) error {
	if _, err := l.kubectl(ctx, "", append([]string{"-n", namespace, "delete", "--wait"}, objects...)...); err != nil {
		return err
	}
	for _, o := range objects {
		name, isService := strings.CutPrefix(o, "ksvc/")
		if !isService {
			continue
		}
		err := until(ctx, time.Minute, "the edge forgets "+name, func() (bool, error) {
			status, _, err := send(ctx, http.DefaultClient, bankURL+"/function/"+name, "{}", nil)
			return status == http.StatusNotFound, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

const (
	busy  = 12 // callers at once; the test's overlay sets a target of 4 for each instance
	climb = 90 * time.Second
	sink  = 3 * time.Minute
)

// scale calls one function from many apps until it has more instances, and then from one
// app until it has fewer. No call may fail.
func scale(ctx context.Context, l *lab) error {
	notes := newCounts()
	var apps []*customer
	for i := range busy {
		c, err := newCustomer(ctx, i, 1, newCounts())
		if err != nil {
			return err
		}
		apps = append(apps, c.noting(notes, i))
	}
	low, err := l.instances(ctx, scaled)
	if err != nil {
		return err
	}
	high, err := l.underLoad(ctx, apps, climb, func(n int) bool { return n > max(low, 1) })
	if err != nil {
		return fmt.Errorf("rising load: %w", err)
	}
	if err := notes.problem(); err != nil {
		return fmt.Errorf("rising load: %w", err)
	}
	fell, err := l.underLoad(ctx, apps[:1], sink, func(n int) bool { return n == 1 })
	if err != nil {
		return fmt.Errorf("falling load: %w", err)
	}
	calls, _ := notes.sum()
	say("%d instances, then %d, then %d; %d calls", low, high, fell, calls)
	return notes.problem()
}

// instances is how many instances of a function are ready.
func (l *lab) instances(ctx context.Context, function string) (int, error) {
	pods, err := l.pods(ctx, "serving.knative.dev/service="+function)
	ready := 0
	for _, p := range pods {
		if p.ready() {
			ready++
		}
	}
	return ready, err
}

// underLoad lets apps call without a pause until the number of instances is as wanted.
func (l *lab) underLoad(ctx context.Context, apps []*customer, within time.Duration, enough func(int) bool) (n int, err error) {
	loaded, stop := context.WithCancel(ctx)
	var wait sync.WaitGroup
	failed := make(chan error, len(apps))
	for _, c := range apps {
		wait.Go(func() {
			for loaded.Err() == nil {
				if _, err := c.AccountOverview(context.WithoutCancel(ctx)); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	err = until(ctx, within, "the number of instances changes", func() (bool, error) {
		n, err = l.instances(ctx, scaled)
		return err == nil && enough(n), err
	})
	if err == nil { // the changed number serves for a while
		err = pause(ctx, 5*time.Second)
	}
	stop()
	wait.Wait()
	select {
	case call := <-failed:
		return n, fmt.Errorf("a call failed: %w", call)
	default:
	}
	if err != nil {
		err = fmt.Errorf("%w (%d instances)", err, n)
	}
	return n, err
}

// added removes a function that customers call and one that takes events. It deploys
// them again while the callers run.
func added(ctx context.Context, l *lab) error {
	c, err := newCustomer(ctx, 4, 1, newCounts())
	if err != nil {
		return err
	}
	const called, consumer = "message-read", "fraud-on-transfer"
	if err := l.remove(ctx, "ksvc/"+called, "ksvc/"+consumer, "trigger/"+consumer); err != nil {
		return err
	}
	before, err := l.pods(ctx, "app.kubernetes.io/component=worker")
	if err != nil {
		return err
	}
	if err := l.deploy(ctx, "v1"); err != nil {
		return err
	}
	if _, err := c.round(ctx); err != nil { // it calls message-read too
		return fmt.Errorf("an app that runs already: %w", err)
	}
	id, err := l.paid(ctx, c)
	if err != nil {
		return err
	}
	if err := l.taken(ctx, id, consumer, time.Minute); err != nil {
		return err
	}
	after, err := l.pods(ctx, "app.kubernetes.io/component=worker")
	if err == nil && !slices.Equal(identities(before), identities(after)) {
		err = fmt.Errorf("the workers, which send the events, were replaced: %v, %v", identities(before), identities(after))
	}
	return err
}

// identities tell pods and their restarts from others.
func identities(pods []pod) []string {
	var list []string
	for _, p := range pods {
		id := p.Metadata.Name + " " + p.Metadata.UID
		for _, c := range p.Status.ContainerStatuses {
			id += fmt.Sprintf(" %s=%d", c.Name, c.RestartCount)
		}
		list = append(list, id)
	}
	slices.Sort(list)
	return list
}

// alone deploys a new version of one function.
func alone(ctx context.Context, l *lab) error {
	const one = "transfer-list"
	before, err := l.revisions(ctx)
	if err != nil {
		return err
	}
	workers, err := l.pods(ctx, "app.kubernetes.io/component=worker")
	if err != nil {
		return err
	}
	if err := l.deploy(ctx, "v1", one); err != nil {
		return err
	}
	defer l.deploy(context.WithoutCancel(ctx), "v1") //nolint:errcheck // the next check would say so
	after, err := l.revisions(ctx)
	if err != nil {
		return err
	}
	for name, was := range before {
		if is := after[name]; (is != was) != (name == one) {
			return fmt.Errorf("%s: %+v before, %+v after", name, was, is)
		}
	}
	now, err := l.pods(ctx, "app.kubernetes.io/component=worker")
	if err == nil && !slices.Equal(identities(workers), identities(now)) {
		err = fmt.Errorf("the workers were replaced: %v, %v", identities(workers), identities(now))
	}
	return err
}
