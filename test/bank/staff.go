package bank

import (
	"testing"
	"time"

	"github.com/google/uuid"

	stafflogin "github.com/tidebank/tidebank/functions/staff/login"
	staffpasswordchange "github.com/tidebank/tidebank/functions/staff/passwordchange"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/shared/staff"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// StaffPassword is the password of the members that Member makes.
const StaffPassword = "tide-staff-26"

// Member makes a member of the staff with these roles, who has just changed the first password.
func (b *Bank) Member(t testing.TB, name string, roles ...staff.Role) staff.Member {
	t.Helper()
	return b.MemberWith(t, staff.Member{LoginName: name, Roles: roles}, StaffPassword)
}

// MemberWith is Member with every field but id and time, and a password.
func (b *Bank) MemberWith(t testing.TB, m staff.Member, password string) staff.Member {
	t.Helper()
	m.ID, m.At = uuid.New(), b.Clock.Now()
	turn, err := b.Passwords().Begin(t.Context())
	check.Must(t, err)
	defer turn.End()
	pgtest.Commit(t, b.Host.DB, func(u *pg.Unit) error {
		return staff.Create(t.Context(), u, turn, m, "first-password-1", time.Hour)
	})
	pgtest.Commit(t, b.Host.DB, func(u *pg.Unit) error {
		return staff.PutPassword(t.Context(), u, turn, m.ID, []byte(password), m.At.Add(time.Microsecond))
	})
	return m
}

// LoginAsStaff starts a session of the member on the device's channel, without calling staff-login.
func (d *Device) LoginAsStaff(t testing.TB, m staff.Member) {
	t.Helper()
	of := session.Login{StaffID: m.ID}
	number, err := d.bank.Host.Sessions.NumberOf(t.Context(), of)
	check.Must(t, err)
	check.Must(t, d.bank.Host.Sessions.StartNumbered(t.Context(), d.Channel, of, number, session.Origin{}))
}

// Console makes a device of the staff with a session of the member.
func (b *Bank) Console(t testing.TB, m staff.Member) *Device {
	t.Helper()
	d := b.Device(t, "console-of-"+m.LoginName)
	d.LoginAsStaff(t, m)
	return d
}

// StaffLogIn is a good request to log a member in.
func (d *Device) StaffLogIn(t testing.TB, m staff.Member, password string) stafflogin.Request {
	t.Helper()
	return stafflogin.Request{LoginName: m.LoginName, Password: d.Password(t, password)}
}

// StaffChange is a good request to change a member's password.
func (d *Device) StaffChange(t testing.TB, present, fresh string) staffpasswordchange.Request {
	t.Helper()
	return staffpasswordchange.Request{Password: d.Password(t, present), NewPassword: d.Password(t, fresh)}
}
