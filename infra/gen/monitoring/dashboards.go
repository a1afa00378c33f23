package monitoring

import "github.com/tidebank/tidebank/shared/fn"

// dashboard is a Grafana dashboard (schema 39), with the fields that the bank uses.
type dashboard struct {
	UID           string         `json:"uid"`
	Title         string         `json:"title"`
	Tags          []string       `json:"tags"`
	SchemaVersion int            `json:"schemaVersion"`
	Refresh       string         `json:"refresh"`
	Time          map[string]any `json:"time"`
	Templating    map[string]any `json:"templating"`
	Panels        []panel        `json:"panels"`
}

type panel struct {
	ID          int            `json:"id"`
	Title       string         `json:"title"`
	Type        string         `json:"type"`
	Description string         `json:"description,omitempty"`
	Datasource  map[string]any `json:"datasource"`
	GridPos     grid           `json:"gridPos"`
	Targets     []query        `json:"targets"`
	FieldConfig map[string]any `json:"fieldConfig"`
}

type grid struct {
	H int `json:"h"`
	W int `json:"w"`
	X int `json:"x"`
	Y int `json:"y"`
}

type query struct {
	RefID  string `json:"refId"`
	Expr   string `json:"expr"`
	Legend string `json:"legendFormat"`
}

// shown is a panel before it has a place.
type shown struct {
	title, kind, unit, expr, legend string
}

// graph and figure are the kinds of panels.
const (
	graph  = "timeseries"
	figure = "stat"
	table  = "state-timeline"
)

const perRow = 3

func newDashboard(uid, title string, list []shown) dashboard {
	source := map[string]any{"type": "prometheus", "uid": "${source}"}
	d := dashboard{
		UID: uid, Title: title, Tags: []string{"tidebank"}, SchemaVersion: 39, Refresh: "30s",
		Time: map[string]any{"from": "now-6h", "to": "now"},
		Templating: map[string]any{"list": []any{map[string]any{
			"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus",
		}}},
	}
	for i, s := range list {
		d.Panels = append(d.Panels, panel{
			ID: i + 1, Title: s.title, Type: s.kind, Datasource: source,
			GridPos:     grid{H: 8, W: 24 / perRow, X: i % perRow * (24 / perRow), Y: i / perRow * 8},
			Targets:     []query{{RefID: "A", Expr: s.expr, Legend: s.legend}},
			FieldConfig: map[string]any{"defaults": map[string]any{"unit": s.unit}, "overrides": []any{}},
		})
	}
	return d
}

func dashboards(all []fn.Function) []dashboard {
	return []dashboard{overview(), byFunction(all), flow(), stores()}
}

func overview() dashboard {
	return newDashboard("tidebank-overview", "潮汐银行 总览 Overview", []shown{
		{"30 天可用率（业务探测） Availability over 30 days", figure, "percentunit", "tidebank:availability:30d", "30 d"},
		{"30 天已用停机预算（共 777.6 秒） Downtime of 30 days", figure, "s", "tidebank:downtime_seconds:30d", "30 d"},
		{"现在 Up now", figure, "bool_on_off", "1 - tidebank:down", "up"},
		{"失败率 Failed calls", graph, "percentunit", `{__name__=~"tidebank:errors:ratio_.*"}`, "{{__name__}}"},
		{"超过 100 毫秒 Slower than 100 ms", graph, "percentunit", `{__name__=~"tidebank:slow:ratio_.*"}`, "{{__name__}}"},
		{"错误预算燃烧倍数 Burn rate", graph, "none", "tidebank:errors:ratio_1h / " + number(errorBudget), "1 h"},
		{"调用 Calls", graph, "reqps", "sum by (class) (rate(tidebank_calls_total[5m]))", "{{class}}"},
		{"告警 Alerts", table, "none", `ALERTS{alertstate="firing"}`, "{{alertname}} {{component}}"},
		{"探测 Probe", table, "none", `min by (function, step) (tidebank_probe_success)`, "{{function}} {{step}}"},
	})
}

