package login_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/events"
	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	identityme "github.com/tidebank/tidebank/functions/identity/me"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/req"
)

func TestCodeLivesSixtySeconds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		after time.Duration
		want  string
	}{
		{59 * time.Second, ""},
		{60*time.Second - time.Millisecond, ""},
		{60 * time.Second, "LOGIN_FAILED"},
		{61 * time.Second, "LOGIN_FAILED"},
	} {
		w := newFixture(t)
		right := w.right(t, w.phone)
		w.Advance(tt.after)
		if got := w.phone.Call(t, identitylogin.Function, "", right); got.Code != tt.want {
			t.Errorf("%v after it was asked for: %q, want %q", tt.after, got.Code, tt.want)
		}
	}
}

func TestSixthTryAtACodeIsRefused(t *testing.T) {
	t.Parallel()
	req.Covers(t, "OTP-002.3")
	w := newFixture(t)
	right := w.right(t, w.phone)
	wrong := right
	wrong.OTP = otptest.Wrong(right.OTP)
	for range 5 {
		w.want(t, w.phone, wrong, "LOGIN_FAILED")
		w.ForgetAttempts(t) // the password's own bound is not meant here
	}
	w.want(t, w.phone, right, "LOGIN_FAILED")
	w.Advance(time.Minute)
	w.want(t, w.phone, w.right(t, w.phone), "")
}

func TestFifthTryAtACodeMayBeRight(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	right := w.right(t, w.phone)
	wrong := right
	wrong.OTP = otptest.Wrong(right.OTP)
	for range 4 {
		w.want(t, w.phone, wrong, "LOGIN_FAILED")
		w.ForgetAttempts(t)
	}
	w.want(t, w.phone, right, "")
}

func TestCodesForSomethingElse(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	li := w.customer(t, "李四")
	tablet := w.Device(t, "tablet-of-wang")
	for _, tt := range []struct {
		name string
		code func() string
	}{
		{"another device", func() string { return w.ask(t, tablet) }},
		{"another purpose", func() string { return otptest.Ask(t, w.Bank, w.phone, otp.Register, w.wang.Phone) }},
		{"another number", func() string { return otptest.Ask(t, w.Bank, w.phone, otp.Login, li.Phone) }},
	} {
		w.Advance(time.Minute)
		if tt.name != "another device" {
			w.ask(t, w.phone) // there is a code that would be right, but it is not known
		}
		w.ForgetAttempts(t)
		r := w.request(t, w.phone, bank.LoginPassword, tt.code())
		if got := w.phone.Call(t, identitylogin.Function, "", r); got.Code != "LOGIN_FAILED" {
			t.Errorf("%s: %q, want LOGIN_FAILED", tt.name, got.Code)
		}
	}
}

func TestOneCodeLogsInOnce(t *testing.T) {
	t.Parallel()
	req.Covers(t, "OTP-002.2")
	w := newFixture(t)
	earlier := w.right(t, w.phone)
	w.Advance(time.Minute - time.Second)
	w.Exec(t, "DELETE FROM otp_quota")
	right := w.right(t, w.phone) // a second before the first would have expired
	if earlier.OTP == right.OTP {
		t.Fatal("the second code is the first one, which happens by chance one time in a million")
	}
	w.want(t, w.phone, earlier, "LOGIN_FAILED")
	w.ForgetAttempts(t)

	requests := make([]identitylogin.Request, 12)
	for i := range requests {
		requests[i] = w.solved(t, w.phone, right)
	}
	won := bank.Won(t, check.AtOnce(len(requests), func(i int) bank.Reply {
		return w.phone.Call(t, identitylogin.Function, "", requests[i])
	}), "LOGIN_FAILED")
	if told := w.Outbox(t, events.TypeIdentityLoggedIn); won != 1 || len(told) != 1 {
		t.Fatalf("%d logins won and %d were told of, want one", won, len(told))
	}
	w.ForgetAttempts(t)
	w.want(t, w.phone, right, "LOGIN_FAILED") // nor later

	// Wrong tries are limited.
	w.Advance(time.Minute)
	w.ForgetAttempts(t)
	next := w.right(t, w.phone)
	w.Exec(t, "UPDATE otp_challenge SET tries = 5")
	w.want(t, w.phone, next, "LOGIN_FAILED")
}

