package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/tidebank/tidebank/shared/channel"
)

// confirmRatio measures complete confirms through HTTP at the built function:
// channel, session, OTP, device signature, limits, posting and event. Intents,
// codes and frames are made beforehand, in chunks within the codes' life; only
// the calls are timed.
func confirmRatio(ctx context.Context, m *machine, o options) error {
	fmt.Printf("\nConfirms over HTTP, %d callers\n", o.callers)
	reference, err := newTPCB(ctx, m, o)
	if err != nil {
		return err
	}
	bank, err := newCallers(ctx, m, o.callers)
	if err != nil {
		return err
	}
	payees, err := openAccounts(ctx, m, o.pool)
	if err != nil {
		return err
	}
	port, err := freePort(ctx)
	if err != nil {
		return err
	}
	var log bytes.Buffer
	server := m.function(ctx, m.binary, port)
	if err := m.start(server, &log); err != nil {
		return err
	}
	if err := await(ctx, "127.0.0.1:"+port); err != nil {
		return errors.Join(err, errors.New(log.String())) //nolint:err113 // ends the program
	}
	l := &load{callers: bank, payees: payees, address: "127.0.0.1:" + port}
	defer l.hangUp()
	l.watch = map[string]int{"server": server.Process.Pid, "PostgreSQL": m.postgres.PID(), "Redis": m.redisPID}
	if err := l.chunk(ctx, 10); err != nil { // warms connections and query plans
		return err
	}
	for range o.rounds {
		if err := reference.run(ctx); err != nil {
			return err
		}
		if err := l.round(ctx, o.round); err != nil {
			return err
		}
	}
	l.report()
	ratio("confirm_http_vs_tpcb", median(l.runs)/median(reference.runs), 0.5)
	return stages(ctx, m, bank, payees)
}

// load drives the function with many callers.
type load struct {
	callers []*caller
	payees  []uuid.UUID
	address string
	watch   map[string]int // processes to measure, by name
	lines   []*line        // one connection for each caller

	runs  []float64
	calls int
	timed time.Duration
	took  []time.Duration
	spent map[string]time.Duration
}

// round makes calls for the given time and records the rate.
func (l *load) round(ctx context.Context, length time.Duration) error {
	l.calls, l.timed = 0, 0
	l.spent, l.took = map[string]time.Duration{}, nil
	for l.timed < length {
		if err := l.chunk(ctx, 150); err != nil {
			return err
		}
	}
	rate := float64(l.calls) / l.timed.Seconds()
	l.runs = append(l.runs, rate)
	say("%-28s %8.0f /s", "confirm", rate)
	return nil
}

// chunk prepares the given number of confirms for each caller, then sends them.
func (l *load) chunk(ctx context.Context, each int) error {
	frames := make([][][]byte, len(l.callers))
	group, prepare := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i, c := range l.callers {
		group.Go(func() (err error) {
			frames[i], err = c.prepare(prepare, l.payees, each)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	if err := l.dial(ctx); err != nil {
		return err
	}
	before := l.cpu()
	took := make([][]time.Duration, len(l.callers))
	began := time.Now()
	group = new(errgroup.Group)
	for i := range l.callers {
		group.Go(func() error {
			for _, frame := range frames[i] {
				start := time.Now()
				if err := l.lines[i].call(frame); err != nil {
					return err
				}
				took[i] = append(took[i], time.Since(start))
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("confirm: %w", err)
	}
	l.timed += time.Since(began)
	for i := range took {
		l.calls += len(took[i])
		l.took = append(l.took, took[i]...)
	}
	for name, spent := range l.cpu() {
		if l.spent != nil {
			l.spent[name] += spent - before[name]
		}
	}
	return nil
}

func (l *load) cpu() map[string]time.Duration {
	spent := map[string]time.Duration{}
	for name, pid := range l.watch {
		spent[name] = cpu(pid)
	}
	return spent
}

var errRefused = errors.New("refused")

// dial opens each caller's connection if it is not open yet.
func (l *load) dial(ctx context.Context) error {
	for len(l.lines) < len(l.callers) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", l.address)
		if err != nil {
			return fmt.Errorf("dial: %w", err)
		}
		l.lines = append(l.lines, &line{Conn: conn, answers: bufio.NewReader(conn)})
	}
	return nil
}

func (l *load) hangUp() {
	for _, x := range l.lines {
		_ = x.Close() // the benchmark has ended
	}
}

// line is a caller's connection. It does as little work as possible, because the load
// generator shares the machine's cores with the measured processes.
type line struct {
	net.Conn
	answers *bufio.Reader
}

const head = "POST / HTTP/1.1\r\nHost: bank\r\nContent-Type: " + channel.MediaType + "\r\nContent-Length: %d\r\n\r\n"

func (x *line) call(frame []byte) error {
	if _, err := x.Write(append(fmt.Appendf(nil, head, len(frame)), frame...)); err != nil {
		return fmt.Errorf("call: %w", err)
	}
	resp, err := http.ReadResponse(x.answers, nil)
	if err != nil {
		return fmt.Errorf("call: %w", err)
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close() // the body has been read
	if err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: %d %s", errRefused, resp.StatusCode, body)
	}
	return nil
}

// report prints the cost of a confirm in the last round.
func (l *load) report() {
	perCall := func(name string) float64 { return float64(l.spent[name].Microseconds()) / float64(l.calls) }
	say("%-28s %8.0f µs server, %.0f µs PostgreSQL, %.0f µs Redis", "CPU per confirm", perCall("server"), perCall("PostgreSQL"),
		perCall("Redis"))
	say("%-28s %8.1f ms p50, %.1f ms p99", "latency", percentile(l.took, 50), percentile(l.took, 99))
}

// envelope is a sealed request's clear text.
func envelope(intent uuid.UUID, proofs any) ([]byte, error) {
	body, err := json.Marshal(map[string]any{
		"idempotency_key": uuid.NewString(), "request": map[string]any{"intent_id": intent, "proofs": proofs},
	})
	if err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	return body, nil
}
