package capacity

import (
	"bytes"
	_ "embed"
	"fmt"
	"math"
	"text/template"
	"time"

	"github.com/tidebank/tidebank/infra/gen/process"
)

// measured are the CPU times of docs/performance.md on which the costs rest. A test
// compares them with that page.
var measured = struct {
	Confirm Cost          // a call of transfer-confirm
	Call    time.Duration // a call of account-overview, in the function
	Hash    time.Duration // of a password
}{
	Confirm: Cost{Function: 370 * time.Microsecond, PostgreSQL: 360 * time.Microsecond, Redis: 40 * time.Microsecond},
	Call:    430 * time.Microsecond,
	Hash:    46 * time.Millisecond,
}

// The bank of the standard: its customers, and the costs of their calls. A transfer is a
// confirm and two calls before it. A log-in is a hash on a rented core, which is slower
// than the measured one. The other costs are assumptions.
var (
	customers = Customers{
		MonthlyActives: 450_000, Concurrent: 22_000, Pause: 10 * time.Second,
		PaydayShare: 0.5, CallsPerVisit: 12, Transfers: 0.4, PeakHour: 0.12, PeakMinute: 2,
	}
	costs = Costs{
		Login: Cost{Function: 70 * time.Millisecond, PostgreSQL: 600 * time.Microsecond, Redis: 150 * time.Microsecond},
		Query: Cost{Function: measured.Call, PostgreSQL: 200 * time.Microsecond, Redis: 40 * time.Microsecond},
		Transfer: Cost{
			Function: measured.Confirm.Function + 2*measured.Call, PostgreSQL: 1200 * time.Microsecond, Redis: 150 * time.Microsecond,
		},
	}
	plant = Plant{
		Utilisation: 0.5, PodCPU: 1, ConnsPerPod: process.ConnLimit, ConnsPerCore: 25, CommitsAtMost: 8000,
		CoreHour: 0.35, ColdStart: 1700 * time.Millisecond, SessionBytes: 1500, TransferBytes: 6000,
	}
)

//go:embed page.md.tmpl
var page string

// row is one size of the bank.
type row struct {
	Name string
	Customers
	Load
	Need
}

// Page writes docs/capacity.md.
func Page() ([]byte, error) {
	hundred := customers
	hundred.MonthlyActives *= 100
	hundred.Concurrent *= 100
	usual := customers
	usual.PaydayShare, usual.Concurrent = 0.1, usual.Concurrent/5
	var rows []row
	for _, r := range []struct {
		name string
		c    Customers
	}{{"a usual day", usual}, {"payday, 09:00", customers}, {"100 times payday", hundred}} {
		rows = append(rows, row{Name: r.name, Customers: r.c, Load: r.c.Peak(), Need: plant.Needs(r.c, costs)})
	}
	pods, waiting := plant.Burst(rows[0].Load, rows[1].Load, costs.Query.Function)
	t, err := template.New("capacity").Funcs(template.FuncMap{"whole": whole, "percent": percent}).Parse(page)
	if err != nil {
		return nil, fmt.Errorf("capacity: %w", err)
	}
	var b bytes.Buffer
	err = t.Execute(&b, map[string]any{
		"LoginScale": process.LoginScale, "Scale": process.ScaleLimit, "HashCalls": process.HashCalls,
		"Rows": rows, "Customers": customers, "Costs": costs, "Measured": measured, "Plant": plant,
		"BurstPods": pods, "BurstWaiting": waiting,
	})
	if err != nil {
		return nil, fmt.Errorf("capacity: %w", err)
	}
	return b.Bytes(), nil
}

// whole writes a figure with two significant digits and groups of three digits: the
// model knows no more.
func whole(value any) string {
	var f float64
	switch v := value.(type) {
	case int:
		f = float64(v)
	case float64:
		f = v
	}
	if f != 0 && f < 10 {
		return fmt.Sprintf("%.2g", f)
	}
	if digits := math.Floor(math.Log10(max(f, 1))); digits > 1 {
		unit := math.Pow(10, digits-1)
		f = math.Round(f/unit) * unit
	}
	text := fmt.Sprintf("%.0f", f)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func percent(share float64) string { return fmt.Sprintf("%.0f %%", share*100) }
