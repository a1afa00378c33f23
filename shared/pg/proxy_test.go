package pg_test

import (
	"testing"

	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/proxytest"
)

// near opens the same database with a single connection, through a proxy.
func (d fixture) near(t *testing.T) (fixture, *proxytest.Proxy) {
	t.Helper()
	return d.through(t, pg.Config{MaxConns: 1})
}

// through opens the same database through a proxy.
func (d fixture) through(t *testing.T, config pg.Config) (fixture, *proxytest.Proxy) {
	t.Helper()
	proxy, address := proxytest.To(t, d.url)
	config.URL = address
	return open(t, config), proxy
}
