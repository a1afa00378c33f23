package session_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/redisdb"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/proxytest"
)

// behind is an instance whose way to Redis the test can break.
func (h fixture) behind(t *testing.T) (*session.Store, *proxytest.Proxy) {
	t.Helper()
	proxy := proxytest.New(t, h.redis.Addr())
	client, err := redisdb.Open(redisdb.Config{URL: "redis://" + proxy.Address})
	check.Must(t, err)
	t.Cleanup(func() { _ = client.Close() })
	s, err := session.New(client, h.ring, h.clock, session.Config{ChannelLife: life, Idle: idle})
	check.Must(t, err)
	return s, proxy
}

// A frame whose answer from Redis was lost is not called a replay. The next frame
// passes.
func TestALostAnswerIsNoReplay(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	on, proxy := h.behind(t)
	phone := h.open(t, "phone")
	phone.want(t, on, "nobody") // Redis knows the script now
	proxy.Lose("evalsha", 1)
	if _, err := phone.call(t, on); !errors.Is(err, bankerr.ErrUnavailable) || !proxy.Lost() {
		t.Errorf("%v, want SERVICE_UNAVAILABLE", err)
	}
	phone.want(t, on, "nobody")
}

// Each answer of Redis in turn is lost twice while a login starts, and while it ends.
// The new login is live, and the login before it has ended.
func TestLoginsSurviveLostAnswers(t *testing.T) {
	t.Parallel()
	for step := range 4 {
		h := newFixture(t)
		on, proxy := h.behind(t)
		customer, phone, pad := uuid.New(), h.open(t, "phone"), h.open(t, "pad")
		check.Must(t, on.Start(t.Context(), phone.id, customer))
		check.Must(t, on.Start(t.Context(), pad.id, customer))
		check.Must(t, on.Start(t.Context(), phone.id, customer)) // Redis knows all scripts now
		scripts := session.Scripts()
		proxy.Lose(scripts[step], 2)
		check.Must(t, on.Start(t.Context(), pad.id, customer))
		if !proxy.Lost() {
			t.Fatalf("step %d does not run the script", step)
		}
		pad.want(t, h.Store, customer.String())
		phone.want(t, h.Store, "displaced")
		check.Must(t, on.Start(t.Context(), phone.id, customer))
		pad.want(t, h.Store, "displaced")
		for _, command := range []string{"hmget", "del", scripts[4]} {
			proxy.Lose(command, 2)
			check.Must(t, on.End(t.Context(), phone.id))
			phone.want(t, h.Store, "nobody")
			check.Must(t, on.Start(t.Context(), phone.id, customer))
			phone.want(t, h.Store, customer.String())
		}
	}
}

// keysOf keeps the keys of every command.
type keysOf struct {
	mu   sync.Mutex
	seen [][]string
}

func (k *keysOf) DialHook(next redis.DialHook) redis.DialHook { return next }

func (k *keysOf) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if names, script := keysIn(cmd); script {
			k.mu.Lock()
			k.seen = append(k.seen, names)
			k.mu.Unlock()
		}
		return next(ctx, cmd)
	}
}

// keysIn are the keys of a command, and whether it runs a script.
func keysIn(cmd redis.Cmder) (names []string, script bool) {
	args := cmd.Args()
	if name := cmd.Name(); name != "evalsha" && name != "eval" {
		if len(args) > 1 {
			names = append(names, args[1].(string))
		}
		return names, false
	}
	for _, key := range args[3 : 3+args[2].(int)] {
		names = append(names, key.(string))
	}
	return names, true
}

// ProcessPipelineHook keeps the keys of a transaction together. The commands of a plain
// pipeline may go to several nodes.
func (k *keysOf) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		var seen [][]string
		for i, cmd := range cmds {
			names, _ := keysIn(cmd)
			if i == 0 || cmds[0].Name() != "multi" {
				seen = append(seen, nil)
			}
			seen[len(seen)-1] = append(seen[len(seen)-1], names...)
		}
		k.mu.Lock()
		k.seen = append(k.seen, seen...)
		k.mu.Unlock()
		return next(ctx, cmds)
	}
}

// The keys of one script or transaction have one hash tag: a Redis Cluster refuses others.
func TestKeysOfOneCommandHaveOneSlot(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	client, err := redisdb.Open(redisdb.Config{URL: "redis://" + h.redis.Addr() + "?cluster=true"})
	check.Must(t, err)
	t.Cleanup(func() { _ = client.Close() })
	keys := &keysOf{}
	client.AddHook(keys)
	on, err := session.New(client, h.ring, h.clock, session.Config{ChannelLife: life, Idle: idle})
	check.Must(t, err)
	h.Store = on
	customer, phone, pad := uuid.New(), h.open(t, "phone"), h.open(t, "pad")
	check.Must(t, on.AllowAddress(t.Context(), "192.0.2.1", plenty))
	check.Must(t, on.Start(t.Context(), phone.id, customer))
	check.Must(t, on.Start(t.Context(), pad.id, customer))
	phone.want(t, on, "displaced")
	check.Must(t, on.End(t.Context(), pad.id))
	if len(keys.seen) < 9 {
		t.Fatalf("only %d scripts and transactions: %v", len(keys.seen), keys.seen)
	}
	for _, names := range keys.seen {
		slots := map[string]bool{}
		for _, name := range names {
			slots[tag(name)] = true
		}
		if len(slots) > 1 {
			t.Errorf("%v are in %d slots", names, len(slots))
		}
	}
}

// tag is the part of a key that decides about its slot.
func tag(key string) string {
	if from := strings.Index(key, "{"); from >= 0 {
		if to := strings.Index(key[from:], "}"); to > 1 {
			return key[from+1 : from+to]
		}
	}
	return key
}

// The session's scripts are known to the tests by their digests.
func TestScriptsDiffer(t *testing.T) {
	t.Parallel()
	scripts := session.Scripts()
	slices.Sort(scripts)
	if n := len(slices.Compact(scripts)); n != 5 {
		t.Errorf("%d scripts, want 5", n)
	}
}
