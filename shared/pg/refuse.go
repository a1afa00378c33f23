package pg

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidebank/tidebank/shared/downstream"
)

// Reasons why a process does not start with a DATABASE_URL.
var (
	ErrMode = errors.New("DATABASE_URL must not set default_query_exec_mode to exec or simple_protocol: " +
		"the bank's statements need the types that PostgreSQL describes, and exactly one statement in each text")
	ErrHost   = errors.New("DATABASE_URL names no host; write postgres://user:password@host/database")
	ErrPooler = errors.New("DATABASE_URL leads to a connection pooler such as PgBouncer, which does not keep " +
		"lock_timeout, statement_timeout and LISTEN for a session; connect to PostgreSQL itself " +
		"(each process already keeps a pool of at most DATABASE_MAX_CONNS connections)")
	ErrOld   = errors.New("DATABASE_URL leads to a PostgreSQL older than 15")
	ErrPlain = fmt.Errorf("DATABASE_URL must use sslmode=verify-full: %w, and the server must prove its name", downstream.ErrClear)
)

// refuse refuses a configuration with which the bank's statements would not work.
func (config Config) refuse(c *pgxpool.Config) error {
	switch c.ConnConfig.DefaultQueryExecMode {
	case pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec: // see control.go
		return ErrMode
	case pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec:
	}
	if !namesHost(config.URL) {
		return ErrHost
	}
	return nil
}

// namesHost reports whether a URL, or a list of keywords and values, names a host.
// Without a host, pgx would take any PostgreSQL of this machine.
func namesHost(text string) bool {
	if !strings.HasPrefix(text, "postgres://") && !strings.HasPrefix(text, "postgresql://") {
		return strings.Contains(text, "host")
	}
	u, err := url.Parse(text)
	if err != nil { // several hosts with ports are no URL of net/url
		return true
	}
	return u.Hostname() != "" || u.Query().Get("host") != ""
}

// Encrypted returns ErrPlain unless every connection of the configuration uses TLS and
// verifies the server's name. A Unix socket needs no TLS.
func (config Config) Encrypted() error {
	c, err := config.parse()
	if err != nil {
		return err
	}
	first := &pgconn.FallbackConfig{Host: c.ConnConfig.Host, TLSConfig: c.ConnConfig.TLSConfig}
	for _, way := range append(c.ConnConfig.Fallbacks, first) {
		if strings.HasPrefix(way.Host, "/") {
			continue
		}
		if way.TLSConfig == nil || way.TLSConfig.InsecureSkipVerify {
			return ErrPlain
		}
	}
	return nil
}

// refuseServer refuses a server that is too old, and a pooler: a pooler gives its client
// another process id than that of the session.
func refuseServer(ctx context.Context, conn *pgx.Conn) error {
	major, _, _ := strings.Cut(conn.PgConn().ParameterStatus("server_version"), ".")
	if n, err := strconv.Atoi(major); err == nil && n < 15 {
		return ErrOld
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	var pid uint32
	if err := conn.QueryRow(ctx, sqlBackend, pgx.QueryExecModeExec).Scan(&pid); err != nil {
		return fmt.Errorf("first query: %w", err)
	}
	if pid != conn.PgConn().PID() {
		return ErrPooler
	}
	return nil
}

const sqlBackend = `-- connection.backend
SELECT pg_backend_pid()`

// refusedForGood returns the reason why no later attempt can connect; nil if one can.
func refusedForGood(err error) error {
	var server *pgconn.PgError
	switch {
	case errors.Is(err, ErrPooler), errors.Is(err, ErrOld):
		return err
	case errors.As(err, &server) && server.Code == "08P01" && strings.Contains(server.Message, "startup parameter"):
		return fmt.Errorf("%w: %s", ErrPooler, server.Message)
	}
	return nil
}
