package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http/httptest"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"github.com/google/pprof/profile"
	"github.com/google/uuid"

	transferconfirm "github.com/tidebank/tidebank/functions/transfer/confirm"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/redisdb"
	"github.com/tidebank/tidebank/shared/session"
)

// stageOf maps a function on the stack to its stage. From the outermost function
// inwards, the first match decides.
var stageOf = []struct{ function, stage string }{
	{"shared/fn.(*call).openChannel", "channel: open"},
	{"shared/fn.(*call).admit", "admit: session, sequence, rate"},
	{"shared/fn.(*call).decodeRequest", "decode"},
	{"shared/stepup.(*Verification).Verify", "preflight: verify proofs"},
	{"shared/fn.(*call).preflight", "preflight: PostgreSQL"},
	{"shared/pg.(*DB).commitUnits", "commit: PostgreSQL"},
	{"shared/pg.(*DB).sendBatches", "preflight: PostgreSQL"},
	{"shared/pg.(*DB).Commit", "commit: PostgreSQL"},
	{"shared/fn.(*call).operate", "operation: rules, seals, MACs"},
	{"shared/fn.(*call).guardReply", "mask"},
	{"shared/fn.(*call).commit", "commit: record and intent"},
	{"shared/channel.SealReply", "channel: seal"},
	{"log/slog.", "log and metrics"},
	{"prometheus.", "log and metrics"},
	{"net/http.(*conn).serve", "HTTP and the rest of the runtime"},
}

// stages prints the CPU time of each stage of a confirm. It serves the same code in
// this process and profiles it. It leaves out the garbage collector and the
// scheduler, because the load generator uses them too.
func stages(ctx context.Context, m *machine, callers []*caller, payees []uuid.UUID) error {
	h, err := host.Open(ctx, host.Config{
		DB: pg.Config{URL: m.postgres.URL("bank"), MaxConns: 16}, Keys: keys.Config{File: m.keysFile()},
		Redis:   redisdb.Config{URL: m.redisURL},
		Session: session.Config{ChannelLife: 12 * time.Hour, Idle: 10 * time.Minute},
		Limits:  host.Limits{BodyBytes: 64 << 10, RateScale: 1_000_000},
	}, transferconfirm.Function.Needs())
	if err != nil {
		return err
	}
	defer h.Close()
	entry, err := transferconfirm.Function.Open(ctx, h, host.Values())
	if err != nil {
		return err
	}
	server := httptest.NewServer(h.Mux(transferconfirm.Function.Spec.Name, entry))
	defer server.Close()
	l := &load{callers: callers, payees: payees, address: server.Listener.Addr().String()}
	defer l.hangUp()
	if err := l.chunk(ctx, 10); err != nil {
		return err
	}
	spent := map[string]time.Duration{}
	calls := 0
	for range 3 {
		if err := l.profiled(ctx, spent); err != nil {
			return err
		}
	}
	calls = l.calls - 10*len(callers)
	printStages(spent, calls)
	return nil
}

// profiled sends a chunk of confirms under the profiler. The profiler also sees their
// preparation; its stacks are left out.
func (l *load) profiled(ctx context.Context, spent map[string]time.Duration) error {
	var raw bytes.Buffer
	if err := pprof.StartCPUProfile(&raw); err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	err := l.chunk(ctx, 150)
	pprof.StopCPUProfile()
	if err != nil {
		return err
	}
	parsed, err := profile.Parse(&raw)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	for _, sample := range parsed.Sample {
		if stage := stageOfSample(sample); stage != "" {
			spent[stage] += time.Duration(sample.Value[1])
		}
	}
	return nil
}

func stageOfSample(sample *profile.Sample) string {
	var stack []string
	for _, location := range sample.Location {
		for _, line := range location.Line {
			if strings.HasPrefix(line.Function.Name, "main.") {
				return "" // the load generator and its preparations
			}
			stack = append(stack, line.Function.Name)
		}
	}
	for _, known := range stageOf {
		for _, function := range stack {
			if strings.Contains(function, known.function) {
				return known.stage
			}
		}
	}
	return "" // the runtime's own goroutines
}

func printStages(spent map[string]time.Duration, calls int) {
	names := make([]string, 0, len(spent))
	for name := range spent {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(spent[b], spent[a]) })
	fmt.Println("  CPU of the function per confirm, by stage:")
	for _, name := range names {
		say("  %-34s %6.1f µs", name, float64(spent[name].Microseconds())/float64(calls))
	}
}
