package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	accountoverview "github.com/tidebank/tidebank/functions/account/overview"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/test/platform/record"
)

// The standard's concurrency (PERF-002): so many customers hold a connection, and each
// asks for the overview once in the pause.
const (
	connectionsWanted = 22_000
	connectionPause   = 10 * time.Second
	connectionRounds  = 6
	connectionParts   = 2 // instances, and load generators: many machines let a process open 20,000 files
	connectionTarget  = 100
)

// held is the work of one load generator: the frames of each connection, in their order.
type held struct {
	Address string
	Frames  [][][]byte
}

// told is what a load generator measured.
type told struct {
	Took   []time.Duration
	Failed int
	Why    string // of the first failure
}

// connections measures calls of customers who all hold a connection. Two instances of the
// function serve them. Two processes of this program are the customers.
func connections(ctx context.Context, m *machine, o options) error {
	count, rounds := connectionsWanted, connectionRounds
	if o.quick {
		count, rounds = count/20, 2
	}
	fmt.Printf("\nConnections: %d customers hold one each, and call once in %v\n", count, connectionPause)
	run, err := record.Begin(ctx, ".", "connections", `make bench ARGS="--only connections"`)
	if err != nil {
		return err
	}
	callers, err := newCallers(ctx, m, count)
	if err != nil {
		return err
	}
	var servers []int
	var generators errgroup.Group
	results := make([]told, connectionParts)
	for part := range connectionParts {
		port, err := freePort(ctx)
		if err != nil {
			return err
		}
		server := m.function(ctx, filepath.Join(m.dir, accountoverview.Function.Spec.Name), port)
		if err := m.start(server, io.Discard); err != nil {
			return err
		}
		if err := await(ctx, "127.0.0.1:"+port); err != nil {
			return err
		}
		servers = append(servers, server.Process.Pid)
		work := held{Address: "127.0.0.1:" + port}
		for i := part; i < count; i += connectionParts {
			frames, err := callers[i].overviews(rounds)
			if err != nil {
				return err
			}
			work.Frames = append(work.Frames, frames)
		}
		generators.Go(func() (err error) {
			results[part], err = hold(ctx, work)
			return err
		})
	}
	before := cpu(servers...)
	if err := generators.Wait(); err != nil {
		return err
	}
	figures, err := reportConnections(results, servers, cpu(servers...)-before)
	if o.quick { // it proves nothing about the standard's number
		return err
	}
	run.Add(record.Check{
		Name: fmt.Sprintf("%d sessions, without a failed call", count), Points: []string{"PERF-002.1", "PERF-002.3"}, Figures: figures,
	}, err)
	return errors.Join(err, run.Keep(ctx, ".", record.Fresh))
}

// reportConnections prints what was measured, and returns it. It returns an error if a call
// failed: that is the stated bound.
func reportConnections(results []told, servers []int, spent time.Duration) (map[string]float64, error) {
	var all told
	for _, r := range results {
		all.Took = append(all.Took, r.Took...)
		if all.Failed += r.Failed; r.Failed > 0 {
			all.Why = r.Why
		}
	}
	say("%-28s %8d, %d failed %s", "calls", len(all.Took), all.Failed, all.Why)
	cost, memory := float64(spent.Microseconds())/float64(len(all.Took)), 0.0
	for _, pid := range servers {
		memory = max(memory, resident(pid))
		say("%-28s %8.0f MB resident", "an instance", resident(pid))
	}
	say("%-28s %8.0f µs", "CPU of the function per call", cost)
	p50, p95, p99 := percentile(all.Took, 50), percentile(all.Took, 95), percentile(all.Took, 99)
	say("%-28s %8.1f ms p50, %.1f ms p95, %.1f ms p99", "latency", p50, p95, p99)
	ratio("connections_p99_ms", p99, connectionTarget)
	figures := map[string]float64{
		"calls": float64(len(all.Took)), "failed": float64(all.Failed), "p50_ms": p50, "p95_ms": p95, "p99_ms": p99,
		"cpu_us": cost, "resident_mb": memory,
	}
	if all.Failed > 0 {
		return figures, fmt.Errorf("%w: %d calls", errRefused, all.Failed)
	}
	return figures, nil
}

// overviews returns sealed calls of account-overview.
func (c *caller) overviews(count int) ([][]byte, error) {
	frames := make([][]byte, count)
	for i := range frames {
		c.sequence++
		h := channel.Header{ID: c.channel, Sequence: c.sequence, Time: time.Now().Add(time.Duration(i) * connectionPause)}
		frame, err := channel.SealRequest(c.keys, h, http.MethodPost, accountoverview.Function.Spec.Name, []byte(`{"request":{}}`))
		if err != nil {
			return nil, err
		}
		frames[i] = frame
	}
	return frames, nil
}

// hold runs this program as a load generator.
func hold(ctx context.Context, work held) (told, error) {
	var in, out bytes.Buffer
	if err := gob.NewEncoder(&in).Encode(work); err != nil {
		return told{}, fmt.Errorf("hand over: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return told{}, fmt.Errorf("hand over: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, holdArgument)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &in, &out, os.Stderr
	if err := cmd.Run(); err != nil {
		return told{}, fmt.Errorf("load generator: %w", err)
	}
	var result told
	if err := gob.NewDecoder(&out).Decode(&result); err != nil {
		return told{}, fmt.Errorf("load generator: %w", err)
	}
	return result, nil
}

// holdArgument makes this program a load generator, which reads its work and writes what
// it measured.
const holdArgument = "hold-connections"

func holdConnections(ctx context.Context, in io.Reader, out io.Writer) error {
	var work held
	if err := gob.NewDecoder(in).Decode(&work); err != nil {
		return fmt.Errorf("work: %w", err)
	}
	lines := make([]*line, len(work.Frames))
	group, dialCtx := errgroup.WithContext(ctx)
	group.SetLimit(32)
	for i := range lines {
		group.Go(func() error {
			conn, err := new(net.Dialer).DialContext(dialCtx, "tcp", work.Address)
			if err != nil {
				return fmt.Errorf("dial: %w", err)
			}
			lines[i] = &line{Conn: conn, answers: bufio.NewReaderSize(conn, 1<<10)}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	var mu sync.Mutex
	var result told
	var wait sync.WaitGroup
	began := time.Now().Add(time.Second)
	for i, x := range lines {
		wait.Go(func() {
			defer x.Close()
			due := began.Add(connectionPause * time.Duration(i) / time.Duration(len(lines)))
			for _, frame := range work.Frames[i] {
				time.Sleep(time.Until(due))
				err := x.call(frame)
				took := time.Since(due) // from when the customer wanted to call
				due = due.Add(connectionPause)
				mu.Lock()
				if result.Took = append(result.Took, took); err != nil {
					result.Failed++
					result.Why = err.Error()
				}
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	if err := gob.NewEncoder(out).Encode(result); err != nil {
		return fmt.Errorf("result: %w", err)
	}
	return nil
}

// resident returns the resident memory of a process, in MB.
func resident(pid int) float64 {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "statm"))
	fields := bytes.Fields(raw)
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.Atoi(string(fields[1])) // the kernel's own figure
	return float64(pages*os.Getpagesize()) / (1 << 20)
}
