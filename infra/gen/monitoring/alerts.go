package monitoring

import (
	"fmt"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/downstream"
	"github.com/tidebank/tidebank/workers/probe"
)

// callAlerts are about the calls of functions, and about the probe's journey.
func callAlerts() []Rule {
	return []Rule{
		alert("FunctionErrors", critical, layerSymptom, "2m",
			`tidebank:function_errors:ratio_5m > 0.05 and tidebank:function_calls:rate5m > 0.02`,
			"函数 {{ $labels.function }} 有 {{ $value | humanizePercentage }} 的调用失败", "component", "{{ $labels.function }}"),
		alert("FunctionSlow", warning, layerSymptom, "10m",
			`tidebank:function_seconds:p99_5m > 0.1 and tidebank:function_calls:rate5m > 0.02`,
			"函数 {{ $labels.function }} 的 p99 是 {{ $value | humanizeDuration }}，目标低于 100 毫秒", "component", "{{ $labels.function }}"),
		alert("JourneyFailing", critical, layerSymptom, "1m",
			fmt.Sprintf(`min by (function, step) (tidebank_probe_success{step!=%q}) == 0`, probe.StepAnswers),
			"业务探测在步骤 {{ $labels.step }}、函数 {{ $labels.function }} 失败", "component", "{{ $labels.function }}"),
		alert("ProofRefusals", warning, layerSymptom, "5m",
			`sum by (function) (rate(tidebank_calls_total{class="proof"}[5m])) > 1 and `+
				`sum by (function) (rate(tidebank_calls_total{class="proof"}[5m])) > `+
				`5 * sum by (function) (rate(tidebank_calls_total{class="proof"}[1d]))`,
			"函数 {{ $labels.function }} 的身份验证失败明显增多，可能有人在猜测", "component", "{{ $labels.function }}"),
		alert("LimitRefusals", warning, layerSymptom, "5m",
			`sum by (code) (rate(tidebank_calls_total{class="limited"}[5m])) > 5 and `+
				`sum by (code) (rate(tidebank_calls_total{class="limited"}[5m])) > `+
				`5 * sum by (code) (rate(tidebank_calls_total{class="limited"}[1d]))`,
			"因限额或限流而被拒绝的调用（{{ $labels.code }}）明显增多"),
	}
}

// lagAbove is the age in seconds at which the oldest waiting event of a lane is too old.
func lagAbove(lane events.Lane) int {
	switch lane {
	case events.LaneCodes:
		return 5 // a code is worth nothing after a minute
	case events.LaneAudit:
		return 300
	case events.LaneEvents:
	}
	return 60
}

// eventAlerts are about events that wait, or that an operator must handle.
func eventAlerts() []Rule {
	var rules []Rule
	for _, lane := range events.Lanes() {
		rules = append(rules, alert("OutboxLag", critical, layerProcess, "1m",
			fmt.Sprintf(`max(tidebank_outbox_lag_seconds{lane=%q}) > %d`, lane, lagAbove(lane)),
			"事件通道 "+string(lane)+" 最早的事件已等待 {{ $value | humanizeDuration }}", "component", "events-relay", "lane", string(lane)))
	}
	return append(rules,
		alert("EventsSetAside", warning, layerEvents, "", `max(tidebank_outbox_set_aside) > 0`,
			"有 {{ $value }} 个事件被搁置，需要人工处理", "component", "events-relay"),
		alert("DeadLetters", warning, layerEvents, "", `max({__name__=~"tidebank_outbox_dead_letters|tidebank_dead_letters"}) > 0`,
			"有 {{ $value }} 个死信，需要人工处理", "component", "event-broker"),
		alert("SMSBudget", warning, layerBudget, "", `max(tidebank_sms_budget_used) > 0.8`,
			"短信预算已用去 {{ $value | humanizePercentage }}", "component", "sms-gateway"),
		alert("KeyOverdue", warning, layerProcess, "", `time() - min by (purpose) (tidebank_key_due_timestamp_seconds) > 0`,
			"用途 {{ $labels.purpose }} 的密钥已超过更新期限 {{ $value | humanizeDuration }}", "component", "bank"),
		alert("PipelineFailed", warning, layerProcess, "", `max by (pipeline, check) (tidebank_pipeline_failed) > 0`,
			"流水线 {{ $labels.pipeline }} 的检查 {{ $labels.check }} 没有通过", "component", "pipeline"),
		alert("PipelineUnfinished", warning, layerProcess, "2h", `max by (pipeline) (tidebank_pipeline_unfinished) > 0`,
			"流水线 {{ $labels.pipeline }} 已开始两小时，仍没有结束", "component", "pipeline"))
}

// slowAboveOf is the time in seconds at which the p95 of a service's answers is too long.
func slowAboveOf(name downstream.Name) float64 {
	switch name {
	case downstream.PostgreSQL:
		return 0.05
	case downstream.Redis:
		return 0.02
	case downstream.Face:
		return 2
	case downstream.SMS, downstream.Certificates, downstream.Broker:
	}
	return 1
}

// storeAlerts are about the services that the functions call, as the functions see them,
// and about the connections to them.
func storeAlerts() []Rule {
	var rules []Rule
	for _, name := range downstream.Names() {
		labels := []string{"component", string(name), "dependency", string(name)}
		rules = append(rules,
			alert("DependencySlow", critical, layerDependency, "2m",
				fmt.Sprintf(`tidebank:dependency_seconds:p95_5m{dependency=%q} > %s`, name, number(slowAboveOf(name))),
				"依赖 "+string(name)+" 应答变慢：p95 为 {{ $value | humanizeDuration }}", labels...),
			alert("DependencyFailing", critical, layerDependency, "1m", fmt.Sprintf(
				`sum(rate(tidebank_dependency_failures_total{dependency=%[1]q}[5m])) / `+
					`sum(rate(tidebank_dependency_seconds_count{dependency=%[1]q}[5m])) > 0.05`, name),
				"对依赖 "+string(name)+" 的调用有 {{ $value | humanizePercentage }} 没有应答", labels...))
	}
	return append(rules,
		alert("PoolExhausted", warning, layerProcess, "2m",
			`sum by (process) (tidebank_db_connections_in_use) / sum by (process) (tidebank_db_connections_max) > 0.9 and `+
				`sum by (process) (rate(tidebank_db_wait_seconds_total[5m])) > 0.1`,
			"进程 {{ $labels.process }} 的 PostgreSQL 连接已用完，调用在等待", "component", "postgresql"),
		alert("RedisPoolExhausted", warning, layerProcess, "2m",
			`sum by (process) (rate(tidebank_redis_wait_timeouts_total[5m])) > 0`,
			"进程 {{ $labels.process }} 等不到 Redis 连接", "component", "redis"),
		alert("ProcessRestarting", warning, layerProcess, "", `changes(process_start_time_seconds{job="tidebank"}[15m]) > 2`,
			"进程 {{ $labels.process }} 的实例 {{ $labels.instance }} 反复重启"))
}
