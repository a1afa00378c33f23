package password

import (
	"time"

	"github.com/tidebank/tidebank/shared/session"
)

// Age is how old a login password may become. The policy's login_password.expires_days is its end, and 0 means that it has
// none; login_password.warn_days tells from when before the end the app warns. The zero value has no end.
type Age struct {
	since time.Time // when the customer has set it
	days  *int      // until its end; nil: it has none
	warn  int       // days before the end
}

// After is what a login password asks of its customer after a login without password.
type After struct {
	Duty         session.Duty
	ChangeBefore *time.Time // see Age.ChangeBefore
}

const day = 24 * time.Hour

// end returns when the password ends; nil: never.
func (a Age) end() *time.Time {
	if a.days == nil {
		return nil
	}
	end := a.since.Add(time.Duration(*a.days) * day)
	return &end
}

// ended reports whether the customer must change the password before anything else.
func (a Age) ended(now time.Time) bool {
	end := a.end()
	return end != nil && !now.Before(*end)
}

// ChangeBefore returns the password's end, from warn_days before it; nil: the app does not warn.
func (a Age) ChangeBefore(now time.Time) *time.Time {
	end := a.end()
	if end == nil || now.Before(end.Add(-time.Duration(a.warn)*day)) {
		return nil
	}
	return end
}
