// Package pg is the bank's way into PostgreSQL: a pool, transactions that
// retry what may be retried, and the unit of work that commits in one round trip,
// together with those of other callers when many come at once.
//
// Refusals: SERVICE_UNAVAILABLE when the database can't be reached,
// REQUEST_IN_PROGRESS when a lock is held too long. A DB is safe for concurrent
// use; a Unit belongs to one goroutine.
package pg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	pgxuuid "github.com/vgarvardt/pgx-google-uuid/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
)

// ErrBusy asks the client to look at the result a little later.
var ErrBusy = bankerr.New(bankerr.Conflict, "REQUEST_IN_PROGRESS").WithRetryAfter(time.Second)

// Config is read from the environment once.
type Config struct {
	URL      string `envconfig:"DATABASE_URL" required:"true"`
	MaxConns int32  `envconfig:"DATABASE_MAX_CONNS" default:"8"`
}

// DB is a pool of connections.
type DB struct {
	pool  *pgxpool.Pool
	wake  *notifier
	units *gatherer[*Unit]
	asks  *gatherer[*question]
	// warm is closed once the first connection is there, or failed: who comes before
	// would open a second instead of waiting for it.
	warm chan struct{}
}

// Open prepares a pool, and in the background opens its first connection, which a
// process that starts for a call will need at once. It does not fail if there is no
// database.
func Open(ctx context.Context, config Config) (*DB, error) {
	c, err := config.parse()
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("open pool: %w", err)
	}
	db := &DB{pool: pool, warm: make(chan struct{}), wake: newNotifier(pool)} //nolint:contextcheck // the notifier outlives the call that opened
	db.units = newGatherer("unit", db.commitAll, (*Unit).sameShape)
	db.asks = newGatherer("question", db.askAll, func(_, _ *question) bool { return true })
	go db.connect(ctx)
	return db, nil
}

func (config Config) parse() (*pgxpool.Config, error) {
	c, err := pgxpool.ParseConfig(config.URL)
	if err != nil {
		return nil, errors.New("DATABASE_URL is not a PostgreSQL URL") // the cause would show the password
	}
	c.MaxConns = max(1, config.MaxConns)
	c.MinConns = 0
	c.ConnConfig.ConnectTimeout = 3 * time.Second
	c.ConnConfig.RuntimeParams["application_name"] = "tidebank"
	c.ConnConfig.RuntimeParams["timezone"] = "UTC"
	c.ConnConfig.RuntimeParams["lock_timeout"] = "3s"
	c.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = "10s"
	c.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		pgxuuid.Register(conn.TypeMap()) // else every id is formatted, refused and encoded again
		return nil
	}
	return c, nil
}

func (db *DB) connect(ctx context.Context) {
	defer close(db.warm)
	if conn, err := db.pool.Acquire(ctx); err == nil { // else the first call tells
		conn.Release()
	}
}

// Pool gives reads their connections.
func (db *DB) Pool() *pgxpool.Pool {
	<-db.warm
	return db.pool
}

// Close stops the notifier and gives the connections back.
func (db *DB) Close() {
	db.wake.stop()
	db.pool.Close()
}

// InTx runs work in a transaction and commits it unless work fails. It rolls
// back on a panic, and tries again, a few times, what PostgreSQL gave up for
// serialisation or deadlock, so work must be repeatable and call no network.
func (db *DB) InTx(ctx context.Context, work func(ctx context.Context, tx pgx.Tx) error) error {
	return retry(ctx, func() error { return db.tryTx(ctx, work) })
}

func (db *DB) tryTx(ctx context.Context, work func(ctx context.Context, tx pgx.Tx) error) (err error) {
	tx, err := db.Pool().Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	own := &transaction{Tx: tx}
	done := false
	defer func() {
		if !done { // an error or a panic
			_ = tx.Rollback(context.WithoutCancel(ctx))
		}
	}()
	if err := work(ctx, own); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	done = true
	db.wake.committed(own.notify)
	return nil
}

// Classify turns a driver's error into what the bank answers: an unreachable
// database is SERVICE_UNAVAILABLE, a lock held too long is REQUEST_IN_PROGRESS.
// Any other error, a refusal too, comes back as it is.
func Classify(err error) error {
	var refused *bankerr.Error
	if err == nil || errors.As(err, &refused) {
		return err
	}
	var server *pgconn.PgError
	if errors.As(err, &server) {
		switch {
		case server.Code == "55P03":
			return ErrBusy.Because(err)
		case server.Code[:2] == "08", server.Code[:2] == "57", server.Code[:2] == "53", retryable(err):
			return bankerr.ErrUnavailable.Because(err)
		}
		return err
	}
	var connect *pgconn.ConnectError
	var network net.Error
	if errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.DeadlineExceeded) || pgconn.SafeToRetry(err) {
		return bankerr.ErrUnavailable.Because(err)
	}
	return err
}
