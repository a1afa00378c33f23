package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions"
)

const (
	crowd      = 4 // customers who call all the time
	enough     = 3 // calls of each function that they use, during each step, at least
	settleTime = 10 * time.Second
	stepTime   = 4 * time.Minute // longest wait for these calls, after the step
	// A customer reads between two calls. Customers who never do would take both processors of
	// a small machine by themselves, and the check would be about its capacity.
	thinkTime = 500 * time.Millisecond
	// A call of a function that no customer uses starts an instance, mostly. One each half
	// second took both processors while every Service changed.
	askTime = 4 * time.Second
)

// load is a crowd of customers who use all functions, again and again.
type load struct {
	notes *counts
	asks  *counts // calls of the functions that no customer uses
	mu    sync.Mutex
	made  map[string]bool // transfers that the bank has confirmed
	wrong []string        // what a customer saw
	stop  context.CancelFunc
	wait  sync.WaitGroup
}

func startLoad(ctx context.Context) *load {
	w := &load{notes: newCounts(), asks: newCounts(), made: map[string]bool{}}
	w.notes.think, w.asks.think = thinkTime, askTime
	running, stop := context.WithCancel(ctx)
	w.stop = stop
	for i := range crowd {
		w.wait.Go(func() {
			for n := 0; running.Err() == nil; n++ {
				w.visit(ctx, running, i+crowd*n)
			}
		})
	}
	w.wait.Go(func() { w.askAll(ctx, running) })
	return w
}

const rounds = 4 // of a visit, between log-in and log-out

// visit is one customer who signs up, logs in, uses the bank and leaves. The last call
// of a visit ends before the load does.
func (w *load) visit(ctx, running context.Context, i int) {
	c, err := newCustomer(ctx, i, 1, w.notes)
	if err != nil {
		w.note(err)
		return
	}
	for range rounds {
		made, err := c.round(ctx)
		if err != nil {
			w.note(err)
			return
		}
		w.mu.Lock()
		w.made[made.TransferID.String()] = true
		w.mu.Unlock()
		if running.Err() != nil {
			break
		}
	}
	if _, err := c.IdentityLogout(ctx); err != nil {
		w.note(err)
	}
}

// askAll calls the functions that no customer of the load uses, one after the other, again
// and again. Most of them start for the call, which takes seconds: so a customer does not
// wait for them.
func (w *load) askAll(ctx, running context.Context) {
	passer := &http.Client{Transport: &counted{to: from(clientAddress(crowd)), notes: w.asks}, Timeout: 40 * time.Second}
	for {
		for _, one := range processes() {
			if running.Err() != nil {
				return
			}
			if one.Worker || one.Event || w.notes.byFunction()[one.Name] > 0 {
				continue
			}
			if err := ask(ctx, passer, one.Name); err != nil {
				w.note(err)
			}
		}
		if pause(running, askTime) != nil {
			return
		}
	}
}

// ask calls a function with a request in clear, which most of them refuse at once.
func ask(ctx context.Context, passer *http.Client, name string) error {
	status, text, err := send(ctx, passer, bankURL+"/function/"+name, "{}", http.Header{"Content-Type": {"application/json"}})
	if err == nil && status >= http.StatusInternalServerError {
		err = fmt.Errorf("%s answered %d in clear: %s", name, status, text)
	}
	return err
}

func (w *load) note(err error) {
	var p *client.Problem
	text := err.Error()
	if errors.As(err, &p) {
		text = fmt.Sprintf("%s (trace %s)", text, p.Trace)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong = append(w.wrong, text)
}

// end stops the load and says what went wrong.
func (w *load) end() error {
	w.stop()
	w.wait.Wait()
	if err := errors.Join(w.notes.problem(), w.asks.problem()); err != nil {
		return err
	}
	if len(w.wrong) > 0 {
		return fmt.Errorf("%d customers saw an error: %s", len(w.wrong), w.wrong[0])
	}
	return nil
}

// upgrade replaces every function under load in three ways: an upgrade, the rollback,
// and the deletion of its pods. The release to upgrade to has another schema, other SQL
// functions and other rights.
func upgrade(ctx context.Context, l *lab) error {
	// The instances of what customers use stay between two of their calls. In production, two
	// always run.
	if err := l.patchSettings(ctx, autoscaler, `{"stable-window":"60s"}`); err != nil {
		return err
	}
	w := startLoad(ctx)
	if err := pause(ctx, settleTime); err != nil {
		return errors.Join(err, w.end())
	}
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"upgrade", func() error { return l.release(ctx, "v2", "otp_spend true, otp_use false") }},
		{"rollback", func() error { return l.release(ctx, "v1", "otp_spend true, otp_use true") }},
		{"pods deleted", func() error { return l.deletePods(ctx) }},
	} {
		before, asked := w.notes.byFunction(), w.asks.byFunction()
		err := step.do()
		if err == nil {
			err = w.goesOn(ctx, before, asked) // the last of the old instances end under load too
		}
		calls, failed := w.notes.sum()
		asks, refused := w.asks.sum()
		say("%s: %d calls so far, %d failed", step.what, calls+asks, failed+refused)
		if err != nil {
			return errors.Join(fmt.Errorf("%s: %w", step.what, err), w.end())
		}
	}
	if err := w.end(); err != nil {
		return err
	}
	if err := l.delivered(ctx, w); err != nil {
		return err
	}
	return l.money(ctx, w)
}

