package redisdb_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/tidebank/tidebank/shared/redisdb"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/proxytest"
)

func open(t *testing.T, url string) redis.UniversalClient {
	t.Helper()
	client, err := redisdb.Open(redisdb.Config{URL: url})
	check.Must(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func TestURLs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		url   string
		open  bool
		plain bool // it opens, but not as an encrypted connection
	}{
		{"rediss://u:hunter2@redis.bank.example:6379/1", true, false},
		{"rediss://u:hunter2@redis.bank.example:6379?cluster=true", true, false},
		{"rediss://u:hunter2@one:6379?addr=two:6379&addr=three:6379", true, false},
		{"redis://u:hunter2@redis.bank.example:6379", true, true},
		{"rediss://redis.bank.example?skip_verify=true", true, true},
		{"unix:///run/redis.sock", true, false},
		{"redis://", false, false},
		{"rediss://:6379", false, false},
		{"rediss://u:hunter2@h?cluster=yes", false, false},
		{"rediss://u:hunter2@h?unknown=1", false, false},
		{"rediss://u:hunter2@h?cluster=true&addr=hunter2", false, false},
		{"http://u:hunter2@h", false, false},
		{"://", false, false},
	} {
		config := redisdb.Config{URL: tt.url}
		client, err := redisdb.Open(config)
		if (err == nil) != tt.open || err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", tt.url, err)
		}
		if client != nil {
			_ = client.Close()
			if got := errors.Is(config.Encrypted(), redisdb.ErrPlain); got != tt.plain {
				t.Errorf("%s: plain is %v", tt.url, got)
			}
		}
	}
}

// A server, or a cluster, counts a command once when its answer gets lost. The caller
// gets an error.
func TestALostAnswerIsNotRepeated(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"", "?cluster=true"} {
		server := miniredis.RunT(t)
		proxy := proxytest.New(t, server.Addr())
		client := open(t, "redis://"+proxy.Address+kind)
		if cluster, ok := client.(*redis.ClusterClient); ok { // it would leave the proxy for the address of the node
			cluster.Options().Dialer = func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "tcp", proxy.Address)
			}
		} else if kind != "" {
			t.Fatalf("%T is no client of a cluster", client)
		}
		count := redis.NewScript("return redis.call('INCR', KEYS[1])")
		check.Must(t, count.Run(t.Context(), client, []string{"n"}).Err())
		proxy.Lose("evalsha", 1)
		if err := count.Run(t.Context(), client, []string{"n"}).Err(); err == nil {
			t.Errorf("%q: the answer was lost, and there is no error", kind)
		}
		if got, _ := server.Get("n"); got != "2" || !proxy.Lost() {
			t.Errorf("%q: counted to %s, want 2", kind, got)
		}
		check.Must(t, count.Run(t.Context(), client, []string{"n"}).Err())
	}
}

// Repeat repeats after a lost answer, and not after an answer.
func TestRepeat(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	proxy := proxytest.New(t, server.Addr())
	client := open(t, "redis://"+proxy.Address)
	check.Must(t, client.Ping(t.Context()).Err())
	proxy.Lose("incr", 2)
	check.Must(t, redisdb.Repeat(t.Context(), func() error { return client.Incr(t.Context(), "n").Err() }))
	if got, _ := server.Get("n"); got != "3" {
		t.Errorf("counted to %s, want 3 tries", got)
	}
	tries := 0
	err := redisdb.Repeat(t.Context(), func() error { tries++; return client.Get(t.Context(), "none").Err() })
	if !errors.Is(err, redis.Nil) || tries != 1 {
		t.Errorf("%v after %d tries", err, tries)
	}
	server.Close()
	tries = 0
	err = redisdb.Repeat(t.Context(), func() error { tries++; return client.Ping(t.Context()).Err() })
	if err == nil || tries != 3 {
		t.Errorf("%v after %d tries", err, tries)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	tries = 0
	if err := redisdb.Repeat(ended, func() error { tries++; return client.Ping(ended).Err() }); err == nil || tries != 1 {
		t.Errorf("%v after %d tries of a caller that has gone", err, tries)
	}
}

// A silent Redis is an error within seconds, also for a caller without a deadline.
func TestASilentRedis(t *testing.T) {
	t.Parallel()
	proxy := proxytest.New(t, miniredis.RunT(t).Addr())
	client := open(t, "redis://"+proxy.Address)
	check.Must(t, client.Ping(t.Context()).Err())
	proxy.SilenceAll()
	begun := time.Now()
	if err := client.Ping(context.WithoutCancel(t.Context())).Err(); err == nil || time.Since(begun) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
}

// A primary of the cluster is lost, and its replica takes over. The client asks the
// cluster where the data is now, and works again at once, not at its next regular question
// a minute later.
func TestAReplicaTakesOver(t *testing.T) {
	t.Parallel()
	old, replica := miniredis.RunT(t), miniredis.RunT(t)
	var primary atomic.Value
	primary.Store(old.Addr())
	client := open(t, "redis://"+old.Addr()+"?cluster=true")
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		t.Fatalf("%T is no client of a cluster", client)
	}
	cluster.Options().ClusterSlots = func(context.Context) ([]redis.ClusterSlot, error) {
		address, _ := primary.Load().(string)
		return []redis.ClusterSlot{{Start: 0, End: 16383, Nodes: []redis.ClusterNode{{Addr: address}}}}, nil
	}
	work := map[string]func() error{
		"command": func() error { return client.Set(t.Context(), "k", "v", 0).Err() },
		"pipeline": func() error {
			_, err := client.Pipelined(t.Context(), func(p redis.Pipeliner) error { return p.Set(t.Context(), "k", "v", 0).Err() })
			return err
		},
	}
	for name, do := range work {
		check.Must(t, do())
		old.Close()
		if err := do(); err == nil {
			t.Fatalf("%s: the primary is lost, and there is no error", name)
		}
		primary.Store(replica.Addr())
		deadline := time.Now().Add(5 * time.Second)
		for err := do(); err != nil; err = do() {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %v, long after the replica took over", name, err)
			}
			time.Sleep(20 * time.Millisecond)
		}
		old, replica = replica, miniredis.RunT(t)
	}
}
