package pg

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const maxTries = 6

// retry repeats try while PostgreSQL asks for it, with growing jittered pauses.
func retry(ctx context.Context, try func() error) error {
	for n := 1; ; n++ {
		err := try()
		if err == nil || n == maxTries || !retryable(err) {
			return Classify(err)
		}
		pause := time.Duration(rand.Int64N(int64(time.Millisecond) << n)) //nolint:gosec // jitter, not a secret
		select {
		case <-ctx.Done():
			return Classify(errors.Join(err, ctx.Err()))
		case <-time.After(pause):
		}
	}
}

// leftNothing reports an error of a transaction that PostgreSQL has certainly
// rolled back.
func leftNothing(err error) bool {
	var server *pgconn.PgError
	return errors.As(err, &server) && server.Code[:2] != "08" && server.Code[:2] != "57"
}

// retryable reports a transaction that lost against another and left nothing:
// serialisation failure or deadlock.
func retryable(err error) bool {
	var server *pgconn.PgError
	return errors.As(err, &server) && (server.Code == "40001" || server.Code == "40P01")
}
