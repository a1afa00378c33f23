package pg

import (
	"context"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidebank/tidebank/shared/clock"
)

// A broken network may swallow an answer and give no sign. So each wait for PostgreSQL
// has an end, and a connection that was idle proves that it works before a caller
// gets it.
const (
	// defaultTimeout ends a query if neither its caller nor the configuration sets
	// an end.
	defaultTimeout = 10 * time.Second
	connectTimeout = 3 * time.Second
	probeAfter     = time.Second // a connection that was idle for longer is probed before its use
	probeTimeout   = time.Second
	// discardTimeout ends the closing of a connection and the cancelling of its query.
	// Until then the connection occupies its place in the pool.
	discardTimeout = time.Second
	// unacknowledged ends a connection when the other side has acknowledged no data for
	// so long (TCP_USER_TIMEOUT, Linux only).
	unacknowledged = 5 * time.Second
)

// bound gives the pool's connections their deadlines, and lets the pool drop all idle
// connections when one of them has gone silent.
func bound(c *pgxpool.Config, tracer pgx.QueryTracer, reset func()) {
	c.ConnConfig.ConnectTimeout = connectTimeout
	c.ConnConfig.DialFunc = dial
	c.ConnConfig.Tracer = tracer
	c.ShouldPing = func(_ context.Context, p pgxpool.ShouldPingParams) bool {
		if p.IdleDuration > probeAfter {
			p.Conn.PgConn().CustomData()[unproved] = true
		}
		return false // the pool's own ping has no deadline, and tells nobody about silence
	}
	c.PrepareConn = func(ctx context.Context, conn *pgx.Conn) (bool, error) {
		if _, yes := conn.PgConn().CustomData()[unproved]; !yes {
			return true, nil
		}
		delete(conn.PgConn().CustomData(), unproved)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTimeout)
		defer cancel()
		err := conn.Ping(ctx)
		if err != nil && ctx.Err() != nil {
			reset() // the other idle connections took the same way
		}
		return err == nil, nil // the pool takes another connection
	}
}

// unproved marks a connection that was idle for long.
const unproved = "tidebank.unproved"

// deadlines gives a deadline to each query, batch and acquisition whose context has no
// deadline. pgx calls it at the beginning and end of each.
type deadlines struct{ within time.Duration }

// timed is a context whose deadline was set by deadlines.
type timed struct {
	context.Context //nolint:containedctx // pgx hands the context back at the end
	cancel          context.CancelFunc
}

func (d deadlines) start(ctx context.Context) context.Context {
	if _, given := ctx.Deadline(); given {
		return ctx
	}
	ctx, cancel := context.WithTimeout(ctx, d.within)
	return timed{ctx, cancel}
}

func (deadlines) end(ctx context.Context) {
	if t, ok := ctx.(timed); ok {
		t.cancel()
	}
}

// TraceQueryStart begins a query.
func (d deadlines) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return d.start(ctx)
}

// TraceQueryEnd ends a query.
func (d deadlines) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	d.end(ctx)
}

// TraceBatchStart begins a batch.
func (d deadlines) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return d.start(ctx)
}

// TraceBatchQuery does nothing: the batch has one deadline.
func (deadlines) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd ends a batch.
func (d deadlines) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchEndData) {
	d.end(ctx)
}

// TraceAcquireStart begins to wait for a connection of the pool.
func (d deadlines) TraceAcquireStart(
	ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData,
) context.Context {
	return d.start(ctx)
}

// TraceAcquireEnd ends the wait.
func (d deadlines) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireEndData) {
	d.end(ctx)
}

// TraceConnectStart marks the dialling of a connection, see dial.
func (deadlines) TraceConnectStart(ctx context.Context, _ pgx.TraceConnectStartData) context.Context {
	return context.WithValue(ctx, connecting{}, true)
}

// TraceConnectEnd does nothing: connectTimeout ends the attempt.
func (deadlines) TraceConnectEnd(context.Context, pgx.TraceConnectEndData) {}

// connecting is the mark of a context that opens a connection.
type connecting struct{}

// dial opens a TCP connection that notices a dead peer. pgx also dials to cancel a
// query of a connection that it gives up. It then waits for the server's answer, so
// that wait gets a short end.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 3 * time.Second, Count: 3},
		Control:         limitUnacknowledged,
	}
	cancels := ctx.Value(connecting{}) == nil
	if cancels {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, discardTimeout)
		defer cancel()
	}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err //nolint:wrapcheck // pgx wraps it
	}
	if cancels {
		if err := conn.SetDeadline((clock.System{}).Now().Add(discardTimeout)); err != nil {
			_ = conn.Close() // the first error counts
			return nil, err  //nolint:wrapcheck // pgx wraps it
		}
	}
	return shortened{conn}, nil
}

// shortened is a connection whose end takes at most discardTimeout. pgx sets a deadline
// in the future only when it gives the connection up.
type shortened struct{ net.Conn }

// SetDeadline sets the deadline, or a nearer one.
func (c shortened) SetDeadline(t time.Time) error {
	if last := (clock.System{}).Now().Add(discardTimeout); t.After(last) {
		t = last
	}
	return c.Conn.SetDeadline(t) //nolint:wrapcheck // pgx wraps it
}
