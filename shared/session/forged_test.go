package session_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/test/check"
)

// login is the key of a channel's login in Redis.
func (l *line) login(t *testing.T, h fixture) string {
	t.Helper()
	for _, key := range h.redis.Keys() {
		if strings.HasSuffix(key, ":login") && strings.Contains(key, l.hex()) {
			return key
		}
	}
	t.Fatal("nobody is logged in on the line")
	return ""
}

func (l *line) hex() string {
	const digits = "0123456789abcdef"
	var text []byte
	for _, b := range l.id {
		text = append(text, digits[b>>4], digits[b&15])
	}
	return string(text)
}

// Somebody who can write to Redis writes a login, changes a login, and moves a login to
// a channel of their own. No call is admitted as a customer's.
func TestForgedLoginsAreRefused(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	victim, thief := uuid.New(), uuid.New()
	own, other := h.open(t, "phone"), h.open(t, "phone-of-thief")
	check.Must(t, h.Start(t.Context(), own.id, victim))
	check.Must(t, h.Start(t.Context(), other.id, thief))
	good := map[string]string{}
	for _, field := range []string{"customer", "turn", "at", "mac", "key"} {
		good[field] = h.redis.HGet(own.login(t, h), field)
	}
	place := other.login(t, h)
	genuine := map[string]string{}
	for field := range good {
		genuine[field] = h.redis.HGet(place, field)
	}
	now := strconv.FormatInt(h.clock.Now().UnixMilli(), 10)
	for name, written := range map[string]map[string]string{
		"moved":            good,
		"made":             {"customer": victim.String(), "turn": now, "at": now},
		"of another":       {"customer": victim.String()},
		"with a later end": {"at": strconv.FormatInt(h.clock.Now().Add(time.Hour).UnixMilli(), 10)},
		"in another turn":  {"turn": "1"},
		"another MAC":      {"mac": good["mac"]},
		"no MAC":           {"mac": ""},
		"with a duty":      {"duty": string(session.ChangeLogin)},
		"a short MAC":      {"mac": genuine["mac"][:2]},
		"another key":      {"key": "audit/1"},
		"no key":           {"key": ""},
	} {
		h.redis.Del(place)
		for field, value := range genuine {
			if name != "made" {
				h.redis.HSet(place, field, value)
			}
		}
		for field, value := range written {
			h.redis.HSet(place, field, value)
		}
		if admitted, err := other.call(t, h.instance(t)); !errors.Is(err, keys.ErrMAC) || admitted.Login != nil {
			t.Errorf("a login %s: %+v, %v, want ErrMAC", name, admitted, err)
		}
	}
	h.redis.Del(place)
	for field, value := range genuine {
		h.redis.HSet(place, field, value)
	}
	other.want(t, h.Store, thief.String())
	own.want(t, h.Store, victim.String())
}

// A channel's keys do not open for another device: whoever writes to Redis can't give a
// channel another customer's device.
func TestAChannelKeepsItsDevice(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	l := h.open(t, "phone-of-thief")
	h.redis.HSet("{"+l.hex()+"}:channel", "device", "phone-of-wang")
	if _, err := h.instance(t).Channel(t.Context(), l.id); !errors.Is(err, session.ErrChannelExpired) {
		t.Errorf("%v, want CHANNEL_EXPIRED", err)
	}
}

// Anybody may open channels. One that nobody uses is gone after a minute, and one
// without a login ten minutes after its last call.
func TestChannelsOfStrangersAreShortLived(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	h.config = session.Config{ChannelLife: life, Unproved: time.Minute, Anonymous: 10 * time.Minute, Idle: idle}
	h.Store = h.instance(t)
	open := func(l *line) bool {
		t.Helper()
		_, err := l.call(t, h.Store)
		if err != nil && !errors.Is(err, session.ErrChannelExpired) {
			t.Fatal(err)
		}
		return err == nil
	}
	unused, late, anonymous, customer := h.open(t, "a"), h.open(t, "b"), h.open(t, "c"), h.open(t, "d")
	h.advance(time.Minute - time.Second)
	check.Must(t, h.Start(t.Context(), customer.id, uuid.New()))
	for name, l := range map[string]*line{"late": late, "anonymous": anonymous, "customer": customer} {
		if !open(l) {
			t.Errorf("the %s channel ended before its time", name)
		}
	}
	h.advance(time.Second)
	if open(unused) {
		t.Error("an unused channel is older than a minute")
	}
	h.advance(10*time.Minute - 2*time.Second)
	if !open(anonymous) {
		t.Error("a channel without a login ended before its time")
	}
	h.advance(time.Second)
	if open(late) {
		t.Error("a channel without a login is kept for more than ten minutes")
	}
	h.advance(life - 10*time.Minute - time.Second)
	if !open(customer) {
		t.Error("a customer's channel ended before its time")
	}
	var none channel.ID
	if _, err := h.Channel(t.Context(), none); !errors.Is(err, session.ErrChannelExpired) {
		t.Error(err)
	}
}

// The addresses that one client can have count together.
func TestAddressesOfOneClientCountTogether(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	rate := session.Rate{Class: "open", Limit: 2, Per: time.Minute}
	check.Must(t, h.AllowAddress(t.Context(), "2001:db8:0:7::1", rate))
	check.Must(t, h.AllowAddress(t.Context(), "2001:db8:0:7:ffff:ffff:ffff:ffff", rate))
	if err := h.AllowAddress(t.Context(), "2001:db8:0:7:1::", rate); !errors.Is(err, session.ErrRateLimited) {
		t.Errorf("a third address of the block: %v", err)
	}
	check.Must(t, h.AllowAddress(t.Context(), "2001:db8:0:8::1", rate))
}
