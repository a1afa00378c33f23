//go:build !linux

package pg

import "syscall"

// limitUnacknowledged does nothing: only Linux has TCP_USER_TIMEOUT. Keepalive and the
// deadlines of queries end silent connections.
func limitUnacknowledged(string, string, syscall.RawConn) error { return nil }
