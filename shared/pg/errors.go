package pg

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidebank/tidebank/shared/bankerr"
)

// ErrBusy asks the client to try again a little later.
var ErrBusy = bankerr.New(bankerr.Conflict, "REQUEST_IN_PROGRESS").WithRetryAfter(time.Second)

// Optional accepts a missing row.
func Optional(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	return err
}

// Classify turns a driver's error into the bank's answer: SERVICE_UNAVAILABLE for a
// database that can't be reached, REQUEST_IN_PROGRESS for a lock held too long. It
// returns every other error unchanged, also a refusal. Only users of Pool call it:
// every other function of this package classifies its errors itself.
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
		case server.Code[:2] == "08", server.Code[:2] == "57", server.Code[:2] == "53", retryable(err), readOnly(err):
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

// rolledBack reports whether PostgreSQL has certainly rolled the transaction back.
func rolledBack(err error) bool {
	var server *pgconn.PgError
	return errors.As(err, &server) && server.Code[:2] != "08" && server.Code[:2] != "57"
}

// retryable reports whether PostgreSQL rolled the transaction back because of another
// transaction: serialisation failure or deadlock.
func retryable(err error) bool {
	var server *pgconn.PgError
	return errors.As(err, &server) && (server.Code == "40001" || server.Code == "40P01")
}

// readOnly reports whether PostgreSQL refused a change because the transaction or the
// server takes none. It has then changed nothing.
func readOnly(err error) bool {
	var server *pgconn.PgError
	return errors.As(err, &server) && server.Code == "25006"
}

// nameOf returns the name in an SQL constant's first line ("-- limit.usage"), for
// errors and metrics, which must show no values.
func nameOf(sql string) string {
	line, _, _ := strings.Cut(sql, "\n")
	if name, ok := strings.CutPrefix(line, "-- "); ok {
		return name
	}
	return "statement"
}
