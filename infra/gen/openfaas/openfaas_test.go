package openfaas_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/infra/gen/openfaas"
	"github.com/tidebank/tidebank/infra/gen/process"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/workers"
)

// deployable are the functions that OpenFaaS runs: all but that of the dead letters of a
// platform's broker.
func deployable() []fn.Function {
	return slices.DeleteFunc(functions.All(), func(f fn.Function) bool { return f.Spec.DeadLetters })
}

// deployedWorkers are the workers that OpenFaaS runs: it has no queues.
func deployedWorkers() []fn.Function {
	return slices.DeleteFunc(workers.All(), func(f fn.Function) bool { return f.Spec.Queues })
}

// stacks makes both files of a bank with these functions.
func stacks(t *testing.T, all []fn.Function) (standard, community string) {
	t.Helper()
	var table events.Subscriptions
	for _, f := range all {
		if f.Trigger == fn.TriggerEvent && !f.Spec.DeadLetters {
			table = append(table, events.Subscription{Consumer: f.Spec.Name, Types: f.Spec.Consumes})
		}
	}
	files, err := openfaas.Files(all, workers.All(), table)
	check.Must(t, err)
	return string(files[openfaas.Standard]), string(files[openfaas.Community])
}

var named = regexp.MustCompile(`(?m)^  ([a-z][a-z0-9-]+):\n    lang: dockerfile$`)

// processes names the functions of a stack.
func processes(text string) (names []string) {
	for _, match := range named.FindAllStringSubmatch(text, -1) {
		names = append(names, match[1])
	}
	return names
}

// A function whose folder is gone is in no stack. So it is for each function, also for
// those that the Community Edition's stack chooses.
func TestAFunctionThatIsGone(t *testing.T) {
	t.Parallel()
	all := deployable()
	for i, f := range all {
		standard, community := stacks(t, slices.Delete(slices.Clone(all), i, i+1))
		if n := len(processes(standard)); n != len(all)-1+len(deployedWorkers()) {
			t.Errorf("without %s: %d processes", f.Spec.Name, n)
		}
		for _, text := range []string{standard, community} {
			if strings.Contains(text, f.Spec.Name) {
				t.Errorf("%s is still there", f.Spec.Name)
			}
		}
	}
}

// The Community Edition's stack never has more functions than the edition takes. If event
// functions are left out, the relay knows which are there; one-time codes and the audit
// are never left out.
func TestTheCommunityStackStaysSmall(t *testing.T) {
	t.Parallel()
	all := deployable()
	_, community := stacks(t, all)
	absent := func(f fn.Function) bool {
		return f.Trigger == fn.TriggerEvent && !slices.Contains(processes(community), f.Spec.Name)
	}
	if !slices.Contains(processes(community), "notify-on-transfer") {
		t.Error("nobody tells a customer of a transfer")
	}
	if strings.Contains(community, "FUNCTIONS_CONSUMERS") != slices.ContainsFunc(all, absent) {
		t.Errorf("the relay is told of wrong functions: %v", processes(community))
	}
	for _, f := range deployable() {
		if f.Trigger != fn.TriggerEvent {
			continue
		}
		for range 3 {
			more := f
			more.Spec.Name += "-" + strings.Repeat("x", 1+len(all)%7)
			more.Spec.Consumes = []string{events.TypeTransferPosted}
			all = append(all, more)
		}
	}
	_, community = stacks(t, all)
	names := processes(community)
	if len(names) != 15 {
		t.Errorf("%d functions: %v", len(names), names)
	}
	list := regexp.MustCompile(`FUNCTIONS_CONSUMERS: (\S+)\n`).FindStringSubmatch(community)
	if list == nil {
		t.Fatal("the relay does not know that event functions are left out")
	}
	for name := range strings.SplitSeq(list[1], ",") {
		if !slices.Contains(names, name) {
			t.Errorf("the relay delivers to %s, which is left out", name)
		}
	}
	for _, name := range []string{"notify-on-otp", "audit-on-event"} {
		if !slices.Contains(names, name) {
			t.Errorf("%s is left out", name)
		}
	}
}

// The function of the dead letters is in no stack: the bank's own broker has none to send.
func TestDeadLettersHaveNoFunction(t *testing.T) {
	t.Parallel()
	standard, community := stacks(t, functions.All())
	for _, text := range []string{standard, community} {
		dead := func(name string) bool { return strings.HasPrefix(name, "deadletter") }
		if names := processes(text); len(names) < 15 || slices.ContainsFunc(names, dead) {
			t.Errorf("%d processes: %v", len(names), names)
		}
	}
	if !strings.Contains(standard, "PROBE_LEFT_OUT: deadletter-on-event\n") {
		t.Error("the probe would try the function of the dead letters")
	}
}

// A pod ends after linger and drain are over, and no call takes longer than the pod.
func TestAProcessMayFinishItsCalls(t *testing.T) {
	t.Parallel()
	if process.Linger+process.Drain >= process.Grace {
		t.Errorf("linger and drain take %v, and the pod has %v", process.Linger+process.Drain, process.Grace)
	}
	standard, _ := stacks(t, functions.All())
	for _, f := range functions.All() {
		if f.Spec.Timeout > process.Drain {
			t.Errorf("%s may take %v, and a pod that ends gives it %v", f.Spec.Name, f.Spec.Timeout, process.Drain)
		}
	}
	if strings.Count(standard, "write_timeout: 30s") != len(processes(standard)) {
		t.Error("OpenFaaS takes the grace period of a pod from write_timeout")
	}
}

var secretOf = regexp.MustCompile(`(?m)^      - ([a-z][a-z0-9-]+)$`)

// The lines of docs/openfaas.md create each secret of the stack. faas-cli stands for a
// program that only tells the secret's name.
func TestTheSecretsAreCreated(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/openfaas.md")
	check.Must(t, err)
	_, lines, _ := strings.Cut(string(page), "   for p in $(sed")
	lines, _, found := strings.Cut(lines, "   ```\n")
	if !found {
		t.Fatal("docs/openfaas.md creates no secrets")
	}
	script := `faas-cli() { echo "created $3"; }` + "\nfor p in $(sed" + lines
	cmd := exec.CommandContext(t.Context(), "bash", "-euc", script)
	cmd.Dir = "../../.."
	created, err := cmd.CombinedOutput()
	check.Must(t, err)
	standard, _ := stacks(t, functions.All())
	needed := secretOf.FindAllStringSubmatch(standard, -1)
	if len(needed) < 100 {
		t.Fatalf("only %d secrets", len(needed))
	}
	for _, secret := range needed {
		if secret[1] != "tidebank-keys-receiver" && !strings.Contains(string(created), "created "+secret[1]+"\n") {
			t.Errorf("nobody creates %s", secret[1])
		}
	}
}
