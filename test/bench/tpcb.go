package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/tidebank/tidebank/infra/pgserver"
)

var tps = regexp.MustCompile(`tps = ([0-9.]+) \(without`)

var errNoFigure = errors.New("pgbench printed no figure")

// tpcb is the reference: pgbench's TPC-B-like transaction, prepared.
type tpcb struct {
	m    *machine
	o    options
	runs []float64
}

func newTPCB(ctx context.Context, m *machine, o options) (*tpcb, error) {
	t := &tpcb{m: m, o: o}
	say("pgbench tables at scale %d …", o.scale)
	_, err := t.pgbench(ctx, "--initialize", "--quiet", "--scale", strconv.Itoa(o.scale))
	return t, err
}

// run measures one round, in transactions per second.
func (t *tpcb) run(ctx context.Context) error {
	out, err := t.pgbench(ctx, "--protocol", "prepared", "--no-vacuum", "--client", strconv.Itoa(t.o.clients), "--jobs", "2",
		"--time", strconv.Itoa(int(t.o.round/time.Second)))
	if err != nil {
		return err
	}
	found := tps.FindSubmatch(out)
	if found == nil {
		return errNoFigure
	}
	value, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		return fmt.Errorf("pgbench: %w", err)
	}
	t.runs = append(t.runs, value)
	say("%-28s %8.0f /s", "pgbench TPC-B-like", value)
	return nil
}

func (t *tpcb) pgbench(ctx context.Context, args ...string) ([]byte, error) {
	bin, err := pgserver.FindBin()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "pgbench"), append(args, t.m.postgres.URL("tpcb"))...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("pgbench: %w: %s", err, out)
	}
	return out, nil
}
