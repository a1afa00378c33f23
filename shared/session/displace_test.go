package session_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/session"
)

func TestLaterLoginEndsTheEarlier(t *testing.T) {
	t.Parallel()
	onBoth(t, laterLoginEndsTheEarlier)
}

func laterLoginEndsTheEarlier(t *testing.T, h hall) {
	elsewhere, customer := h.instance(t), uuid.New()
	phone, pad, stranger := h.open(t, "phone"), h.open(t, "pad"), h.open(t, "another phone")
	must(t, h.Start(t.Context(), phone.id, customer))
	must(t, h.Start(t.Context(), stranger.id, uuid.New()))
	must(t, elsewhere.Start(t.Context(), pad.id, customer))
	phone.want(t, h.Store, "displaced")
	phone.want(t, elsewhere, "displaced") // it is told every time
	pad.want(t, h.Store, customer.String())
	if got := stranger.who(t, h.Store); got == "displaced" || got == "nobody" {
		t.Errorf("the other customer is %s", got)
	}
	must(t, h.Start(t.Context(), phone.id, customer)) // back on the phone
	phone.want(t, h.Store, customer.String())
	pad.want(t, h.Store, "displaced")
}

func TestNoticeOfDisplacementFades(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	customer, phone, pad := uuid.New(), h.open(t, "phone"), h.open(t, "pad")
	must(t, h.Start(t.Context(), phone.id, customer))
	must(t, h.Start(t.Context(), pad.id, customer))
	h.advance(14 * time.Minute)
	phone.want(t, h.Store, "displaced")
	h.advance(time.Minute)
	phone.want(t, h.Store, "nobody")
}

// A login that is nearly as old as a login can be is still found and ended.
func TestLaterLoginEndsAnOldOne(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	customer, phone, pad := uuid.New(), h.open(t, "phone"), h.open(t, "pad")
	must(t, h.Start(t.Context(), phone.id, customer))
	for began := h.clock.Now(); h.clock.Now().Sub(began) < life-8*time.Minute; {
		h.advance(8 * time.Minute)
		phone.want(t, h.Store, customer.String())
	}
	must(t, h.Start(t.Context(), pad.id, customer))
	phone.want(t, h.Store, "displaced")
}

func TestLoginAgainOnTheSameChannel(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	l, customer, next := h.open(t, "phone"), uuid.New(), uuid.New()
	must(t, h.Start(t.Context(), l.id, customer))
	must(t, h.Start(t.Context(), l.id, customer))
	l.want(t, h.Store, customer.String())
	must(t, h.Start(t.Context(), l.id, next)) // the phone changes hands
	l.want(t, h.Store, next.String())
	must(t, h.Start(t.Context(), h.open(t, "pad").id, customer))
	l.want(t, h.Store, next.String()) // the first owner's new login ends nobody else's
}

func TestDisplacingNobody(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	gone, customer, l := h.open(t, "phone"), uuid.New(), h.open(t, "pad")
	must(t, h.Start(t.Context(), gone.id, customer))
	must(t, h.End(t.Context(), gone.id))
	must(t, h.Start(t.Context(), l.id, customer))
	gone.want(t, h.Store, "nobody") // who logged out is told nothing
	l.want(t, h.Store, customer.String())
}

// Of simultaneous logins exactly one lives, and every other is told.
func TestSimultaneousLoginsLeaveOne(t *testing.T) {
	t.Parallel()
	onBoth(t, simultaneousLoginsLeaveOne)
}

func simultaneousLoginsLeaveOne(t *testing.T, h hall) {
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

// A login that ends another late must not end what came after that one: two
// channels that log in again and again at once leave exactly one login.
func TestRepeatedLoginsLeaveOne(t *testing.T) {
	t.Parallel()
	onBoth(t, repeatedLoginsLeaveOne)
}

func repeatedLoginsLeaveOne(t *testing.T, h hall) {
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
		must(t, h.Start(t.Context(), lines[0].id, customer)) // and the next login finds what is left
		lines[0].want(t, h.Store, customer.String())
		lines[1].want(t, h.Store, "displaced")
	}
}
