package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tidebank/tidebank/client"
)

// hellos is more than one address may open channels in a minute.
const hellos = 650

// rates shows that the bank counts calls by the real address of the client, with
// Knative's activator in the path and without it.
func rates(ctx context.Context, l *lab) error {
	if err := l.limits(ctx, 20); err != nil {
		return fmt.Errorf("with the activator: %w", err)
	}
	const annotation = "autoscaling.knative.dev/target-burst-capacity"
	set := func(value string) error {
		patch := `{"spec":{"template":{"metadata":{"annotations":{"` + annotation + `":"` + value + `",` +
			`"autoscaling.knative.dev/min-scale":"` +
			map[string]string{"0": "1", "-1": "0"}[value] + `"}}}}}`
		if _, err := l.kubectl(ctx, "", "-n", namespace, "patch", "ksvc", "channel-open", "--type", "merge", "-p", patch); err != nil {
			return err
		}
		_, err := l.kubectl(ctx, "", "-n", namespace, "wait", "--for=condition=Ready", "ksvc/channel-open", "--timeout=120s")
		return err
	}
	if err := set("0"); err != nil {
		return err
	}
	defer set("-1") //nolint:errcheck // the next deployment sets it too
	err := until(ctx, 2*time.Minute, "Knative takes the activator out of the path", func() (bool, error) {
		mode, err := l.kubectl(ctx, "", "-n", namespace, "get", "serverlessservice", "-l", "serving.knative.dev/service=channel-open",
			"--sort-by=.metadata.creationTimestamp", "-o", "jsonpath={.items[-1:].spec.mode}")
		return mode == "Serve", err
	})
	if err != nil {
		return err
	}
	if err := l.limits(ctx, 30); err != nil {
		return fmt.Errorf("without the activator: %w", err)
	}
	return nil
}

// limits floods from one address, which also invents others, until the bank refuses it.
// Then it calls from a second one.
func (l *lab) limits(ctx context.Context, i int) error {
	flood, calm := &http.Client{Transport: from(clientAddress(i))}, &http.Client{Transport: from(clientAddress(i + 1))}
	const callers = 6 // at once, so that the calls come within a minute on a slow machine too
	results := make(chan error, callers)
	var limited atomic.Bool
	for caller := range callers {
		go func() {
			for n := 0; n < 2*hellos/callers && !limited.Load(); n++ {
				header := http.Header{
					"X-Forwarded-For": {fmt.Sprintf("203.0.%d.%d", caller, n)}, "Content-Type": {"application/json"},
				}
				status, text, err := send(ctx, flood, bankURL+"/function/channel-open", "{}", header)
				if status == http.StatusTooManyRequests {
					limited.Store(true)
				} else if err != nil || status != http.StatusBadRequest {
					results <- fmt.Errorf("a hello without content: %d %s %w", status, text, err)
					return
				}
			}
			results <- nil
		}()
	}
	var err error
	for range callers {
		err = errors.Join(err, <-results)
	}
	if err == nil && !limited.Load() {
		err = fmt.Errorf("%d calls from one address, which invented others, and none was refused", 2*hellos)
	}
	if err != nil {
		return err
	}
	return post(ctx, calm, bankURL+"/function/channel-open", "{}", http.Header{"Content-Type": {"application/json"}}, http.StatusBadRequest)
}

const (
	outage   = 60 * time.Second
	quickly  = 2 * time.Second
	recovers = 30 * time.Second
)

