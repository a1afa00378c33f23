package passwordchange_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	identitypasswordchange "github.com/tidebank/tidebank/functions/identity/passwordchange"
	stafflogin "github.com/tidebank/tidebank/functions/staff/login"
	staffpasswordchange "github.com/tidebank/tidebank/functions/staff/passwordchange"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/staff"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/req"
)

type fixture struct {
	*bank.Bank
	console *bank.Device
	present string
}

// with makes a bank with a member who is logged in.
func with(t *testing.T, m staff.Member, password string) *fixture {
	t.Helper()
	b := bank.New(t)
	m.LoginName, m.Roles = "wang.xm", []staff.Role{staff.Risk}
	return &fixture{b, b.Console(t, b.MemberWith(t, m, password)), password}
}

// change changes the password; after a success, the new one is the present one.
func (w *fixture) change(t *testing.T, fresh string) bank.Reply {
	t.Helper()
	w.Clock.Advance(time.Millisecond) // no two passwords of a member are set at one instant
	reply := w.console.Call(t, staffpasswordchange.Function, uuid.NewString(), w.console.StaffChange(t, w.present, fresh))
	if reply.Code == "" {
		w.present = fresh
	}
	return reply
}

// refused sees that the new password is refused because of a rule.
func (w *fixture) refused(t *testing.T, fresh, rule string) {
	t.Helper()
	got := w.change(t, fresh)
	if got.Code != "PASSWORD_WEAK" || got.Problem.Field != "new_password" || !strings.Contains(fmt.Sprint(got.Problem.Rules), rule) {
		t.Errorf("%q: %d %s, want the rule %s", fresh, got.Status, got.Body, rule)
	}
}

func (w *fixture) accepted(t *testing.T, fresh string) {
	t.Helper()
	if got := w.change(t, fresh); got.Code != "" {
		t.Errorf("%q: %d %s", fresh, got.Status, got.Body)
	}
}

func TestAKeyboardPassword(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PWD-010.1", "PWD-010.3")
	w := with(t, staff.Member{}, "tide-26")
	w.refused(t, "moon26", "too_short")
	w.refused(t, "moonstar", "no_digit")
	w.refused(t, "92735816", "no_letter")
	w.refused(t, "wang.xm", "user_name")
	w.refused(t, "Passw0rd", "common")
	w.refused(t, "x-Wang.XM-7", "user_name")
	w.refused(t, "a2345678", "sequence")
	w.refused(t, "abcdef7", "sequence")
	w.refused(t, "aaaaaa7", "repetition")
	w.accepted(t, "moon926")
	key, err := keytest.PrivateKey(t).Public().Marshal()
	check.Must(t, err)
	aux := with(t, staff.Member{USBKey: key}, "tide26")
	aux.refused(t, "moonstar", "no_digit")
	aux.refused(t, "927358", "no_letter")
}

func TestWithAUSBKeySixCharactersAreEnough(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PWD-010.2")
	key, err := keytest.PrivateKey(t).Public().Marshal()
	check.Must(t, err)
	w := with(t, staff.Member{USBKey: key}, "tide26")
	w.refused(t, "moon9", "too_short")
	w.accepted(t, "moon92")
}

func TestADigitOnlyPassword(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PWD-011.1", "PWD-011.2")
	w := with(t, staff.Member{Keypad: true}, "739164")
	w.refused(t, "92735", "too_short")
	w.refused(t, "222222", "repetition")
	w.refused(t, "234567", "sequence")
	w.refused(t, "765432", "sequence")
	w.refused(t, "moon926", "not_digits")
	w.accepted(t, "927358")
}

func TestThePresentPasswordIsNoNewOne(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PWD-007.1")
	w := with(t, staff.Member{}, "tide-26")
	w.refused(t, "tide-26", "unchanged")
	w.accepted(t, "moon-27")
	w.accepted(t, "tide-26") // outside PCI, only the last one counts
	p := bank.PairOn(t, w.Bank, 1_00)
	in := p.PrepareChange(t, stepup.ChangeLoginPassword)
	reply := p.Phone.Call(t, identitypasswordchange.Function, uuid.NewString(), identitypasswordchange.Request{
		Confirmation: stepup.Confirmation{IntentID: in.IntentID, Proofs: []stepup.Proof{
			p.KnownLogin(t, bank.LoginPassword), p.CodeFor(t, in.IntentID),
		}},
		LoginPassword: p.Phone.Password(t, bank.LoginPassword),
	})
	if reply.Want(t, "PASSWORD_WEAK"); !strings.Contains(fmt.Sprint(reply.Problem.Rules), "unchanged") {
		t.Errorf("a customer's present password is answered by %s", reply.Body)
	}
}

func TestUnderPCITheLastFourDoNotComeAgain(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PWD-007.2", "PWD-007.3")
	w := with(t, staff.Member{PCI: true}, "tide-27")
	all := []string{"tide-27", "moon-28", "star-29", "lake-30", "rain-31"}
	for _, fresh := range all[1:] {
		w.accepted(t, fresh)
	}
	for i, reused := range all[1:] {
		rule := "recent"
		if i == len(all)-2 {
			rule = "unchanged"
		}
		w.refused(t, reused, rule)
	}
	w.accepted(t, all[0])
}

// A wrong present password counts with the failed logins, and a refused new password does not.
func TestAWrongPresentPasswordCounts(t *testing.T) {
	t.Parallel()
	w := with(t, staff.Member{}, "tide-26")
	for range 6 {
		w.refused(t, "short1", "too_short")
	}
	w.present = "not-it-26"
	for range 5 {
		w.change(t, "moon-27").Want(t, "STAFF_LOGIN_FAILED")
	}
	w.present = "tide-26"
	w.change(t, "moon-27").Want(t, "STAFF_LOGIN_FAILED")
	login := w.console.StaffLogIn(t, staff.Member{LoginName: "wang.xm"}, "tide-26")
	w.console.Call(t, stafflogin.Function, "", login).Want(t, "STAFF_LOGIN_FAILED")
}

// A change takes one attempt of its address back, its own, and no failure of another member.
func TestAChangeTakesBackItsOwnAttempt(t *testing.T) {
	t.Parallel()
	w := with(t, staff.Member{}, "tide-26")
	address := "address " + w.console.IP
	w.Exec(t, "INSERT INTO staff_attempt (subject, failures, failed_at, began_at) VALUES ($1, 29, $2, $2)", address, w.Clock.Now())
	w.accepted(t, "moon-27")
	if n := w.Count(t, "SELECT failures FROM staff_attempt WHERE subject = $1", address); n != 29 {
		t.Errorf("the address has %d failures, want 29", n)
	}
}

// The same request again gets the first answer, although the password is another one by then.
func TestARepeatedChange(t *testing.T) {
	t.Parallel()
	w := with(t, staff.Member{}, "tide-26")
	w.Clock.Advance(time.Millisecond)
	for range 2 {
		w.console.Call(t, staffpasswordchange.Function, "k", w.console.StaffChange(t, "tide-26", "moon-27")).Want(t, "")
	}
	if n := check.Value[int64](t, w.Host.DB.Pool(), "SELECT count(*) FROM staff_password"); n != 3 {
		t.Errorf("%d passwords are kept, want the first two and one change", n)
	}
	sealed, err := sm.Encrypt(w.Host.Keys.Public("password"), []byte("moon-28"))
	check.Must(t, err)
	request := w.console.StaffChange(t, "moon-27", "moon-28")
	request.NewPassword = sealed
	w.console.Call(t, staffpasswordchange.Function, "l", request).Want(t, "PASSWORD_UNSEALED")
}
