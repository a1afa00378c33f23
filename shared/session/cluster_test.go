package session_test

import (
	"os/exec"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/redisdb"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
)

// All that a Store does works on a Redis Cluster. A cluster refuses a command whose keys
// are in several slots, also if it has one node.
func TestOnACluster(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("no redis-server on this machine")
	}
	port := check.FreePort(t)
	server := exec.Command(program, "--port", port, "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--save", "",
		"--dir", t.TempDir())
	check.Must(t, server.Start())
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	client, err := redisdb.Open(redisdb.Config{URL: "redis://127.0.0.1:" + port + "?cluster=true"})
	check.Must(t, err)
	t.Cleanup(func() { _ = client.Close() })
	node, err := redisdb.Open(redisdb.Config{URL: "redis://127.0.0.1:" + port})
	check.Must(t, err)
	t.Cleanup(func() { _ = node.Close() })
	check.Until(t, "redis-server answers", func() bool {
		return node.Do(t.Context(), "CLUSTER", "ADDSLOTSRANGE", 0, 16383).Err() == nil
	})
	h := fixture{ring: keytest.New(t), clock: clock.NewManual(time.Now())}
	h.Store, err = session.New(client, h.ring, h.clock, session.Config{ChannelLife: life, Idle: idle})
	check.Must(t, err)
	check.Until(t, "the cluster is up", func() bool { return h.AllowAddress(t.Context(), "192.0.2.1", plenty) == nil })
	customer, phone, pad := uuid.New(), h.open(t, "phone"), h.open(t, "pad")
	check.Must(t, h.Start(t.Context(), phone.id, customer))
	phone.want(t, h.Store, customer.String())
	check.Must(t, h.Start(t.Context(), pad.id, customer))
	phone.want(t, h.Store, "displaced")
	pad.want(t, h.Store, customer.String())
	check.Must(t, h.End(t.Context(), pad.id))
	pad.want(t, h.Store, "nobody")
}
