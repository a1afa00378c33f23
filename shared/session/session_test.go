package session_test

import (
	"crypto/rand"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
)

const (
	idle = 10 * time.Minute
	life = 12 * time.Hour
)

var kept = session.Config{ChannelLife: life, Idle: idle}

// plenty is a rate that no test reaches.
var plenty = session.Rate{Class: "default", Limit: 1_000_000, Per: time.Minute}

// fixture is a Redis that several instances of a function share.
type fixture struct {
	redis *miniredis.Miniredis // nil: a real one
	dial  redis.Options
	ring  *keys.Ring
	clock *clock.Manual
	// config is how long instances keep channels and logins.
	config session.Config
	*session.Store
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	start := time.Date(2026, 11, 23, 10, 0, 0, 0, clock.Shanghai)
	h := fixture{redis: miniredis.RunT(t), ring: keytest.New(t), clock: clock.NewManual(start), config: kept}
	h.redis.SetTime(start)
	h.dial.Addr = h.redis.Addr()
	h.Store = h.instance(t)
	return h
}

// newRealFixture is a fixture on redis-server, whose time no test can set.
func newRealFixture(t *testing.T) fixture {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("no redis-server on this machine")
	}
	socket := filepath.Join(t.TempDir(), "redis.sock")
	server := exec.Command(program, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", filepath.Dir(socket))
	check.Must(t, server.Start())
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	h := fixture{
		ring: keytest.New(t), clock: clock.NewManual(time.Now()), config: kept,
		dial: redis.Options{Network: "unix", Addr: socket},
	}
	h.Store = h.instance(t)
	check.Until(t, "redis-server answers", func() bool { return h.AllowAddress(t.Context(), "192.0.2.1", plenty) == nil })
	return h
}

// onBoth runs a test on the simulated Redis and, where there is one, on Redis.
func onBoth(t *testing.T, test func(t *testing.T, h fixture)) {
	t.Helper()
	t.Run("simulated", func(t *testing.T) { t.Parallel(); test(t, newFixture(t)) })
	t.Run("redis-server", func(t *testing.T) { t.Parallel(); test(t, newRealFixture(t)) })
}

// instance is another process of the bank on the same Redis and keys.
func (h fixture) instance(t *testing.T) *session.Store {
	t.Helper()
	options := h.dial
	options.MaxRetries = -1
	client := redis.NewClient(&options)
	t.Cleanup(func() { _ = client.Close() })
	s, err := session.New(client, h.ring, h.clock, h.config)
	check.Must(t, err)
	return s
}

func (h fixture) advance(d time.Duration) {
	h.clock.Advance(d)
	h.redis.FastForward(d)
	h.redis.SetTime(h.clock.Now())
}

// line is an open channel and its next sequence.
type line struct {
	id   channel.ID
	next uint64
}

func (h fixture) open(t *testing.T, device string) *line {
	t.Helper()
	l := &line{}
	_, _ = rand.Read(l.id[:])
	check.Must(t, h.OpenChannel(t.Context(), l.id, session.Channel{DeviceID: device, Keys: newKeys()}))
	return l
}

func newKeys() channel.Keys {
	return channel.Keys{ClientToServer: sm.NewKey(), ServerToClient: sm.NewKey()}
}

// call admits the line's next frame on the instance, at the rate plenty.
func (l *line) call(t *testing.T, on *session.Store) (session.Admitted, error) {
	t.Helper()
	l.next++
	return on.Admit(t.Context(), session.Frame{Channel: l.id, Sequence: l.next}, plenty)
}

// who is logged in on the line: a customer, "nobody" or "displaced".
func (l *line) who(t *testing.T, on *session.Store) string {
	t.Helper()
	accepted, err := l.call(t, on)
	check.Must(t, err)
	switch {
	case accepted.Login != nil:
		return accepted.Login.CustomerID.String()
	case accepted.Displaced != nil:
		return "displaced"
	}
	return "nobody"
}

func (l *line) want(t *testing.T, on *session.Store, who string) {
	t.Helper()
	if got := l.who(t, on); got != who {
		t.Errorf("%s is logged in, want %s", got, who)
	}
}

func TestLoginIsSeenByEveryInstance(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	l, customer := h.open(t, "phone"), uuid.New()
	l.want(t, h.Store, "nobody")
	h.advance(time.Second)
	check.Must(t, h.Start(t.Context(), l.id, customer))
	accepted, err := l.call(t, h.instance(t))
	check.Must(t, err)
	if accepted.Login == nil || accepted.Login.CustomerID != customer || !accepted.Login.At.Equal(h.clock.Now()) {
		t.Errorf("accepted with %+v, want %v since %v", accepted.Login, customer, h.clock.Now())
	}
}

