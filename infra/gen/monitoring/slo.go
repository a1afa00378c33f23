package monitoring

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tidebank/tidebank/shared/fn"
)

// The service levels: 99.97 % of the calls succeed, and 99 % answer within 100 ms.
const (
	errorBudget = 0.0003
	slowBudget  = 0.01
	slowAbove   = "0.1" // seconds; a bucket of tidebank_call_seconds
	// downtimeBudget is what 99.97 % leaves of 30 days: 12.96 minutes.
	downtimeBudget = 777.6
	probeInterval  = 30 // seconds between two values of tidebank:down
)

// burn is a pair of windows and the speed at which the budget burns in both.
type burn struct {
	long, short string
	factor      float64
	severity    string
}

// burns are those of Google's SRE Workbook, chapter 5: 2 % of the budget of 30 days in an
// hour, 5 % in six hours, 10 % in three days.
var burns = []burn{
	{"1h", "5m", 14.4, critical},
	{"6h", "30m", 6, critical},
	{"3d", "6h", 1, warning},
}

func windows() []string {
	var list []string
	for _, b := range burns {
		for _, w := range []string{b.short, b.long} {
			if !slices.Contains(list, w) {
				list = append(list, w)
			}
		}
	}
	return list
}

// number writes a figure without rounding errors.
func number(f float64) string { return strconv.FormatFloat(f, 'g', 6, 64) }

// customers selects the calls that customers wait for. A broker repeats the delivery of an
// event, so that its failure is no failure for a customer.
func customers(all []fn.Function) string {
	var consumers []string
	for _, f := range all {
		if f.Trigger == fn.TriggerEvent {
			consumers = append(consumers, f.Spec.Name)
		}
	}
	return fmt.Sprintf("function!~%q", strings.Join(consumers, "|"))
}

func recording(all []fn.Function) []Group {
	burned, customers := Group{Name: "slo"}, customers(all)
	for _, w := range windows() {
		burned.Rules = append(burned.Rules,
			Rule{Record: "tidebank:errors:ratio_" + w, Expr: fmt.Sprintf(
				`sum(rate(tidebank_calls_total{class="failed",%[1]s}[%[2]s])) / sum(rate(tidebank_calls_total{%[1]s}[%[2]s]))`, customers, w)},
			Rule{Record: "tidebank:slow:ratio_" + w, Expr: fmt.Sprintf(
				`1 - sum(rate(tidebank_call_seconds_bucket{le=%q,%[2]s}[%[3]s])) / sum(rate(tidebank_call_seconds_count{%[2]s}[%[3]s]))`,
				slowAbove, customers, w)})
	}
	functions := Group{Name: "functions", Rules: []Rule{
		{Record: "tidebank:function_calls:rate5m", Expr: `sum by (function) (rate(tidebank_calls_total[5m]))`},
		{
			Record: "tidebank:function_errors:ratio_5m",
			Expr: `sum by (function) (rate(tidebank_calls_total{class="failed"}[5m])) / ` +
				`sum by (function) (rate(tidebank_calls_total[5m]))`,
		},
		{Record: "tidebank:function_seconds:p99_5m", Expr: `histogram_quantile(0.99, ` +
			`sum by (function, le) (rate(tidebank_call_seconds_bucket[5m])))`},
		{Record: "tidebank:dependency_seconds:p95_5m", Expr: `histogram_quantile(0.95, ` +
			`sum by (dependency, le) (rate(tidebank_dependency_seconds_bucket[5m])))`},
	}}
	// A bank without a probe counts as down: nobody knows whether it is up.
	available := Group{Name: "availability", Interval: fmt.Sprint(probeInterval, "s"), Rules: []Rule{
		{Record: "tidebank:down", Expr: `(min(tidebank_probe_success) < bool 1) or vector(1)`},
		{Record: "tidebank:downtime_seconds:30d", Expr: fmt.Sprintf("sum_over_time(tidebank:down[30d]) * %d", probeInterval)},
		{Record: "tidebank:availability:30d", Expr: "1 - tidebank:downtime_seconds:30d / (30 * 86400)"},
	}}
	return []Group{burned, functions, available}
}

func sloAlerts() []Rule {
	var rules []Rule
	for _, b := range burns {
		labels := []string{"component", "bank", "window", b.long}
		rules = append(rules,
			alert("ErrorBudgetBurn", b.severity, layerSymptom, "", fmt.Sprintf(
				"tidebank:errors:ratio_%s > %s and tidebank:errors:ratio_%s > %[2]s", b.long, number(b.factor*errorBudget), b.short),
				"失败的调用正在用完 99.97% 的可用性预算（"+b.long+" 窗口）", labels...),
			alert("LatencyBudgetBurn", b.severity, layerSymptom, "", fmt.Sprintf(
				"tidebank:slow:ratio_%s > %s and tidebank:slow:ratio_%s > %[2]s", b.long, number(b.factor*slowBudget), b.short),
				"超过 100 毫秒的应答正在用完 p99 的预算（"+b.long+" 窗口）", labels...))
	}
	for _, part := range []struct {
		used     float64
		severity string
	}{{0.5, warning}, {0.8, critical}} {
		rules = append(rules, alert("AvailabilityBudget", part.severity, layerBudget, "", fmt.Sprintf(
			"tidebank:downtime_seconds:30d > %s", number(part.used*downtimeBudget)),
			fmt.Sprintf("30 天内探测失败的时间已用去 12.96 分钟预算的 %.0f%%", part.used*100),
			"component", "bank", "used", fmt.Sprintf("%.0f%%", part.used*100)))
	}
	return rules
}