// goesOn lets the load go on until it has called every function since a step began: one that
// customers use often enough, and any other once.
func (w *load) goesOn(ctx context.Context, before, asked map[string]int) error {
	if err := pause(ctx, settleTime); err != nil {
		return err
	}
	return until(ctx, stepTime, "the load calls every function", func() (bool, error) {
		now, asks := w.notes.byFunction(), w.asks.byFunction()
		for _, one := range processes() {
			if one.Worker || one.Event || now[one.Name] == 0 && asks[one.Name] > asked[one.Name] {
				continue
			}
			if n := now[one.Name] - before[one.Name]; n < enough {
				return false, fmt.Errorf("it called %s %d times", one.Name, n)
			}
		}
		return true, nil
	})
}

// release deploys a release and sees that all processes run it, and that the database has
// its rights.
func (l *lab) release(ctx context.Context, tag, rights string) error {
	if err := l.deployBy(ctx, carefulWave(), tag); err != nil {
		return err
	}
	if err := l.holds(ctx, rights); err != nil {
		return err
	}
	return l.runs(ctx, tag)
}

// deletePods deletes the pods of the bank, one function or worker after the other.
func (l *lab) deletePods(ctx context.Context) error {
	for _, one := range processes() {
		selector := "serving.knative.dev/service=" + one.Name
		if one.Worker {
			selector = "app.kubernetes.io/name=" + one.Name
		}
		if _, err := l.kubectl(ctx, "", "-n", namespace, "delete", "pods", "-l", selector, "--wait=false"); err != nil {
			return err
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
	return nil
}

const sqlUndelivered = `-- outbox.count_undelivered
SELECT count(*) FROM unnest($1::text[], $2::text[]) AS due (transfer, consumer)
 WHERE NOT EXISTS (SELECT FROM outbox o JOIN event_consumed c ON c.id::text = o.id::text AND c.consumer = due.consumer
                    WHERE o.type = 'com.tidebank.transfer.posted.v1' AND o.data->>'transfer_id' = due.transfer)`

// delivered waits until each consumer has the event of each confirmed transfer: an event
// function that was replaced has lost none.
func (l *lab) delivered(ctx context.Context, w *load) error {
	var made, consumers []string
	for id := range w.made {
		for _, consumer := range functions.Subscriptions().Consumers(events.TypeTransferPosted) {
			made, consumers = append(made, id), append(consumers, consumer)
		}
	}
	return until(ctx, 2*time.Minute, "each consumer has the event of each transfer", func() (bool, error) {
		var missing int
		err := l.db.QueryRow(ctx, sqlUndelivered, made, consumers).Scan(&missing)
		if err == nil && missing > 0 {
			err = fmt.Errorf("%d of %d deliveries are missing", missing, len(made))
		}
		return err == nil, err
	})
}

const sqlTransfers = `-- transfer.count_known
SELECT count(*) FROM transfer WHERE id::text = ANY($1)`

// money compares the confirmed transfers with the database, and verifies the ledger.
func (l *lab) money(ctx context.Context, w *load) error {
	var ids []string
	for id := range w.made {
		ids = append(ids, id)
	}
	var n int
	if err := l.db.QueryRow(ctx, sqlTransfers, ids).Scan(&n); err != nil {
		return err
	}
	if n != len(ids) || n == 0 {
		return fmt.Errorf("%d of %d confirmed transfers are in the database", n, len(ids))
	}
	calls, _ := w.notes.sum()
	say("%d calls and %d transfers while every process was replaced three times", calls, n)
	_, err := l.tide(ctx, "ledger", "verify")
	return err
}

const hangs = "bank-upkeep"

// hung stops the process of one instance. The platform's probe finds it, and the
// instance is replaced.
func hung(ctx context.Context, l *lab) error {
	c, err := newCustomer(ctx, 5, 1, newCounts())
	if err != nil {
		return err
	}
	for _, selector := range []string{"app.kubernetes.io/name=" + hangs, "serving.knative.dev/service=account-overview"} {
		pods, err := l.pods(ctx, selector)
		if err != nil {
			return err
		}
		if len(pods) == 0 {
			return fmt.Errorf("no pod has %s", selector)
		}
		if err := l.replaces(ctx, pods[0], func() { _, _ = c.AccountOverview(ctx) }); err != nil {
			return fmt.Errorf("%s: %w", pods[0].Metadata.Name, err)
		}
	}
	return until(ctx, time.Minute, "account-overview answers again", func() (bool, error) {
		_, err := c.AccountOverview(ctx)
		return err == nil, err
	})
}

// replaces stops the program of a pod and waits until it has been started again, in
// this pod or in another one. Meanwhile it calls, so that the function keeps instances.
func (l *lab) replaces(ctx context.Context, p pod, call func()) error {
	pid, err := program(p.Metadata.UID)
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	return until(ctx, 4*time.Minute, "the instance is replaced", func() (bool, error) {
		go call()
		if err := pause(ctx, time.Second); err != nil {
			return false, err
		}
		_, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
		return os.IsNotExist(err), nil
	})
}

// program is the process of the bank in a pod.
func program(uid string) (int, error) {
	list, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		return 0, err
	}
	for _, file := range list {
		groups, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(groups), "pod"+uid) {
			continue
		}
		// The bank's images keep the list of their modules beside the program.
		if _, err := os.Stat(filepath.Join(filepath.Dir(file), "root/sbom.cdx.json")); err != nil {
			continue
		}
		var pid int
		if _, err := fmt.Sscanf(file, "/proc/%d/cgroup", &pid); err == nil {
			return pid, nil
		}
	}
	return 0, errors.New("the pod has no process of the bank")
}
