package pg

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// listenProbe is how long a listener waits for a NOTIFY before it probes its
	// connection.
	listenProbe        = 3 * time.Second
	listenProbeTimeout = 2 * time.Second
	listenPause        = time.Second // before it connects again
)

// Listen runs a LISTEN and calls wake after each NOTIFY of its channel until ctx ends. A silent or broken
// connection is noticed within seconds and replaced. Listen also calls wake after each
// new connection, because NOTIFYs may have been lost. wake must not block.
//
// The connection is one more than DATABASE_MAX_CONNS.
func (db *DB) Listen(ctx context.Context, sql string, wake func()) {
	for ctx.Err() == nil {
		_ = db.listen(ctx, sql, wake) // listeners poll meanwhile
		select {
		case <-ctx.Done():
		case <-time.After(listenPause):
		}
	}
}

func (db *DB) listen(ctx context.Context, sql string, wake func()) error {
	pooled, err := db.Pool().Acquire(ctx)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	conn := pooled.Hijack() // the connection listens from now on, so it must not return to the pool
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTimeout)
		defer cancel()
		_ = conn.Close(ctx) // it is not used any more
	}()
	if err := subscribe(ctx, conn, sql); err != nil {
		return err
	}
	wake()
	for {
		waiting, cancel := context.WithTimeout(ctx, listenProbe)
		_, err := conn.WaitForNotification(waiting)
		silent := waiting.Err() != nil && ctx.Err() == nil
		cancel()
		switch {
		case err == nil:
			wake()
		case silent: // the channel may be quiet, or the connection dead
			if err := subscribe(ctx, conn, sql); err != nil {
				return err
			}
		default:
			return fmt.Errorf("listen: %w", err)
		}
	}
}

// subscribe listens. A repetition changes nothing, so it is also the probe.
func subscribe(ctx context.Context, conn *pgx.Conn, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, listenProbeTimeout)
	defer cancel()
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	return nil
}
