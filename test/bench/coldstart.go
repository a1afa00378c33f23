package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/channel"
)

// coldStart measures from exec of the built function to its first successful
// confirm: the customer who arrives at a service that was scaled to zero.
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
	took := make([]float64, 0, tries)
	for range tries {
		ms, err := startOnce(ctx, m, bank[0], payees)
		if err != nil {
			return err
		}
		took = append(took, ms)
	}
	say("%d starts: %.1f ms at best, %.1f ms at worst", tries, slices.Min(took), slices.Max(took))
	ratio("coldstart_ms", median(took), 20)
	return nil
}

func startOnce(ctx context.Context, m *machine, c *caller, payees []uuid.UUID) (ms float64, err error) {
	frames, err := c.prepare(ctx, payees, 1)
	if err != nil {
		return 0, err
	}
	port, err := freePort(ctx)
	if err != nil {
		return 0, err
	}
	cmd := m.function(ctx, port)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("start: %w", err)
	}
	defer func() { _ = stop(cmd) }()
	for time.Since(began) < 10*time.Second {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://127.0.0.1:"+port+"/", bytes.NewReader(frames[0]))
		if err != nil {
			return 0, fmt.Errorf("request: %w", err)
		}
		req.Header.Set("Content-Type", channel.MediaType)
		resp, err := client.Do(req)
		if err != nil {
			time.Sleep(200 * time.Microsecond) // does not listen yet
			continue
		}
		_ = resp.Body.Close() // the status tells
		if resp.StatusCode != http.StatusOK {
			return 0, fmt.Errorf("%w: %d", errRefused, resp.StatusCode)
		}
		return float64(time.Since(began).Microseconds()) / 1000, nil
	}
	return 0, fmt.Errorf("%w: no answer within 10 s", errRefused)
}
