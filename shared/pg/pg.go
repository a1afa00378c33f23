// Package pg is the bank's way into PostgreSQL. Choose by need:
//
//   - Reader: you only read.
//   - QueryBatch: you read and make small changes, and many callers do so at once.
//   - Commit: you write, and know all statements before you send the first.
//   - InTx: you write, and need one statement's answer before you send the next
//     statement.
//   - Pool: no other way fits, e.g. for LISTEN. You classify the errors yourself.
//
// The first three take one round trip each. QueryBatch and Commit send the work of
// concurrent callers as one transaction (group commit). QueryBatch, Commit and InTx
// try again after a deadlock or a serialisation failure.
//
// Refusals: SERVICE_UNAVAILABLE when the database can't be reached,
// REQUEST_IN_PROGRESS when a lock is held too long. A DB is safe for concurrent
// use; a Unit belongs to one goroutine.
package pg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	pgxuuid "github.com/vgarvardt/pgx-google-uuid/v5"
)

// Config is read from the environment once.
type Config struct {
	URL      string `envconfig:"DATABASE_URL" required:"true"`
	MaxConns int32  `envconfig:"DATABASE_MAX_CONNS" default:"8" max:"1000"`
}

// DB is a pool of connections.
type DB struct {
	pool      *pgxpool.Pool
	wake      *notifier
	units     *groupCommit[*Unit]
	batches   *groupCommit[*queryBatch]
	ungrouped *prometheus.CounterVec
	// warm is closed when the first connection is open or has failed. A call waits for
	// warm, so that it does not open a second connection.
	warm chan struct{}
}

// Open prepares a pool, and opens its first connection in the background, so that the
// first call finds it. Open does not fail if the database is down.
func Open(ctx context.Context, config Config) (*DB, error) {
	c, err := config.parse()
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("open pool: %w", err)
	}
	db := &DB{pool: pool, warm: make(chan struct{}), ungrouped: unitsUngrouped()}
	db.wake = newNotifier(pool) //nolint:contextcheck // the notifier outlives this call
	db.units = newGroupCommit("unit", db.commitUnits, (*Unit).sameShape)
	db.batches = newGroupCommit("batch", db.sendBatches, func(_, _ *queryBatch) bool { return true })
	go db.connect(ctx)
	return db, nil
}

func (config Config) parse() (*pgxpool.Config, error) {
	c, err := pgxpool.ParseConfig(config.URL)
	if err != nil {
		return nil, errors.New("DATABASE_URL is not a PostgreSQL URL") // the cause would show the password
	}
	if c.ConnConfig.DefaultQueryExecMode == pgx.QueryExecModeSimpleProtocol {
		return nil, errors.New("DATABASE_URL must not choose the simple protocol") // see refuse
	}
	c.MaxConns = max(1, config.MaxConns)
	c.MinConns = 0
	c.ConnConfig.ConnectTimeout = 3 * time.Second
	c.ConnConfig.RuntimeParams["application_name"] = "tidebank"
	c.ConnConfig.RuntimeParams["timezone"] = "UTC"
	// Below the deadline of a call (3 s), so that a call that waits for a lock can still
	// answer REQUEST_IN_PROGRESS.
	c.ConnConfig.RuntimeParams["lock_timeout"] = "2s"
	c.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = "10s"
	c.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		pgxuuid.Register(conn.TypeMap()) // without it, pgx encodes every id twice
		return nil
	}
	return c, nil
}

func (db *DB) connect(ctx context.Context) {
	defer close(db.warm)
	if conn, err := db.pool.Acquire(ctx); err == nil { // on failure, the first call reports the error
		conn.Release()
	}
}

// Pool returns the pool itself, for needs that no other function of this package
// covers. Its errors are not classified.
func (db *DB) Pool() *pgxpool.Pool {
	<-db.warm
	return db.pool
}

// Close stops the notifier and closes the connections.
func (db *DB) Close() {
	db.wake.stop()
	db.pool.Close()
}
