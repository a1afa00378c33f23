// Package pg is the bank's way into PostgreSQL. Choose by need:
//
//   - Reader: you only read.
//   - QueryBatch: you read and make small changes, and many callers do so at once.
//   - Commit: you write, and know all statements before you send the first.
//   - InTx: you write, and need one statement's answer before you send the next
//     statement.
//   - Listen: you wait for NOTIFYs.
//   - Pool: no other way fits. You classify the errors yourself.
//
// The first three take one round trip each. QueryBatch and Commit send the work of
// concurrent callers as one transaction (group commit). QueryBatch, Commit and InTx
// try again after a deadlock or a serialisation failure. Each query has a deadline:
// its caller's, or one of the configuration (silence.go).
//
// Refusals: SERVICE_UNAVAILABLE when the database can't be reached,
// REQUEST_IN_PROGRESS when a lock is held too long. A DB is safe for concurrent
// use; a Unit belongs to one goroutine.
package pg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	pgxuuid "github.com/vgarvardt/pgx-google-uuid/v5"

	"github.com/tidebank/tidebank/shared/downstream"
)

// Config is read from the environment once.
type Config struct {
	URL      string `envconfig:"DATABASE_URL" required:"true" secret:"true"`
	MaxConns int32  `envconfig:"DATABASE_MAX_CONNS" default:"8" max:"1000"`
	// QueryTimeout ends a query whose caller has set no deadline; 10 s if zero.
	QueryTimeout time.Duration `envconfig:"DATABASE_QUERY_TIMEOUT" default:"10s" min:"1s" max:"10m"`
}

// DB is a pool of connections.
type DB struct {
	pool      *pgxpool.Pool
	wake      *notifier
	units     *groupCommit[*Unit]
	batches   *groupCommit[*queryBatch]
	ungrouped *prometheus.CounterVec
	timer     *downstream.Timer
	// warm is closed when the first connection is open or has failed. A call waits for
	// warm, so that it does not open a second connection.
	warm chan struct{}
	// refused is the reason why the database can never be used; read it after warm.
	refused error
}

// Open prepares a pool, and opens its first connection in the background, so that the
// first call finds it. Open does not fail if the database is down.
func Open(ctx context.Context, config Config) (*DB, error) {
	c, err := config.parse()
	if err != nil {
		return nil, err
	}
	db := &DB{
		warm: make(chan struct{}), ungrouped: unitsUngrouped(), timer: downstream.NewTimer(downstream.PostgreSQL),
	}
	reset := func() { db.pool.Reset() }
	bound(c, observed{deadlines{config.queryTimeout()}, db.timer, &demotions{reset: reset}}, reset)
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("open pool: %w", err)
	}
	db.pool = pool
	db.wake = newNotifier(pool) //nolint:contextcheck // the notifier outlives this call
	db.units = newGroupCommit("unit", db.commitUnits, (*Unit).sameShape)
	db.batches = newGroupCommit("batch", db.sendBatches, func(_, _ *queryBatch) bool { return true })
	go db.connect(ctx)
	return db, nil
}

func (config Config) queryTimeout() time.Duration { return cmp.Or(config.QueryTimeout, defaultTimeout) }

func (config Config) parse() (*pgxpool.Config, error) {
	c, err := pgxpool.ParseConfig(config.URL)
	if err != nil {
		return nil, errors.New("DATABASE_URL is not a PostgreSQL URL") // the cause would show the password
	}
	if err := config.refuse(c); err != nil {
		return nil, err
	}
	c.MaxConns = max(1, config.MaxConns)
	c.MinConns = 0
	params := c.ConnConfig.RuntimeParams
	params["application_name"] = "tidebank"
	params["timezone"] = "UTC"
	// Below the deadline of a call (3 s), so that a call that waits for a lock can still
	// answer REQUEST_IN_PROGRESS.
	params["lock_timeout"] = "2s"
	params["idle_in_transaction_session_timeout"] = "10s"
	// The server ends a query that its client has given up, also if the network is silent.
	last := config.queryTimeout() + statementGrace
	params["statement_timeout"] = strconv.FormatInt(last.Milliseconds(), 10)
	c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		pgxuuid.Register(conn.TypeMap()) // without it, pgx encodes every id twice
		return refuseServer(ctx, conn)
	}
	return c, nil
}

// Single returns the configuration of a connection without a pool, for long statements
// such as migrations. It bounds connecting, and neither statements nor locks. It refuses
// what Open refuses; afterConnect refuses the server.
func (config Config) Single(application string) (
	c *pgx.ConnConfig, afterConnect func(context.Context, *pgx.Conn) error, err error,
) {
	pooled, err := config.parse()
	if err != nil {
		return nil, nil, err
	}
	c = pooled.ConnConfig
	c.ConnectTimeout = connectTimeout
	c.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		return dial(context.WithValue(ctx, connecting{}, true), network, address)
	}
	for name := range c.RuntimeParams {
		if strings.HasSuffix(name, "_timeout") {
			delete(c.RuntimeParams, name)
		}
	}
	c.RuntimeParams["application_name"] = application
	return c, refuseServer, nil
}

// statementGrace is the time by which the server's time-out is longer than the client's.
const statementGrace = 5 * time.Second

func (db *DB) connect(ctx context.Context) {
	defer close(db.warm)
	conn, err := db.pool.Acquire(ctx)
	if err != nil { // the first call reports the error
		db.refused = refusedForGood(err)
		return
	}
	conn.Release()
}

// Refused waits for the first connection and returns the reason why the database can
// never be used. It returns nil for a database that is only down.
func (db *DB) Refused() error {
	<-db.warm
	return db.refused
}

// Ping reports whether the database answers. While the first connection is being opened,
// it waits for it until ctx ends.
func (db *DB) Ping(ctx context.Context) error {
	select {
	case <-db.warm:
	case <-ctx.Done():
		return fmt.Errorf("first connection: %w", ctx.Err())
	}
	return db.pool.Ping(ctx) //nolint:wrapcheck // the caller names the database
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
