package session_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/test/check"
)

func TestLaterLoginEndsTheEarlier(t *testing.T) {
	t.Parallel()
	onBoth(t, laterLoginEndsTheEarlier)
}

func laterLoginEndsTheEarlier(t *testing.T, h fixture) {
	elsewhere, customer := h.instance(t), uuid.New()
	phone, pad, stranger := h.open(t, "phone"), h.open(t, "pad"), h.open(t, "another phone")
	check.Must(t, h.Start(t.Context(), phone.id, customer))
	check.Must(t, h.Start(t.Context(), stranger.id, uuid.New()))
	check.Must(t, elsewhere.Start(t.Context(), pad.id, customer))
	phone.want(t, h.Store, "displaced")
	phone.want(t, elsewhere, "displaced") // it is told every time
	pad.want(t, h.Store, customer.String())
	if got := stranger.who(t, h.Store); got == "displaced" || got == "nobody" {
		t.Errorf("the other customer is %s", got)
	}
	check.Must(t, h.Start(t.Context(), phone.id, customer)) // back on the phone
	phone.want(t, h.Store, customer.String())
	pad.want(t, h.Store, "displaced")
}

func TestNoticeOfDisplacementFades(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	customer, phone, pad := uuid.New(), h.open(t, "phone"), h.open(t, "pad")
	check.Must(t, h.Start(t.Context(), phone.id, customer))
	check.Must(t, h.Start(t.Context(), pad.id, customer))
	h.advance(14 * time.Minute)
	phone.want(t, h.Store, "displaced")
	h.advance(time.Minute)
	phone.want(t, h.Store, "nobody")
}

// A login that is nearly as old as a login can be is still found and ended.
func TestLaterLoginEndsAnOldOne(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	customer, phone, pad := uuid.New(), h.open(t, "phone"), h.open(t, "pad")
	check.Must(t, h.Start(t.Context(), phone.id, customer))
	for began := h.clock.Now(); h.clock.Now().Sub(began) < life-8*time.Minute; {
		h.advance(8 * time.Minute)
		phone.want(t, h.Store, customer.String())
	}
	check.Must(t, h.Start(t.Context(), pad.id, customer))
	phone.want(t, h.Store, "displaced")
}

func TestLoginAgainOnTheSameChannel(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	l, customer, next := h.open(t, "phone"), uuid.New(), uuid.New()
	check.Must(t, h.Start(t.Context(), l.id, customer))
	check.Must(t, h.Start(t.Context(), l.id, customer))
	l.want(t, h.Store, customer.String())
	check.Must(t, h.Start(t.Context(), l.id, next)) // the phone changes hands
	l.want(t, h.Store, next.String())
	check.Must(t, h.Start(t.Context(), h.open(t, "pad").id, customer))
	l.want(t, h.Store, next.String()) // the first customer's new login does not end it
}

func TestALoginAfterALogout(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	gone, customer, l := h.open(t, "phone"), uuid.New(), h.open(t, "pad")
	check.Must(t, h.Start(t.Context(), gone.id, customer))
	check.Must(t, h.End(t.Context(), gone.id))
	check.Must(t, h.Start(t.Context(), l.id, customer))
	gone.want(t, h.Store, "nobody") // a customer who logged out is not told
	l.want(t, h.Store, customer.String())
}

// Exactly one of several concurrent logins stays, and each other is told.
func TestSimultaneousLoginsLeaveOne(t *testing.T) {
	t.Parallel()
	onBoth(t, simultaneousLoginsLeaveOne)
}

func simultaneousLoginsLeaveOne(t *testing.T, h fixture) {
	other := h.instance(t)
	for range 20 {
		customer := uuid.New()
		lines := make([]*line, 8)
		for i := range lines {
			lines[i] = h.open(t, "phone")
		}
		var logins sync.WaitGroup
		for i, l := range lines {
			logins.Go(func() {
				on := h.Store
				if i%2 == 0 {
					on = other
				}
				if err := on.Start(t.Context(), l.id, customer); err != nil {
					t.Error(err)
				}
			})
		}
		logins.Wait()
		count := map[string]int{}
		for _, l := range lines {
			count[l.who(t, h.Store)]++
		}
		if count[customer.String()] != 1 || count["displaced"] != len(lines)-1 {
			t.Fatalf("after 8 simultaneous logins: %v", count)
		}
	}
}

// A login that ends an earlier one late must not end a later one. Two channels that
// log in concurrently, again and again, leave exactly one login.
func TestRepeatedLoginsLeaveOne(t *testing.T) {
	t.Parallel()
	onBoth(t, repeatedLoginsLeaveOne)
}

func repeatedLoginsLeaveOne(t *testing.T, h fixture) {
	lines, other := []*line{h.open(t, "phone"), h.open(t, "pad")}, h.instance(t)
	for range 300 {
		customer := uuid.New()
		var logins sync.WaitGroup
		for i, l := range lines {
			for range 2 { // two logins at once on each channel too
				logins.Go(func() {
					if err := []*session.Store{h.Store, other}[i].Start(t.Context(), l.id, customer); err != nil {
						t.Error(err)
					}
				})
			}
		}
		logins.Wait()
		first, second := lines[0].who(t, h.Store), lines[1].who(t, h.Store)
		if (first == customer.String()) == (second == customer.String()) {
			t.Fatalf("%s and %s, want exactly one login", first, second)
		}
		check.Must(t, h.Start(t.Context(), lines[0].id, customer)) // and the next login finds what is left
		lines[0].want(t, h.Store, customer.String())
		lines[1].want(t, h.Store, "displaced")
	}
}

