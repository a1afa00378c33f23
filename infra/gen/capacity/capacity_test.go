package capacity

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/infra/gen/process"
	"github.com/tidebank/tidebank/test/check"
)

func TestPeak(t *testing.T) {
	t.Parallel()
	c := Customers{
		MonthlyActives: 360_000, PaydayShare: 0.5, PeakHour: 0.1, PeakMinute: 2, CallsPerVisit: 10, Transfers: 0.5, Pause: time.Second,
	}
	if got := c.Peak(); got != (Load{Logins: 10, Queries: 85, Transfers: 5, Visits: 180_000}) {
		t.Errorf("the visits give %+v", got)
	}
	c.Concurrent = 1000
	if got := c.Peak(); got.Logins+got.Queries+got.Transfers != 1000 {
		t.Errorf("1000 sessions that call once in a second give %+v", got)
	}
}

func TestNeeds(t *testing.T) {
	t.Parallel()
	c := Customers{Concurrent: 1000, Pause: time.Second, CallsPerVisit: 10, MonthlyActives: 1}
	p := Plant{Utilisation: 0.5, PodCPU: 2, ConnsPerPod: 8, ConnsPerCore: 25, CommitsAtMost: 300, CoreHour: 1, SessionBytes: 1e6}
	n := p.Needs(c, Costs{
		Login: Cost{Function: 10 * time.Millisecond}, Query: Cost{Function: time.Millisecond, PostgreSQL: time.Millisecond},
	})
	// 100 log-ins and 900 queries: 1 and 0.9 cores of functions, 0.9 of PostgreSQL, at half use.
	if int(n.FunctionCores*10+0.5) != 38 || int(n.PostgreSQLCores*10+0.5) != 18 || n.Pods != 2 || n.LoginPods != 1 || n.Connections != 16 {
		t.Errorf("needs %+v", n)
	}
	if n.Shards != 4 || n.ConnectionBudget != 50 || n.RedisGB != 1 || int(n.YuanPerHour*10+0.5) != 74 {
		t.Errorf("needs %+v", n)
	}
}

// The manifests let log-ins grow to what a payday of the bank needs.
func TestTheManifestsReachAPayday(t *testing.T) {
	t.Parallel()
	need := plant.Needs(customers, costs)
	if need.LoginPods > process.LoginScale {
		t.Errorf("a payday needs %d instances of identity-login, and the manifests allow %d", need.LoginPods, process.LoginScale)
	}
	if others := need.Pods - need.LoginPods; others > process.ScaleLimit {
		t.Errorf("all other calls need %d instances, and the manifests allow %d for each function", others, process.ScaleLimit)
	}
}

// docs/performance.md has each figure that the page calls measured.
func TestMeasuredFiguresAreThere(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/performance.md")
	check.Must(t, err)
	text := strings.Join(strings.Fields(string(page)), " ")
	milliseconds := func(d time.Duration) string { return fmt.Sprintf("%.4g ms", d.Seconds()*1000) }
	c := measured.Confirm
	for _, sentence := range []string{
		fmt.Sprintf("A confirm costs about %s of CPU in the function, %s in PostgreSQL and %s in Redis.",
			milliseconds(c.Function), milliseconds(c.PostgreSQL), milliseconds(c.Redis)),
		fmt.Sprintf("A call of `account-overview` costs about %s of CPU in the function.", milliseconds(measured.Call)),
		fmt.Sprintf("The hash of a password costs %s of CPU.", milliseconds(measured.Hash)),
	} {
		if !strings.Contains(text, sentence) {
			t.Errorf("docs/performance.md does not say: %s", sentence)
		}
	}
}

func TestBurst(t *testing.T) {
	t.Parallel()
	p := Plant{Utilisation: 0.5, PodCPU: 1, ColdStart: 2 * time.Second}
	if pods, waiting := p.Burst(Load{Queries: 100}, Load{Queries: 1100}, time.Millisecond); pods != 2 || waiting != 2000 {
		t.Errorf("%d instances, %v calls", pods, waiting)
	}
	if pods, waiting := p.Burst(Load{Queries: 2}, Load{Queries: 1}, time.Second); pods != 0 || waiting != 0 {
		t.Errorf("a smaller load: %d instances, %v calls", pods, waiting)
	}
}

func TestPageHasEverySize(t *testing.T) {
	t.Parallel()
	text, err := Page()
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"| 450,000 |", "a usual day | payday, 09:00 | 100 times payday |", "yuan an hour"} {
		if !strings.Contains(string(text), part) {
			t.Errorf("no %q in:\n%s", part, text)
		}
	}
	if got := whole(12_345.0); got != "12,000" {
		t.Errorf("12345 is written as %s", got)
	}
}
