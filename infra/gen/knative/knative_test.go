package knative_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/infra/gen/knative"
	"github.com/tidebank/tidebank/infra/gen/output"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/workers"
)

func files(t *testing.T) output.Files {
	t.Helper()
	made, err := knative.Files(functions.All(), workers.All(), functions.Subscriptions())
	check.Must(t, err)
	return made
}

// document is the part of a file that deploys one process.
func document(t *testing.T, file, name string) string {
	t.Helper()
	for part := range strings.SplitSeq(string(files(t)[knative.Folder+"/"+file]), "\n---\n") {
		if strings.Contains(part, "\nmetadata:\n  name: "+name+"\n") {
			return part
		}
	}
	t.Fatalf("%s is not in %s", name, file)
	return ""
}

var environment = regexp.MustCompile(`name: ([A-Z][A-Z_]+)`)

// A process gets the settings that it reads, and no others.
func TestSettingsOfOneProcess(t *testing.T) {
	t.Parallel()
	always := []string{"KEYS_FILE", "KEYS_RECEIVER", "FN_LINGER", "FN_DRAIN", "FN_ADMIN_PORT"}
	database := []string{"DATABASE_MAX_CONNS", "DATABASE_URL"}
	for _, tt := range []struct {
		file, name string
		want       []string
	}{
		{"functions.yaml", "channel-open", []string{"FN_TRUSTED_PROXIES", "REDIS_URL"}},
		{"functions.yaml", "transfer-confirm", []string{"FN_TRUSTED_PROXIES", database[0], database[1], "REDIS_URL"}},
		{"functions.yaml", "audit-on-event", database},
		{"functions.yaml", "notify-on-otp", []string{database[0], database[1], "SMS_SECRET", "SMS_URL"}},
		{"workers.yaml", "events-relay", database},
	} {
		var got []string
		for _, match := range environment.FindAllStringSubmatch(document(t, tt.file, tt.name), -1) {
			got = append(got, match[1])
		}
		sorted := cmp.Transformer("set", func(list []string) map[string]int {
			set := map[string]int{}
			for _, s := range list {
				set[s]++
			}
			return set
		})
		if diff := cmp.Diff(append(always[:len(always):len(always)], tt.want...), got, sorted); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// Kubernetes ends a pod only after linger and drain are over.
func TestAPodMayFinishItsCalls(t *testing.T) {
	t.Parallel()
	pod := document(t, "functions.yaml", "transfer-confirm")
	figure := func(form string) time.Duration {
		match := regexp.MustCompile(form).FindStringSubmatch(pod)
		if match == nil {
			t.Fatalf("no %s", form)
		}
		seconds, err := strconv.Atoi(match[1])
		check.Must(t, err)
		return time.Duration(seconds) * time.Second
	}
	grace := figure(`timeoutSeconds: (\d+)`)
	if used := figure(`FN_LINGER, value: "(\d+)s"`) + figure(`FN_DRAIN, value: "(\d+)s"`); used >= grace {
		t.Errorf("linger and drain take %v, and the pod has %v", used, grace)
	}
}

// The connections of all instances together are stated, and stay within what one
// PostgreSQL server of the bank is set up for. A deployment replaces all workers at once,
// and so many Services at a time as infra/knative/deploy does by default.
func TestConnectionsAreBudgeted(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("../../knative/deploy")
	check.Must(t, err)
	wave := number(t, string(script), `DEPLOY_WAVE:-(\d+)`)
	var functions []int
	for part := range strings.SplitSeq(string(files(t)[knative.Folder+"/functions.yaml"]), "\n---\n") {
		if strings.Contains(part, "DATABASE_URL") {
			functions = append(functions, number(t, part, `max-scale: "(\d+)"`)*number(t, part, `DATABASE_MAX_CONNS, value: "(\d+)"`))
		}
	}
	slices.Sort(functions)
	sum := 0
	for _, open := range slices.Concat(functions, functions[len(functions)-wave:]) {
		sum += open
	}
	const listening = "events-relay" // has one connection more in each instance
	for part := range strings.SplitSeq(string(files(t)[knative.Folder+"/workers.yaml"]), "\n---\n") {
		if !strings.Contains(part, "DATABASE_URL") {
			continue
		}
		each := number(t, part, `DATABASE_MAX_CONNS, value: "(\d+)"`)
		if strings.Contains(part, "\n  name: "+listening+"\n") {
			each++
		}
		sum += 2 * each * number(t, part, `replicas: (\d+)`)
	}
	stated := string(files(t)[knative.Folder+"/kustomization.yaml"])
	if !strings.Contains(stated, fmt.Sprintf(" open %d connections ", sum)) || sum < 100 || sum > 1000 {
		t.Errorf("%d connections; stated:\n%s", sum, stated)
	}
}

// number is the number that a form finds in a text.
func number(t *testing.T, text, form string) int {
	t.Helper()
	match := regexp.MustCompile(form).FindStringSubmatch(text)
	if match == nil {
		t.Fatalf("no %s in:\n%s", form, text)
	}
	n, err := strconv.Atoi(match[1])
	check.Must(t, err)
	return n
}
