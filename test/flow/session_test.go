package flow_test

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// TestFifteenMinutesWithoutASign sets the limit to its most. Each call is a sign of
// life: after 14 minutes without one the next call passes, after 16 it is told to
// log in again.
func TestFifteenMinutesWithoutASign(t *testing.T) {
	t.Parallel()
	req.Covers(t, "SESSION-004.2", "SESSION-004.3")
	p := newFixture(t)
	with := func(limit time.Duration) (*session.Store, error) {
		return session.New(p.Host.Redis, p.Host.Keys, p.Clock, session.Config{ChannelLife: time.Hour, Idle: limit})
	}
	for _, tooLong := range []time.Duration{15*time.Minute + time.Second, 16 * time.Minute, 24 * time.Hour} {
		if _, err := with(tooLong); !errors.Is(err, session.ErrIdleTooLong) {
			t.Errorf("a limit of %v: %v, want a refusal", tooLong, err)
		}
	}
	sessions, err := with(15 * time.Minute)
	check.Must(t, err)
	p.Host.Sessions = sessions
	p.wang.phone.LoginAs(t, p.wang.Customer)
	for range 3 {
		call(t, p.wang.phone, "account-overview", fields{}).Want(t, "")
		p.Advance(14 * time.Minute)
	}
	call(t, p.wang.phone, "account-overview", fields{}).Want(t, "")
	p.Advance(16 * time.Minute)
	got := call(t, p.wang.phone, "account-overview", fields{})
	if got.Want(t, "SESSION_REQUIRED"); got.Problem.Detail != "请重新登录" {
		t.Errorf("told %q", got.Problem.Detail)
	}
}

// TestLogoutLeavesNothingOfTheSession looks for keys of Redis that name the customer's
// session. Only the channel, which is still open, and the counters of its calls may
// name it.
func TestLogoutLeavesNothingOfTheSession(t *testing.T) {
	t.Parallel()
	req.Covers(t, "SESSION-006.2")
	p := newFixture(t)
	tablet := p.Device(t, "tablet-of-wang")
	digits := p.numberCode(t, tablet, otp.Login, p.wang.Phone)
	call(t, tablet, "identity-login", login(t, tablet, p.wang.Customer, digits)).Want(t, "")
	named := func(id string) (keys []string) {
		for line := range strings.Lines(p.Cached(t)) {
			if strings.Contains(line, id) && !strings.Contains(line, "}:channel ") && !rateKey.MatchString(line) {
				keys = append(keys, strings.TrimSpace(line))
			}
		}
		return keys
	}
	channel, customer := hex.EncodeToString(tablet.Channel[:]), p.wang.ID.String()
	if before := named(channel); len(before) < 2 || len(named(customer)) < 2 {
		t.Fatalf("during the session: %v", before)
	}
	call(t, tablet, "identity-logout", fields{}).Want(t, "")
	for _, left := range append(named(channel), named(customer)...) {
		field, ok := strings.CutPrefix(left, "logins:"+customer+" ")
		// turn counts logins, ended and endedturn name the login that the last one ended: they are of no session.
		if !ok || !strings.HasPrefix(field, "turn ") && !strings.HasPrefix(field, "ended") {
			t.Errorf("left of the session: %s", left)
		}
	}
	call(t, tablet, "identity-me", fields{}).Want(t, "SESSION_REQUIRED")
	// A later login finds no earlier one to end, and can be ended itself.
	p.wang.phone.LoginAs(t, p.wang.Customer)
	call(t, tablet, "identity-me", fields{}).Want(t, "SESSION_REQUIRED")
	second := p.Device(t, "pad-of-wang")
	check.Must(t, p.Host.Sessions.Start(t.Context(), second.Channel, p.wang.ID))
	call(t, p.wang.phone, "identity-me", fields{}).Want(t, "SESSION_DISPLACED")
	call(t, second, "identity-me", fields{}).Want(t, "")
}
