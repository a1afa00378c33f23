package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/channel"
)

// coldStart compares two cold starts: of the built function, from exec to its
// first confirmed transfer, and of the bare program, from exec to its first reply.
// Starts of both alternate. The first pair only warms the machine's caches.
func coldStart(ctx context.Context, m *machine, o options) error {
	fmt.Println("\nCold start: exec to the first confirmed transfer")
	bank, err := newCallers(ctx, m, 1)
	if err != nil {
		return err
	}
	payees, err := openAccounts(ctx, m, 100)
	if err != nil {
		return err
	}
	tries := 21
	if o.quick {
		tries = 5
	}
	var bare, confirm []float64
	for i := range 1 + tries {
		reference, err := startBare(ctx, m)
		if err != nil {
			return fmt.Errorf("bare program: %w", err)
		}
		took, err := startConfirm(ctx, m, bank[0], payees)
		if err != nil {
			return fmt.Errorf("function: %w", err)
		}
		if i > 0 {
			bare, confirm = append(bare, reference), append(confirm, took)
		}
	}
	sayStarts("bare: first reply", bare)
	sayStarts("function: first confirm", confirm)
	// On a busy machine, other processes interrupt the longer start more often, which
	// raises the ratio of medians. The ratio of the best times rises less.
	say("%-28s %8.2f", "best ÷ best", slices.Min(confirm)/slices.Min(bare))
	ratio("coldstart_vs_bare", median(confirm)/median(bare), 2.6)
	return nil
}

func sayStarts(name string, took []float64) {
	say("%-28s %8.1f ms (%.1f at best, %.1f at worst, of %d starts)",
		name, median(took), slices.Min(took), slices.Max(took), len(took))
}

// startBare measures one start of the bare program.
func startBare(ctx context.Context, m *machine) (ms float64, err error) {
	port, err := freePort(ctx)
	if err != nil {
		return 0, err
	}
	return firstReply(ctx, m.command(ctx, m.bare, port), port, nil)
}

// startConfirm measures one start of the function. The call that it makes confirms
// an intent prepared beforehand.
func startConfirm(ctx context.Context, m *machine, c *caller, payees []uuid.UUID) (ms float64, err error) {
	frames, err := c.prepare(ctx, payees, 1)
	if err != nil {
		return 0, err
	}
	port, err := freePort(ctx)
	if err != nil {
		return 0, err
	}
	return firstReply(ctx, m.function(ctx, m.binary, port), port, frames[0])
}

// firstReply starts a program, calls it with the body until it listens, and stops
// it. It returns the time from exec to the reply. A reply other than 200 is an error.
func firstReply(ctx context.Context, cmd *exec.Cmd, port string, body []byte) (ms float64, err error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("start: %w", err)
	}
	defer func() { _ = stop(cmd) }()
	for time.Since(began) < 10*time.Second {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://127.0.0.1:"+port+"/", bytes.NewReader(body))
		if err != nil {
			return 0, fmt.Errorf("request: %w", err)
		}
		req.Header.Set("Content-Type", channel.MediaType)
		resp, err := client.Do(req)
		if err != nil {
			time.Sleep(200 * time.Microsecond) // the program does not listen yet
			continue
		}
		_ = resp.Body.Close() // the status is enough
		if resp.StatusCode != http.StatusOK {
			return 0, fmt.Errorf("%w: %d", errRefused, resp.StatusCode)
		}
		return float64(time.Since(began).Microseconds()) / 1000, nil
	}
	return 0, fmt.Errorf("%w: no answer within 10 s", errRefused)
}
