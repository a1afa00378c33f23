package login_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	identityme "github.com/tidebank/tidebank/functions/identity/me"
	"github.com/tidebank/tidebank/shared/place"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// withPlaces is a bank that knows the places of two ranges of addresses.
func withPlaces(t *testing.T) fixture {
	t.Helper()
	file := filepath.Join(t.TempDir(), "places.csv")
	check.Must(t, os.WriteFile(file, []byte("203.0.113.0,203.0.113.63,上海\n203.0.113.64,203.0.113.127,杭州\n"), 0o600))
	w := newFixture(t)
	w.Open(t, identitylogin.Function, place.Config{File: file})
	return w
}

// A login tells when, on which device and from which place the login before it was.
func TestALoginTellsOfTheLastOne(t *testing.T) {
	t.Parallel()
	req.Covers(t, "SESSION-005.1")
	w := withPlaces(t)
	tablet := w.Device(t, "tablet-of-wang")
	w.phone.IP, tablet.IP = "203.0.113.9", "203.0.113.70"
	log := func(d *bank.Device) (told identitylogin.Response) {
		t.Helper()
		d.Call(t, identitylogin.Function, "", w.right(t, d)).Into(t, &told)
		w.Advance(time.Minute)
		return told
	}
	if got := log(w.phone); got.LastLoginAt != nil || got.LastLoginDevice != nil || got.LastLoginPlace != nil {
		t.Errorf("the first login tells of %+v", got)
	}
	w.phone.IP = "198.51.100.1" // of no range
	for n, tt := range []struct {
		on            *bank.Device
		device, place string
	}{{tablet, w.phone.ID, "上海"}, {w.phone, tablet.ID, "杭州"}, {tablet, w.phone.ID, "unknown"}} {
		at := w.Clock.Now().Add(-time.Minute)
		got := log(tt.on)
		if got.LastLoginAt == nil || !got.LastLoginAt.Equal(at) || *got.LastLoginDevice != tt.device || *got.LastLoginPlace != tt.place {
			t.Errorf("login %d tells of %v on %v from %v, want %v on %s from %s",
				n+2, got.LastLoginAt, *got.LastLoginDevice, *got.LastLoginPlace, at, tt.device, tt.place)
		}
		var shown identityme.Response
		tt.on.Call(t, identityme.Function, "", struct{}{}).Into(t, &shown)
		if shown.LastLoginPlace == nil || *shown.LastLoginPlace != tt.place {
			t.Errorf("identity-me shows the place %v, want %s", shown.LastLoginPlace, tt.place)
		}
	}
}

// The device whose session a later login has ended is told when and from where that login
// came. Nobody else is told.
func TestAnEndedSessionIsToldOfTheLaterLogin(t *testing.T) {
	t.Parallel()
	req.Covers(t, "SESSION-005.2")
	w := withPlaces(t)
	tablet := w.Device(t, "tablet-of-wang")
	tablet.IP = "203.0.113.70"
	w.want(t, w.phone, w.right(t, w.phone), "")
	w.Advance(time.Minute)
	at := w.Clock.Now()
	w.want(t, tablet, w.right(t, tablet), "")
	w.Advance(time.Minute)
	for range 2 { // at each call
		reply := w.phone.Call(t, identityme.Function, "", struct{}{})
		reply.Want(t, "SESSION_DISPLACED")
		later := reply.Problem.Later
		if later == nil || !later.At.Equal(at) || later.DeviceID != tablet.ID || later.Place != "杭州" {
			t.Errorf("told of %+v", later)
		}
		if got := reply.Problem.Detail; !strings.HasPrefix(got, "该次登录时间为11月23日10:01（杭州）。如非本人操作") {
			t.Errorf("the customer reads %q", got)
		}
	}
	other := w.Device(t, "phone-of-stranger").Call(t, identityme.Function, "", struct{}{})
	if other.Want(t, "SESSION_REQUIRED"); other.Problem.Later != nil {
		t.Errorf("a stranger is told of %+v", other.Problem.Later)
	}

	tablet.IP = "198.51.100.1"
	w.want(t, w.phone, w.right(t, w.phone), "")
	w.want(t, tablet, w.right(t, tablet), "")
	reply := w.phone.Call(t, identityme.Function, "", struct{}{})
	reply.Want(t, "SESSION_DISPLACED")
	if reply.Problem.Later == nil || reply.Problem.Later.Place != place.Unknown ||
		!strings.HasPrefix(reply.Problem.Detail, "该次登录时间为11月23日10:02。") {
		t.Errorf("told of %+v, %q", reply.Problem.Later, reply.Problem.Detail)
	}
}