// The channel of a login that ended is told of the later login, and only of that one. A
// notice that was changed, or moved from another channel, tells nothing.
func TestNoticeOfTheLaterLogin(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	customer, phone, pad, car := uuid.New(), h.open(t, "phone"), h.open(t, "pad"), h.open(t, "car")
	from := func(device, place string) session.Origin { return session.Origin{DeviceID: device, Place: place} }
	told := func(l *line) session.DisplacedError {
		t.Helper()
		got, err := l.call(t, h.instance(t))
		check.Must(t, err)
		if got.Displaced == nil {
			t.Fatal("the login has not ended")
		}
		return *got.Displaced
	}
	same := func(got session.DisplacedError, at time.Time, o session.Origin) {
		t.Helper()
		if !got.At.Equal(at) || got.Origin != o {
			t.Errorf("told of %+v, want %v of %+v", got, at, o)
		}
	}
	h.startFrom(t, phone.id, customer, from("phone", "上海"))
	h.advance(time.Minute)
	second := h.clock.Now()
	h.startFrom(t, pad.id, customer, from("pad", "杭州"))
	same(told(phone), second, from("pad", "杭州"))
	h.advance(time.Minute)
	third := h.clock.Now()
	h.startFrom(t, car.id, customer, from("car", "unknown"))
	same(told(pad), third, from("car", "unknown"))
	same(told(phone), second, from("pad", "杭州"))

	notice := func(l *line) string { return "{" + l.hex() + "}:login" }
	moved := h.redis.HGet(notice(pad), "displaced")
	for _, forged := range []string{moved, "1", "", "a later login"} {
		h.redis.HSet(notice(phone), "displaced", forged)
		same(told(phone), time.Time{}, session.Origin{})
	}
}

// Polls leave the idle time as it is; a call for a rest sets the time of the background.
func TestActivities(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	h.config.Background = 3 * time.Minute
	h.Store = h.instance(t)
	l, customer := h.open(t, "phone"), uuid.New()
	alive := func(a session.Activity) bool {
		t.Helper()
		l.next++
		got, err := h.Admit(t.Context(), session.Frame{Channel: l.id, Sequence: l.next, Activity: a}, plenty)
		check.Must(t, err)
		return got.Login != nil
	}
	check.Must(t, h.Start(t.Context(), l.id, customer))
	for range 9 {
		h.advance(time.Minute)
		if !alive(session.Polls) {
			t.Fatal("the login ended before its idle time")
		}
	}
	h.advance(time.Minute)
	if alive(session.Polls) || alive(session.Acts) {
		t.Error("polls kept the login alive")
	}
	check.Must(t, h.Start(t.Context(), l.id, customer))
	for _, away := range []time.Duration{3*time.Minute - time.Second, 3 * time.Minute} {
		if !alive(session.Rests) {
			t.Fatal("no login")
		}
		h.advance(away)
		if alive(session.Acts) != (away < 3*time.Minute) {
			t.Errorf("after %v in the background: alive is %v", away, away >= 3*time.Minute)
		}
	}
}

// startFrom starts a login of the customer that comes from an origin.
func (h fixture) startFrom(t *testing.T, id channel.ID, customer uuid.UUID, from session.Origin) {
	t.Helper()
	number, err := h.Number(t.Context(), customer)
	check.Must(t, err)
	check.Must(t, h.StartNumbered(t.Context(), id, session.Login{CustomerID: customer}, number, from))
}

// The end of a customer's live login, also by another instance and again, leaves the notice on
// a channel whose login ended before.
func TestAnEndKeepsEarlierNotices(t *testing.T) {
	t.Parallel()
	onBoth(t, anEndKeepsEarlierNotices)
}

func anEndKeepsEarlierNotices(t *testing.T, h fixture) {
	customer, other := uuid.New(), uuid.New()
	phone, pad, stranger := h.open(t, "phone"), h.open(t, "pad"), h.open(t, "another phone")
	check.Must(t, h.EndCustomer(t.Context(), customer)) // nobody is logged in
	check.Must(t, h.Start(t.Context(), stranger.id, other))
	check.Must(t, h.Start(t.Context(), phone.id, customer))
	check.Must(t, h.Start(t.Context(), pad.id, customer))
	check.Must(t, h.instance(t).EndCustomer(t.Context(), customer))
	check.Must(t, h.EndCustomer(t.Context(), customer))
	pad.want(t, h.Store, "nobody")
	phone.want(t, h.Store, "displaced") // by the pad's login, as before
	stranger.want(t, h.Store, other.String())
	check.Must(t, h.Start(t.Context(), phone.id, customer))
	phone.want(t, h.Store, customer.String())
	pad.want(t, h.Store, "nobody")
}
