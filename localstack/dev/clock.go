package dev

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/tidebank/tidebank/shared/clock"
)

// mostAhead bounds how far the bank's clock may be ahead of the machine's. Events carry
// the database's time, and consumers refuse events that are 30 days old.
const mostAhead = 28 * 24 * time.Hour

// Clock is the local bank's clock: the machine's clock, which a developer moves forward.
// It never moves back, because the bank holds rows that are dated by it: a code would
// live longer, and a lock would end later than the bank has said. A file keeps the
// difference for the next start of the bank. A Clock is safe for concurrent use.
type Clock struct {
	base clock.Clock
	file string

	mu    sync.Mutex
	ahead time.Duration
	moved []func(by time.Duration)
}

// OpenClock returns a clock that is as far ahead of base as the file says. If the file
// is missing, both clocks show the same time.
func OpenClock(base clock.Clock, file string) (*Clock, error) {
	c := &Clock{base: base, file: file}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, fmt.Errorf("clock: %w", err)
	}
	c.ahead, err = time.ParseDuration(strings.TrimSpace(string(text)))
	if err != nil || c.ahead < 0 || c.ahead > mostAhead {
		return nil, fmt.Errorf("%s holds no time between 0s and %v; delete it, or start with --fresh", file, mostAhead)
	}
	return c, nil
}

// Now returns the bank's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.base.Now().Add(c.ahead)
}

// Ahead returns how far the clock is ahead of the machine's.
func (c *Clock) Ahead() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ahead
}

// OnAdvance makes each Advance call moved, so that a store without this clock moves by
// the same time. Call it before the bank serves.
func (c *Clock) OnAdvance(moved func(by time.Duration)) { c.moved = append(c.moved, moved) }

// errAdvance refuses an order.
var errAdvance = fmt.Errorf(`send {"advance":"24h"}: a time above zero; the clock may be at most %v ahead of the machine's. `+
	"It never moves back: start the bank with --fresh for the machine's time", mostAhead)

// Advance moves the clock forward.
func (c *Clock) Advance(by time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if by <= 0 || by > mostAhead-c.ahead {
		return errAdvance
	}
	if err := os.WriteFile(c.file, []byte((c.ahead+by).String()+"\n"), 0o600); err != nil {
		return fmt.Errorf("clock: %w", err)
	}
	c.ahead += by
	for _, moved := range c.moved {
		moved(by)
	}
	return nil
}

// show answers with the bank's time.
func (c *Clock) show(w http.ResponseWriter, _ *http.Request) {
	ahead := c.Ahead()
	reply(w, map[string]string{
		"now": c.base.Now().Add(ahead).In(clock.Shanghai).Format(time.RFC3339), "ahead": ahead.String(),
	}, nil)
}

// move carries out an order and answers with the new time.
func (c *Clock) move(w http.ResponseWriter, r *http.Request) {
	var order struct {
		Advance string `json:"advance"`
	}
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16))
	body.DisallowUnknownFields()
	err := body.Decode(&order)
	if err != nil {
		http.Error(w, fmt.Sprintf("%v: %v", err, errAdvance), http.StatusBadRequest)
		return
	}
	by, err := time.ParseDuration(order.Advance)
	if err == nil {
		err = c.Advance(by)
	} else {
		err = errAdvance
	}
	switch {
	case errors.Is(err, errAdvance):
		http.Error(w, err.Error(), http.StatusBadRequest)
	case err != nil:
		reply(w, nil, err)
	default:
		c.show(w, r)
	}
}
