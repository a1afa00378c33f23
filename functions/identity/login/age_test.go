package login_test

import (
	"testing"
	"time"

	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	identityme "github.com/tidebank/tidebank/functions/identity/me"
	"github.com/tidebank/tidebank/test/bank"
)

// expires sets how many days a login password is good, and how many days before its end the app warns.
func (w fixture) expires(t *testing.T, days, warn int) {
	t.Helper()
	w.Exec(t, "UPDATE policy SET value = $1 WHERE name = 'login_password.expires_days'", days)
	w.Exec(t, "UPDATE policy SET value = $1 WHERE name = 'login_password.warn_days'", warn)
}

func (w fixture) told(t *testing.T) (told identitylogin.Response) {
	t.Helper()
	d := w.Device(t, "pad")
	d.Call(t, identitylogin.Function, "", w.request(t, d, bank.LoginPassword, w.ask(t, d))).Into(t, &told)
	want := ""
	if told.MustChange {
		want = "PASSWORD_CHANGE_REQUIRED"
	}
	d.Call(t, identityme.Function, "", struct{}{}).Want(t, want)
	return told
}

// A login password has no end until the policy sets one. Then the app warns some days before, and afterwards a login only
// lets the customer change it.
func TestALoginPasswordEnds(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	set := w.Clock.Now()
	w.Exec(t, "UPDATE credential SET created_at = $1", set)
	w.Advance(1000 * 24 * time.Hour)
	if told := w.told(t); told.ChangeBefore != nil || told.MustChange {
		t.Errorf("without an end: %+v", told)
	}
	w.expires(t, 1001, 1)
	end := set.Add(1001 * 24 * time.Hour)
	if told := w.told(t); told.ChangeBefore == nil || !told.ChangeBefore.Equal(end) || told.MustChange {
		t.Errorf("a day before the end: %+v", told)
	}
	w.Exec(t, "UPDATE credential SET login_set_at = $1", set.Add(time.Second)) // a moment before the app warns
	if told := w.told(t); told.ChangeBefore != nil || told.MustChange {
		t.Errorf("before the app warns: %+v", told)
	}
	w.expires(t, 1000, 1)
	w.Exec(t, "UPDATE credential SET login_set_at = $1", set.Add(time.Minute))
	if told := w.told(t); told.MustChange {
		t.Errorf("a moment before the end: %+v", told)
	}
	w.Exec(t, "UPDATE credential SET login_set_at = $1", set)
	if told := w.told(t); !told.MustChange {
		t.Errorf("at the end: %+v", told)
	}
}
