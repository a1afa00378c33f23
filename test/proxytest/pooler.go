package proxytest

import (
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tidebank/tidebank/test/check"
)

// Pooler answers each client as PgBouncer does to the startup parameter lock_timeout,
// which it does not know. It ends with the test.
func Pooler(t testing.TB) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check.Must(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			backend := pgproto3.NewBackend(conn, conn)
			if started, err := backend.ReceiveStartupMessage(); err == nil {
				answer := &pgproto3.ErrorResponse{Severity: "FATAL", Code: "08P01", Message: "unsupported startup parameter: lock_timeout"}
				if m, ok := started.(*pgproto3.StartupMessage); !ok || m.Parameters["lock_timeout"] == "" {
					answer.Message = "no parameter to refuse"
				}
				backend.Send(answer)
				_ = backend.Flush()
			}
			_ = conn.Close()
		}
	}()
	return listener.Addr().String()
}