func TestSecondLoginEndsTheFirst(t *testing.T) {
	t.Parallel()
	req.Covers(t, "SESSION-003.1")
	w := newFixture(t)
	w.want(t, w.phone, w.right(t, w.phone), "")
	w.Advance(time.Minute)
	tablet := w.Device(t, "tablet-of-wang")
	w.want(t, tablet, w.right(t, tablet), "")
	reply := w.phone.Call(t, identityme.Function, "", struct{}{})
	if reply.Want(t, "SESSION_DISPLACED"); reply.Status != 401 || reply.Problem.Title != "您的账号已在其他设备登录" {
		t.Errorf("status %d, %q", reply.Status, reply.Problem.Title)
	}
	wantSession(t, tablet, "")
	w.Advance(time.Minute)
	w.want(t, w.phone, w.right(t, w.phone), "")
	wantSession(t, w.phone, "")
	wantSession(t, tablet, "SESSION_DISPLACED")

	// At once, from the two channels of an app that was opened twice.
	w.Advance(time.Minute)
	second := w.Device(t, w.phone.ID)
	second.Key = w.phone.Key
	code := w.ask(t, w.phone)
	devices := []*bank.Device{w.phone, second}
	w.phone.Reopen(t)
	check.AtOnce(len(devices), func(i int) bank.Reply {
		return devices[i].Call(t, identitylogin.Function, "", w.request(t, devices[i], bank.LoginPassword, code))
	})
	live := 0
	for _, d := range append(devices, tablet) {
		if d.Call(t, identityme.Function, "", struct{}{}).Code == "" {
			live++
		}
	}
	if live != 1 {
		t.Fatalf("%d sessions live, want 1", live)
	}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	right := w.right(t, w.phone)
	frame := w.phone.Frame(t, identitylogin.Function, "", right)
	w.phone.Send(t, identitylogin.Function, frame).Want(t, "")
	w.phone.Send(t, identitylogin.Function, frame).Want(t, "FRAME_REPLAYED")
	w.want(t, w.phone, right, "LOGIN_FAILED") // in a new frame the code is used
	stranger := w.Device(t, "phone-of-thief")
	stranger.Send(t, identitylogin.Function, stranger.Frame(t, identitylogin.Function, "", right)).Want(t, "PASSWORD_UNSEALED")
	wantSession(t, stranger, "SESSION_REQUIRED")
}

// Outside a channel the bank checks no credentials. It counts no attempt at the
// password or the code.
func TestNoLoginOutsideAChannel(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-030.1")
	w := newFixture(t)
	right := w.right(t, w.phone)
	wrong := w.request(t, w.phone, "not-it-2026", otptest.Wrong(right.OTP))
	unknown := wrong
	unknown.Phone = "13999999999"
	nobody := w.Device(t, "phone-of-nobody")
	nobody.Channel = channel.ID{1}
	thief := w.Device(t, "phone-of-thief")
	thief.Channel = w.phone.Channel // without its keys
	var first []string              // the answers to the right credentials
	for _, r := range []identitylogin.Request{right, wrong, unknown} {
		clear := check.JSON(t, map[string]any{"idempotency_key": "", "request": r})
		plain := w.phone.Send(t, identitylogin.Function, clear)
		plain.Want(t, "FRAME_REJECTED")
		expired := nobody.Send(t, identitylogin.Function, nobody.Frame(t, identitylogin.Function, "", r))
		expired.Want(t, "CHANNEL_EXPIRED")
		foreign := thief.Send(t, identitylogin.Function, thief.Frame(t, identitylogin.Function, "", r))
		foreign.Want(t, "FRAME_REJECTED")
		var answers []string
		for _, reply := range []bank.Reply{plain, expired, foreign} {
			answers = append(answers, bank.Untraced(string(reply.Body)))
		}
		if first == nil {
			first = answers
		}
		if diff := cmp.Diff(first, answers); diff != "" {
			t.Errorf("another answer to other credentials (-right +other):\n%s", diff)
		}
	}

	if tries := w.Count(t, "SELECT tries FROM otp_challenge"); tries != 0 {
		t.Errorf("%d attempts at the code were counted", tries)
	}
	if got := w.attempts(t); got != nil {
		t.Errorf("attempts were counted: %+v", got)
	}
	w.want(t, w.phone, right, "")
}
