package fn_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

const (
	traceOfCaller = "4bf92f3577b34da6a3ce929d0e0e4736"
	traceparent   = "00-" + traceOfCaller + "-00f067aa0ba902b7-01"
)

// failing is a function without a channel that fails as it is told to.
func failing(name string, fail func(context.Context, given) error) fn.Function {
	return declare(name, plain, func(ctx context.Context, with given, _ struct{}) (struct{}, error) {
		return struct{}{}, fail(ctx, with)
	})
}

func TestProblemsByKind(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	for i, tt := range []struct {
		err    *bankerr.Error
		status int
		title  string
		retry  string
	}{
		{bankerr.ErrInput, 400, "提交的信息有误", ""},
		{session.ErrRequired, 401, "登录已失效", ""},
		{bankerr.ErrNotFound, 404, "没有找到相关信息", ""},
		{pg.ErrBusy, 409, "该请求正在处理", "1"},
		{risk.ErrRefused, 422, "该交易存在风险，已被拦截", ""},
		{session.ErrRateLimited.WithRetryAfter(1001 * time.Millisecond), 429, "操作过于频繁", "2"},
		{bankerr.ErrInternal, 500, "系统繁忙", ""},
		{bankerr.ErrUnavailable, 503, "服务暂时不可用", ""},
		{bankerr.New(bankerr.Refused, "NOT_IN_THE_CATALOGUE"), 422, "系统繁忙", ""},
	} {
		f := failing(fmt.Sprint("test-kind-", i), func(context.Context, given) error {
			return fmt.Errorf("somewhere: %w", tt.err.Because(errors.New("the cause")))
		})
		reply := handle(t, b, f, "{}", http.Header{"Traceparent": {traceparent}})
		var p map[string]any
		check.Must(t, json.Unmarshal(reply.Body, &p))
		detail, _ := p["detail"].(string)
		if !strings.ContainsFunc(detail, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
			t.Errorf("%s: detail is not Chinese: %q", tt.err.Code(), detail)
		}
		want := map[string]any{
			"type": "about:blank", "status": float64(tt.status), "code": tt.err.Code(), "title": tt.title, "detail": detail,
			"trace": traceOfCaller,
		}
		if tt.retry != "" {
			seconds, err := strconv.ParseFloat(tt.retry, 64)
			check.Must(t, err)
			want["retry_after"] = seconds
		}
		if diff := cmp.Diff(want, p); diff != "" || reply.StatusCode != tt.status {
			t.Errorf("%s: %d (-want +got):\n%s", tt.err.Code(), reply.StatusCode, diff)
		}
		header := http.Header{
			"Cache-Control": {"no-store"}, "Content-Type": {"application/problem+json"}, "X-Content-Type-Options": {"nosniff"},
		}
		if tt.retry != "" {
			header.Set("Retry-After", tt.retry)
		}
		if diff := cmp.Diff(header, reply.Header); diff != "" {
			t.Errorf("%s: header (-want +got):\n%s", tt.err.Code(), diff)
		}
	}
}

func TestAFieldIsNamed(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	f := failing("test-field", func(context.Context, given) error { return fn.InvalidField("memo", "too long: "+phoneNo) })
	reply := handle(t, b, f, "{}", nil)
	var p fn.Problem
	check.Must(t, json.Unmarshal(reply.Body, &p))
	if p.Field != "memo" || strings.Contains(string(reply.Body), "too long") {
		t.Errorf("%s", reply.Body)
	}
}

// inner is the text of an unforeseen error, which no reply may hold.
const inner = "SELECT card FROM customer WHERE no = '6228480000000100011' on db-1.internal"

// Forced database errors, panics and timeouts answer a stable code, a plain text
// and a trace id. Only the log has the details, under that id.
func TestUnforeseenErrorsTellNothing(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ERR-001.1", "ERR-001.2", "ERR-001.3")
	db, down := pgtest.New(t), bank.On(t, pgtest.Broken(t))
	b := bank.On(t, db)
	for _, tt := range []struct {
		name, code string
		bank       *bank.Bank
		logged     string
		fail       func(context.Context, given) error
	}{
		{"error", "INTERNAL_ERROR", b, "db-1.internal", func(context.Context, given) error { return errors.New(inner) }},
		{"panic", "INTERNAL_ERROR", b, "panic: SELECT", func(context.Context, given) error { panic(inner) }},
		{"nil", "INTERNAL_ERROR", b, "nil pointer", func(context.Context, given) error { return *(*error)(nil) }},
		{"sql", "INTERNAL_ERROR", b, "no_such_table", func(ctx context.Context, with given) error {
			var n int
			err := with.lent.DB.QueryRow(ctx, "SELECT 1 FROM no_such_table").Scan(&n)
			return err
		}},
		{"down", "SERVICE_UNAVAILABLE", down, "127.0.0.1", func(ctx context.Context, with given) error {
			var n int
			err := with.lent.DB.QueryRow(ctx, "SELECT 1").Scan(&n)
			return err
		}},
		{"late", "SERVICE_UNAVAILABLE", b, "deadline", func(ctx context.Context, _ given) error {
			<-ctx.Done()
			return fmt.Errorf("%s: %w", inner, ctx.Err())
		}},
	} {
		f := declare("test-unforeseen-"+tt.name, func(s *fn.Spec) {
			plain(s)
			if s.Timeout = patience; tt.name == "late" {
				s.Timeout = 100 * time.Millisecond
			}
		}, func(ctx context.Context, with given, _ struct{}) (struct{}, error) {
			return struct{}{}, tt.fail(ctx, with)
		})
		reply := handle(t, tt.bank, f, "{}", nil)
		var p map[string]any
		check.Must(t, json.Unmarshal(reply.Body, &p))
		members := slices.Sorted(maps.Keys(p))
		if diff := cmp.Diff([]string{"code", "detail", "status", "title", "trace", "type"}, members); diff != "" || p["code"] != tt.code {
			t.Errorf("%s: %s", tt.name, reply.Body)
		}
		told, ok := bankerr.Lookup(tt.code)
		if !ok || p["title"] != told.Title || p["detail"] != told.Advice {
			t.Errorf("%s: not the catalogue's text: %s", tt.name, reply.Body)
		}
		trace, _ := p["trace"].(string)
		if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(trace) {
			t.Fatalf("%s: trace is %q", tt.name, trace)
		}
		line := lineOf(t, tt.bank, trace)
		if !strings.Contains(line, tt.logged) || !strings.Contains(line, `"level":"ERROR"`) || strings.Contains(line, "6228480") {
			t.Errorf("%s: the log says %s", tt.name, line)
		}
	}
}

// lineOf is the one log line of a trace.
func lineOf(t *testing.T, b *bank.Bank, trace string) string {
	t.Helper()
	var found []string
	for line := range strings.Lines(b.Log.String()) {
		if strings.Contains(line, trace) {
			found = append(found, line)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d log lines of trace %s: %v", len(found), trace, found)
	}
	return found[0]
}

// Behind a channel a problem is sealed like any reply.
func TestProblemsAreSealed(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	f := declare("test-sealed", nil, func(context.Context, given, struct{}) (struct{}, error) {
		return struct{}{}, risk.ErrRefused
	})
	d := b.Device(t, "phone")
	reply := d.Call(t, f, "", struct{}{})
	reply.Want(t, "RISK_REFUSED")
	if got := reply.Header.Get("Content-Type"); got != "application/vnd.tidebank.frame" {
		t.Errorf("content type %q", got)
	}
}
