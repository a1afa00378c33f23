package pg

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/downstream"
)

// observed times and traces each query, batch and connection attempt, and gives each its
// deadline. A span has the name of the statement's first line ("-- transfer.insert"). It
// holds no argument.
//
// The work of callers that share a transaction belongs to no caller's trace.
type observed struct {
	deadlines
	timer     *downstream.Timer
	demotions *demotions
}

// begun is the key of the downstream.Call in the context of a query, batch or attempt.
type begun struct{}

func (o observed) begin(ctx context.Context, what string, parts ...string) context.Context {
	ctx, call := o.timer.Begin(ctx, what, parts...)
	return context.WithValue(ctx, begun{}, call)
}

func (observed) finish(ctx context.Context, err error) {
	if call, ok := ctx.Value(begun{}).(downstream.Call); ok {
		call.End(unanswered(err))
	}
}

// unanswered reports whether PostgreSQL gave no answer, or answered that it can't work. A
// caller that has left is no failure.
func unanswered(err error) bool {
	return err != nil && !retryable(err) && !errors.Is(err, context.Canceled) && errors.Is(Classify(err), bankerr.ErrUnavailable)
}

// TraceQueryStart begins a query.
func (o observed) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	what := ""
	if downstream.Traced(ctx) {
		what = traced(data.SQL)
	}
	return o.deadlines.TraceQueryStart(o.begin(ctx, what), conn, data)
}

// TraceQueryEnd ends a query.
func (o observed) TraceQueryEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryEndData) {
	o.finish(ctx, data.Err)
	o.demotions.notice(conn, data.Err)
	o.deadlines.TraceQueryEnd(ctx, conn, data)
}

// TraceBatchStart begins a batch. Its span has the name of the first statement that is
// not about the transaction itself, and lists all statements.
func (o observed) TraceBatchStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	if !downstream.Traced(ctx) {
		return o.deadlines.TraceBatchStart(o.begin(ctx, ""), conn, data)
	}
	names := make([]string, 0, data.Batch.Len())
	for _, q := range data.Batch.QueuedQueries {
		names = append(names, traced(q.SQL))
	}
	first := slices.IndexFunc(names, func(name string) bool { return !strings.HasPrefix(name, "transaction.") })
	what := "batch"
	if first >= 0 {
		what = names[first]
	}
	return o.deadlines.TraceBatchStart(o.begin(ctx, what, names...), conn, data)
}

// TraceBatchEnd ends a batch.
func (o observed) TraceBatchEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceBatchEndData) {
	o.finish(ctx, data.Err)
	o.demotions.notice(conn, data.Err)
	o.deadlines.TraceBatchEnd(ctx, conn, data)
}

// TraceConnectStart begins an attempt to connect.
func (o observed) TraceConnectStart(ctx context.Context, data pgx.TraceConnectStartData) context.Context {
	return o.deadlines.TraceConnectStart(o.begin(ctx, "connect"), data)
}

// TraceConnectEnd ends the attempt.
func (o observed) TraceConnectEnd(ctx context.Context, data pgx.TraceConnectEndData) {
	o.finish(ctx, data.Err)
	o.deadlines.TraceConnectEnd(ctx, data)
}

var (
	calls = regexp.MustCompile(`^SELECT \w+\(`) // the text that step.text makes of calls
	call  = regexp.MustCompile(`\b(\w+)\(`)
	word  = regexp.MustCompile(`^\w+$`)
)

// traced names a statement in a span. A unit's calls of SQL functions have the names of
// the functions; a statement of one word, such as begin, is its own name.
func traced(sql string) string {
	switch name := nameOf(sql); {
	case name != "statement":
		return name
	case calls.MatchString(sql):
		var functions []string
		for _, found := range call.FindAllStringSubmatch(sql, -1) {
			functions = append(functions, found[1])
		}
		return strings.Join(functions, " ")
	case word.MatchString(sql):
		return sql
	default:
		return name
	}
}
