package process_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/infra/gen/process"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/workers"
)

// Counted are all instances, the connection of a worker that listens, the old instances of
// all workers, and those of the functions with the most connections.
func TestConnections(t *testing.T) {
	t.Parallel()
	list := []process.Process{
		{Name: "small", Conns: 2, Scale: 1},
		{Name: "large", Conns: 2, Scale: 10},
		{Name: "middle", Conns: 2, Scale: 5},
		{Name: "without a database", Scale: 6},
		{Name: "relay", Worker: true, Conns: 4, Scale: 2, Listens: true},
		{Name: "upkeep", Worker: true, Conns: 4, Scale: 2},
	}
	for wave, want := range map[int]int{0: 32 + 2*18, 1: 52 + 2*18, 2: 62 + 2*18, 99: 2 * (32 + 18)} {
		if got := process.Connections(list, wave); got != want {
			t.Errorf("with %d functions at a time: %d connections, want %d", wave, got, want)
		}
	}
}

// A worker says that it listens if it does. Only the relay of events watches the outbox.
func TestWorkersThatListenSaySo(t *testing.T) {
	t.Parallel()
	const bank = "github.com/tidebank/tidebank/"
	for _, w := range workers.All() {
		_, folder, _ := strings.Cut(w.Spec.Name, "-")
		raw, err := exec.CommandContext(t.Context(), "go", "list", "-deps", bank+"workers/"+strings.ReplaceAll(folder, "-", "")).Output()
		check.Must(t, err)
		if listens := slices.Contains(strings.Fields(string(raw)), bank+"events/relay"); listens != w.Spec.Listens {
			t.Errorf("%s says %t", w.Spec.Name, w.Spec.Listens)
		}
	}
	describes := func(f fn.Function) bool { return process.Describe(nil, []fn.Function{f}, nil).Workers[0].Listens }
	if all := workers.All(); !slices.ContainsFunc(all, describes) {
		t.Error("no worker listens")
	}
}