func TestLogoutEndsTheLoginEverywhere(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	l, customer := h.open(t, "phone"), uuid.New()
	other := h.instance(t)
	check.Must(t, h.Start(t.Context(), l.id, customer))
	l.want(t, other, customer.String())
	check.Must(t, h.End(t.Context(), l.id))
	l.want(t, other, "nobody")
	for _, key := range h.redis.Keys() {
		if strings.HasSuffix(key, ":login") {
			t.Errorf("%s is left", key)
		}
	}
	check.Must(t, h.Start(t.Context(), l.id, customer)) // the channel is still open
	l.want(t, other, customer.String())
}

// A silent login ends at the idle limit, not before; each call starts it anew.
func TestIdleLimit(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	l, customer := h.open(t, "phone"), uuid.New()
	check.Must(t, h.Start(t.Context(), l.id, customer))
	for range 3 {
		h.advance(idle - time.Second)
		l.want(t, h.Store, customer.String())
	}
	h.advance(idle)
	l.want(t, h.Store, "nobody")
	l.want(t, h.instance(t), "nobody") // and it stays ended
}

func TestIdleLimitIsAtMostFifteenMinutes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		idle time.Duration
		want error
	}{
		{15 * time.Minute, nil},
		{15*time.Minute + 1, session.ErrIdleTooLong},
		{time.Second, nil},
		{time.Second - 1, session.ErrIdleTooLong},
		{0, session.ErrIdleTooLong},
		{-time.Minute, session.ErrIdleTooLong},
	} {
		_, err := session.New(nil, nil, clock.System{}, session.Config{ChannelLife: life, Idle: tt.idle})
		if !errors.Is(err, tt.want) {
			t.Errorf("%v: %v, want %v", tt.idle, err, tt.want)
		}
	}
}

// No login is longer than the channel's life, however many calls it makes. After that
// time the pointer, by which a later login finds it, is gone.
func TestLoginHasAnEnd(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	l, customer := h.open(t, "phone"), uuid.New()
	check.Must(t, h.Start(t.Context(), l.id, customer))
	check.Must(t, h.Start(t.Context(), l.id, customer))
	began := h.clock.Now()
	for h.clock.Now().Sub(began) < life {
		h.advance(8 * time.Minute)
		l.want(t, h.Store, customer.String())
	}
	for h.clock.Now().Sub(began) < life+2*idle {
		h.advance(time.Minute)
		l.want(t, h.Store, "nobody")
	}
	check.Must(t, h.Start(t.Context(), l.id, customer)) // the customer may come back
	l.want(t, h.Store, customer.String())
}

func TestUnusedChannelExpires(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	used, unused, elsewhere := h.open(t, "a"), h.open(t, "b"), h.instance(t)
	for _, l := range []*line{used, unused} {
		_, err := h.Channel(t.Context(), l.id) // now this instance remembers the keys
		check.Must(t, err)
	}
	h.advance(life - time.Second)
	used.want(t, h.Store, "nobody")
	h.advance(time.Second)
	used.want(t, h.Store, "nobody")
	if _, err := unused.call(t, h.Store); !errors.Is(err, session.ErrChannelExpired) {
		t.Errorf("a frame of the unused channel: %v", err)
	}
	for name, on := range map[string]*session.Store{"here": h.Store, "elsewhere": elsewhere} {
		if _, err := on.Channel(t.Context(), unused.id); !errors.Is(err, session.ErrChannelExpired) {
			t.Errorf("the keys of the unused channel, %s: %v", name, err)
		}
	}
}

func TestChannelKeepsItsKeys(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	id := channel.ID{1}
	want := session.Channel{DeviceID: "phone", Keys: newKeys()}
	check.Must(t, h.OpenChannel(t.Context(), id, want))
	for _, on := range []*session.Store{h.Store, h.Store, h.instance(t)} { // the second from memory
		got, err := on.Channel(t.Context(), id)
		if err != nil || got != want {
			t.Errorf("%v, want what was opened (%v)", err, got == want)
		}
	}
	if _, err := h.Channel(t.Context(), channel.ID{2}); !errors.Is(err, session.ErrChannelExpired) {
		t.Errorf("an unknown channel: %v", err)
	}
}

// Redis holds the keys of a channel sealed. They do not open for another channel id or
// another ring.
func TestKeysRestSealed(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	id, other := channel.ID{1}, channel.ID{2}
	opened := session.Channel{Keys: newKeys()}
	check.Must(t, h.OpenChannel(t.Context(), id, opened))
	check.Must(t, h.OpenChannel(t.Context(), other, opened))
	var names []string
	for _, key := range h.redis.Keys() {
		if !strings.HasSuffix(key, ":channel") {
			continue
		}
		sealed := h.redis.HGet(key, "keys")
		if strings.Contains(sealed, string(opened.Keys.ClientToServer[:])) ||
			strings.Contains(sealed, string(opened.Keys.ServerToClient[:])) {
			t.Error("a key lies in Redis in clear")
		}
		names = append(names, key)
	}
	h.redis.HSet(names[0], "keys", h.redis.HGet(names[1], "keys"))
	_, first := h.Channel(t.Context(), id)
	_, second := h.Channel(t.Context(), other)
	if errors.Is(first, session.ErrChannelExpired) == errors.Is(second, session.ErrChannelExpired) {
		t.Errorf("after the swap: %v and %v, want exactly one refused", first, second)
	}
	foreign := newFixture(t)
	foreign.dial = h.dial
	for _, id := range []channel.ID{id, other} {
		if _, err := foreign.instance(t).Channel(t.Context(), id); !errors.Is(err, session.ErrChannelExpired) {
			t.Errorf("under another ring: %v", err)
		}
	}
}

