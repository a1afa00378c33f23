package sessionbackground_test

import (
	"errors"
	"testing"
	"time"

	identityme "github.com/tidebank/tidebank/functions/identity/me"
	identitysessionbackground "github.com/tidebank/tidebank/functions/identity/sessionbackground"
	identitysessionresume "github.com/tidebank/tidebank/functions/identity/sessionresume"
	messagelist "github.com/tidebank/tidebank/functions/message/list"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// limited is a bank with these limits, and a customer's phone with a session.
func limited(t *testing.T, idle, background time.Duration) bank.Pair {
	t.Helper()
	p := bank.NewPair(t, 0)
	var err error
	p.Host.Sessions, err = session.New(p.Host.Redis, p.Host.Keys, p.Clock,
		session.Config{ChannelLife: time.Hour, Idle: idle, Background: background})
	check.Must(t, err)
	return p
}

func call(t *testing.T, p bank.Pair, f fn.Function, code string) {
	t.Helper()
	p.Phone.Call(t, f, "", struct{}{}).Want(t, code)
}

// After the limit in the background the customer must log in again, whichever call comes
// first.
func TestFifteenMinutesInTheBackground(t *testing.T) {
	t.Parallel()
	req.Covers(t, "SESSION-004.1")
	for _, first := range []fn.Function{identitysessionresume.Function, identityme.Function, messagelist.Function} {
		for _, tt := range []struct {
			away time.Duration
			want string
		}{{14 * time.Minute, ""}, {16 * time.Minute, "SESSION_REQUIRED"}} {
			p := limited(t, 15*time.Minute, 15*time.Minute)
			call(t, p, identitysessionbackground.Function, "")
			p.Advance(tt.away)
			call(t, p, first, tt.want)
		}
	}
}

// The limit in the background counts although the idle limit is longer. Polls in the
// background do not lengthen it, and a return begins the idle time anew.
func TestTheBackgroundHasALimitOfItsOwn(t *testing.T) {
	t.Parallel()
	p := limited(t, 10*time.Minute, 5*time.Minute)
	var waits identitysessionbackground.Response
	p.Phone.Call(t, identitysessionbackground.Function, "", struct{}{}).Into(t, &waits)
	p.Advance(4 * time.Minute)
	var back identitysessionresume.Response
	p.Phone.Call(t, identitysessionresume.Function, "", struct{}{}).Into(t, &back)
	if waits.Seconds != 300 || back.Seconds != 600 {
		t.Errorf("told %d s and %d s", waits.Seconds, back.Seconds)
	}
	p.Advance(9 * time.Minute)
	call(t, p, identitysessionresume.Function, "")

	call(t, p, identitysessionbackground.Function, "")
	p.Advance(4 * time.Minute)
	call(t, p, messagelist.Function, "")
	p.Advance(time.Minute)
	call(t, p, identitysessionresume.Function, "SESSION_REQUIRED")
	call(t, p, identityme.Function, "SESSION_REQUIRED") // a resume revives nothing
}

func TestALimitAboveFifteenMinutesIsRefused(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 0)
	for _, tooLong := range []time.Duration{15*time.Minute + time.Second, time.Hour, time.Millisecond} {
		_, err := session.New(p.Host.Redis, p.Host.Keys, p.Clock,
			session.Config{ChannelLife: time.Hour, Idle: time.Minute, Background: tooLong})
		if !errors.Is(err, session.ErrBackgroundTooLong) {
			t.Errorf("a limit of %v: %v, want a refusal", tooLong, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 0)
	for _, f := range []fn.Function{identitysessionbackground.Function, identitysessionresume.Function} {
		p.Phone.Call(t, f, "", map[string]any{"seconds": 900}).Want(t, "INPUT_INVALID")
		p.Device(t, "stranger").Call(t, f, "", struct{}{}).Want(t, "SESSION_REQUIRED")
		p.Redis.SetError("down")
		call(t, p, f, "SERVICE_UNAVAILABLE")
		p.Redis.SetError("")
	}
}
