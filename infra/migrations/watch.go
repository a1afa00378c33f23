package migrations

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidebank/tidebank/shared/clock"
)

// ErrSilent reports that the database gave no answer, although it has no work left.
var ErrSilent = errors.New("the database does not answer: the connection is lost")

const (
	lookEvery   = time.Second
	lookTimeout = 5 * time.Second
	// A blocked run reports the process that blocks it, but only after reportAfter.
	reportAfter = 2 * time.Second
)

// sqlLook finds the connections of a run, and the oldest process that blocks each. It
// reads no text of a query, because that could hold personal data.
const sqlLook = `-- migration.look
SELECT a.state = 'active', coalesce(extract(epoch FROM clock_timestamp() - a.query_start), 0)::float8,
       coalesce(b.pid, 0), coalesce(b.application_name, ''), coalesce(b.state, ''),
       coalesce(extract(epoch FROM clock_timestamp() - b.state_change), 0)::float8
  FROM pg_stat_activity a
  LEFT JOIN LATERAL (SELECT * FROM pg_stat_activity WHERE pid = ANY(pg_blocking_pids(a.pid))
                      ORDER BY xact_start LIMIT 1) b ON true
 WHERE a.application_name = $1 AND a.state IS NOT NULL`

// watcher looks at the work of a run, through a connection of its own.
type watcher struct {
	config  *pgx.ConnConfig
	name    string // the application's name of the run's connections
	silence time.Duration
	report  func(string)

	mu      sync.Mutex
	blocker string // the process that has blocked the run last
}

// seen is one connection of the run.
type seen struct {
	Active       bool
	Seconds      float64
	Blocker      int
	Application  string
	State        string
	BlockedSince float64
}

// run watches until ctx ends. It gives up when the server has had no work of the run
// for too long, or can't be asked.
func (w *watcher) run(ctx context.Context, give context.CancelCauseFunc) {
	var conn *pgx.Conn
	defer func() { w.close(ctx, conn) }()
	worked := clock.System{}.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(min(lookEvery, w.silence/4)):
		}
		var list []seen
		var err error
		conn, list, err = w.look(ctx, conn)
		for _, s := range list {
			if s.Active && err == nil {
				worked = clock.System{}.Now()
			}
			if s.Blocker != 0 && s.Seconds > reportAfter.Seconds() {
				w.blocked(s)
			}
		}
		if (clock.System{}).Now().Sub(worked) > w.silence {
			give(ErrSilent)
			return
		}
	}
}

// look asks the server. It returns the connection for the next time.
func (w *watcher) look(ctx context.Context, conn *pgx.Conn) (*pgx.Conn, []seen, error) {
	ctx, cancel := context.WithTimeout(ctx, min(lookTimeout, w.silence))
	defer cancel()
	var err error
	if conn == nil {
		config := w.config.Copy()
		config.RuntimeParams["application_name"] = "tidebank-migrate watcher"
		if conn, err = pgx.ConnectConfig(ctx, config); err != nil {
			return nil, nil, err //nolint:wrapcheck // the watcher only counts it
		}
	}
	rows, err := conn.Query(ctx, sqlLook, w.name)
	if err == nil {
		var list []seen
		if list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[seen]); err == nil {
			return conn, list, nil
		}
	}
	w.close(ctx, conn)
	return nil, nil, err //nolint:wrapcheck // as above
}

func (w *watcher) close(ctx context.Context, conn *pgx.Conn) {
	if conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // it is not used any more
}

// blocked notes the process that blocks the run, and reports each once.
func (w *watcher) blocked(by seen) {
	w.mu.Lock()
	defer w.mu.Unlock()
	first := w.blocker == ""
	w.blocker = fmt.Sprintf("process %d (application %q, %s for %.0f s)", by.Blocker, by.Application, by.State, by.BlockedSince)
	if first && w.report != nil {
		w.report("waits for a lock that is held by " + w.blocker)
	}
}

// explain adds to the error of a lock that was not free in time who holds it.
func (w *watcher) explain(err error, wait time.Duration) error {
	var server *pgconn.PgError
	if !errors.As(err, &server) || server.Code != "55P03" {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	by := w.blocker
	if by == "" {
		by = "an unknown process"
	}
	return fmt.Errorf("gave up after %v: a lock is held by %s; end it, or try again later: %w", wait, by, err)
}