// byFunction has two panels for each function.
func byFunction(all []fn.Function) dashboard {
	list := []shown{
		{"调用 Calls", graph, "reqps", "tidebank:function_calls:rate5m", "{{function}}"},
		{"失败率 Failed calls", graph, "percentunit", "tidebank:function_errors:ratio_5m", "{{function}}"},
		{"p99", graph, "s", "tidebank:function_seconds:p99_5m", "{{function}}"},
		{"身份验证失败 Refused proofs", graph, "reqps",
			`sum by (function, code) (rate(tidebank_calls_total{class="proof"}[5m]))`, "{{function}} {{code}}"},
		{"限额与限流 Limits", graph, "reqps",
			`sum by (function, code) (rate(tidebank_calls_total{class="limited"}[5m]))`, "{{function}} {{code}}"},
		{"版本 Builds", figure, "none", "count by (commit, go) (tidebank_build_info)", "{{commit}} {{go}}"},
	}
	for _, f := range all {
		of := `{function="` + f.Spec.Name + `"}`
		list = append(list,
			shown{f.Spec.Name + " 调用 calls", graph, "reqps", `sum by (code) (rate(tidebank_calls_total` + of + `[5m]))`, "{{code}}"},
			shown{f.Spec.Name + " p50 p99", graph, "s", `histogram_quantile(0.99, sum by (le) (rate(tidebank_call_seconds_bucket` + of +
				`[5m]))) or histogram_quantile(0.5, sum by (le) (rate(tidebank_call_seconds_bucket` + of + `[5m])))`, "p99"},
			shown{f.Spec.Name + " 探测 probe", figure, "bool_on_off", `min(tidebank_probe_success` + of + `)`, "up"})
	}
	return newDashboard("tidebank-functions", "潮汐银行 函数 Functions", list)
}

func flow() dashboard {
	return newDashboard("tidebank-events", "潮汐银行 事件 Events", []shown{
		{"等待的事件 Waiting", graph, "none", "max by (lane) (tidebank_outbox_unpublished)", "{{lane}}"},
		{"最早事件的等待 Lag", graph, "s", "max by (lane) (tidebank_outbox_lag_seconds)", "{{lane}}"},
		{"搁置 Set aside", figure, "none", "max(tidebank_outbox_set_aside)", "set aside"},
		{"死信 Dead letters", figure, "none", "max(tidebank_outbox_dead_letters)", "platform"},
		{"自有代理的死信 Own broker", figure, "none", "max(tidebank_dead_letters)", "own broker"},
		{"自有代理的待投递 Own broker waiting", graph, "none", "max(tidebank_deliveries_waiting)", "waiting"},
		{"事件函数 Event functions", graph, "reqps", `sum by (function, code) (rate(tidebank_calls_total{function=~".*-on-.*"}[5m]))`,
			"{{function}} {{code}}"},
		{"短信预算 SMS budget", graph, "percentunit", "max(tidebank_sms_budget_used)", "used"},
		{"超出号码限额的短信 SMS over quota", graph, "none", "max(tidebank_sms_over_quota)", "over quota"},
	})
}

func stores() dashboard {
	return newDashboard("tidebank-stores", "潮汐银行 依赖 Stores and services", []shown{
		{"应答 p95 Answers", graph, "s", "tidebank:dependency_seconds:p95_5m", "{{dependency}}"},
		{"无应答 Failures", graph, "reqps", "sum by (dependency) (rate(tidebank_dependency_failures_total[5m]))", "{{dependency}}"},
		{"端口 Ports", table, "none", `probe_success{job="ports"}`, "{{target}}"},
		{"PostgreSQL 连接 in use", graph, "none", "sum by (process) (tidebank_db_connections_in_use)", "{{process}}"},
		{"PostgreSQL 连接上限 max", graph, "none", "sum by (process) (tidebank_db_connections_max)", "{{process}}"},
		{"PostgreSQL 等待连接 Waits", graph, "s", "sum by (process) (rate(tidebank_db_wait_seconds_total[5m]))", "{{process}}"},
		{"共用事务的调用 Callers of a transaction", graph, "none",
			`sum by (work) (rate(tidebank_db_callers_sum[5m])) / sum by (work) (rate(tidebank_db_callers_count[5m]))`, "{{work}}"},
		{"Redis 连接 in use", graph, "none", "sum by (process) (tidebank_redis_connections_in_use)", "{{process}}"},
		{"Redis 等不到连接 Timeouts", graph, "none", "sum by (process) (rate(tidebank_redis_wait_timeouts_total[5m]))", "{{process}}"},
		{"表结构版本 Schema", figure, "none", "max(tidebank_schema_version)", "version"},
		{"清理的行 Rows pruned", graph, "none", "sum by (table) (increase(tidebank_rows_pruned_total[1h]))", "{{table}}"},
		{"进程内存 Memory", graph, "bytes", `sum by (process) (process_resident_memory_bytes{job="tidebank"})`, "{{process}}"},
	})
}