// database stops PostgreSQL for a minute. The bank says so, sealed and quickly, and
// recovers by itself.
func databaseDown(ctx context.Context, l *lab) error {
	notes := newCounts()
	c, err := newCustomer(ctx, 2, 1, notes)
	if err != nil {
		return err
	}
	before, err := l.restarts(ctx)
	if err != nil {
		return err
	}
	if err := order(ctx, "postgres/stop"); err != nil {
		return err
	}
	defer order(context.WithoutCancel(ctx), "postgres/start") //nolint:errcheck // starting twice does nothing
	var slowest time.Duration
	for end := time.Now().Add(outage); time.Now().Before(end); {
		begun := time.Now()
		_, err := c.AccountOverview(ctx)
		took := time.Since(begun)
		slowest = max(slowest, took)
		var p *client.Problem
		switch {
		case !errors.As(err, &p) || p.Code != "SERVICE_UNAVAILABLE" || p.Trace == "":
			return fmt.Errorf("without PostgreSQL: %v", err) //nolint:errorlint // a nil error too
		case took > quickly:
			return fmt.Errorf("the refusal took %s", took)
		}
		if err := pause(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
	if err := order(ctx, "postgres/start"); err != nil {
		return err
	}
	for what := range notes.failed {
		if what != "account-overview: 503 sealed" {
			return fmt.Errorf("during the outage: %s", what)
		}
	}
	begun := time.Now()
	err = until(ctx, recovers, "account-overview answers again", func() (bool, error) {
		_, err := c.AccountOverview(ctx)
		return err == nil, err
	})
	if err != nil {
		return err
	}
	say("without PostgreSQL the slowest refusal took %s; after its return the bank answered in %s",
		slowest.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond))
	if _, err := c.pay(ctx); err != nil {
		return fmt.Errorf("after the outage: %w", err)
	}
	after, err := l.restarts(ctx)
	if err == nil && after != before {
		err = fmt.Errorf("containers restarted: %s before, %s after", before, after)
	}
	return err
}

// restarts lists containers of the bank that have restarted.
func (l *lab) restarts(ctx context.Context) (string, error) {
	return l.kubectl(ctx, "", "-n", namespace, "get", "pods", "-o",
		`jsonpath={range .items[*].status.containerStatuses[?(@.restartCount>0)]}{.name}={.restartCount} {end}`)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// zero waits until no function has an instance, and wakes them by a request and by an
// event.
func zero(ctx context.Context, l *lab) error {
	c, err := newCustomer(ctx, 3, 5, newCounts())
	if err != nil {
		return err
	}
	begun := time.Now()
	err = until(ctx, 5*time.Minute, "all functions are at zero", func() (bool, error) {
		pods, err := l.pods(ctx, "serving.knative.dev/service")
		return err == nil && len(pods) == 0, err
	})
	if err != nil {
		return err
	}
	asleep := time.Since(begun)
	begun = time.Now()
	if _, err := c.AccountOverview(ctx); err != nil {
		return fmt.Errorf("a request wakes account-overview: %w", err)
	}
	woken := time.Since(begun)
	made, err := c.pay(ctx)
	if err != nil {
		return err
	}
	begun = time.Now()
	id, err := l.posted(ctx, made.TransferID.String())
	if err != nil {
		return err
	}
	for _, consumer := range []string{"notify-on-transfer", "audit-on-event", "fraud-on-transfer"} {
		if err := l.taken(ctx, id, consumer, time.Minute); err != nil {
			return fmt.Errorf("an event wakes it: %w", err)
		}
	}
	say("at zero after %.0f s; the first request took %s; the event's consumers had it after %s", asleep.Seconds(),
		woken.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond))
	return nil
}

// pod is a pod of the bank.
type pod struct {
	Metadata struct {
		Name, UID         string
		DeletionTimestamp string
		Labels            map[string]string
	}
	Status struct {
		ContainerStatuses []struct {
			Name         string
			Ready        bool
			RestartCount int
		}
	}
}

// ready reports whether the pod takes calls.
func (p pod) ready() bool {
	for _, c := range p.Status.ContainerStatuses {
		if !c.Ready {
			return false
		}
	}
	return p.Metadata.DeletionTimestamp == "" && len(p.Status.ContainerStatuses) > 0
}

// pods lists the pods that a selector finds.
func (l *lab) pods(ctx context.Context, selector string) ([]pod, error) {
	var list struct{ Items []pod }
	err := l.get(ctx, &list, "-n", namespace, "pods", "-l", selector)
	return list.Items, err
}