// A process that did not declare the purpose gets an internal error. It must not tell
// customers that their channels have expired.
func TestChannelsWithoutTheirKey(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	check.Must(t, h.OpenChannel(t.Context(), channel.ID{1}, session.Channel{Keys: newKeys()}))
	h.ring = h.ring.Only(keys.BlindIndex)
	_, err := h.instance(t).Channel(t.Context(), channel.ID{1})
	if !errors.Is(err, keys.ErrPurpose) || errors.Is(err, session.ErrChannelExpired) {
		t.Errorf("%v, want ErrPurpose", err)
	}
}

// The loss of Redis ends channels and logins only. The next handshake and login work as
// before.
func TestFlushEndsSessionsOnly(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	l, customer := h.open(t, "phone"), uuid.New()
	check.Must(t, h.Start(t.Context(), l.id, customer))
	_, err := h.Channel(t.Context(), l.id)
	check.Must(t, err)
	h.redis.FlushAll()
	if _, err := l.call(t, h.Store); !errors.Is(err, session.ErrChannelExpired) {
		t.Errorf("a frame after the flush: %v", err)
	}
	again := h.open(t, "phone")
	again.want(t, h.Store, "nobody")
	check.Must(t, h.Start(t.Context(), again.id, customer))
	again.want(t, h.Store, customer.String())
}

// Without Redis, each call is refused.
func TestRedisAwayRefuses(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	l := h.open(t, "phone")
	calls := map[string]func(*session.Store) error{
		"Admit": func(s *session.Store) error {
			_, err := s.Admit(t.Context(), session.Frame{Channel: l.id, Sequence: 1}, plenty)
			return err
		},
		"AllowAddress": func(s *session.Store) error { return s.AllowAddress(t.Context(), "192.0.2.1", plenty) },
		"Channel":      func(s *session.Store) error { _, err := s.Channel(t.Context(), l.id); return err },
		"OpenChannel":  func(s *session.Store) error { return s.OpenChannel(t.Context(), l.id, session.Channel{}) },
		"Start":        func(s *session.Store) error { return s.Start(t.Context(), l.id, uuid.New()) },
		"End":          func(s *session.Store) error { return s.End(t.Context(), l.id) },
	}
	refused := func(state string) {
		for name, call := range calls {
			if err := call(h.instance(t)); !errors.Is(err, bankerr.ErrUnavailable) {
				t.Errorf("%s, Redis %s: %v, want SERVICE_UNAVAILABLE", name, state, err)
			}
		}
	}
	h.redis.SetError("LOADING Redis is loading the dataset in memory")
	refused("loading")
	h.redis.SetError("")
	h.redis.Close()
	refused("down")
}

func TestAnUnreadableLoginIsNoLogin(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	l := h.open(t, "phone")
	check.Must(t, h.Start(t.Context(), l.id, uuid.New()))
	var login string
	for _, key := range h.redis.Keys() {
		if strings.HasSuffix(key, ":login") {
			login = key
		}
	}
	for field, value := range map[string]string{"customer": "somebody", "at": "yesterday"} {
		before := h.redis.HGet(login, field)
		h.redis.HSet(login, field, value)
		if accepted, err := l.call(t, h.Store); err == nil || accepted.Login != nil {
			t.Errorf("%s %q: %+v, %v", field, value, accepted, err)
		}
		h.redis.HSet(login, field, before)
	}
}

// Two instances may open channels, log in and call concurrently.
func TestInstancesAtOnce(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	stores := []*session.Store{h.Store, h.instance(t)}
	var tasks sync.WaitGroup
	for n := range 16 {
		l, customer, on := h.open(t, "phone"), uuid.New(), stores[n%2]
		tasks.Go(func() {
			if err := on.Start(t.Context(), l.id, customer); err != nil {
				t.Error(err)
			}
			for i := range 20 {
				_, err := stores[i%2].Channel(t.Context(), l.id)
				accepted, err2 := l.call(t, stores[i%2])
				if err != nil || err2 != nil || accepted.Login == nil || accepted.Login.CustomerID != customer {
					t.Errorf("%+v, %v, %v", accepted, err, err2)
				}
			}
		})
	}
	tasks.Wait()
}
