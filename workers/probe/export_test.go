package probe

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/tidebank/tidebank/shared/fn"
)

// Prober tries the bank when a test says so.
type Prober struct{ *prober }

// New makes a Prober as the worker does.
func New(lent *fn.WorkerLent, config Config) (Prober, error) {
	var who Customer
	if err := json.Unmarshal([]byte(config.Customer), &who); err != nil {
		return Prober{}, err
	}
	p, err := newProber(lent, config, who)
	return Prober{p}, err
}

// Wire makes the worker's work.
func Wire(ctx context.Context, lent *fn.WorkerLent, config Config) (fn.Work, error) {
	return wire(ctx, lent, config)
}

// Round tries everything once.
func (p Prober) Round(ctx context.Context) error { return p.round(ctx) }

// Targets names the functions that the probe tries.
func Targets(leftOut string) []string {
	var names []string
	for _, t := range deployed(strings.Split(leftOut, ",")) {
		names = append(names, t.name)
	}
	return names
}
