package login_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions"
	accountoverview "github.com/tidebank/tidebank/functions/account/overview"
	stafflogin "github.com/tidebank/tidebank/functions/staff/login"
	stafflogout "github.com/tidebank/tidebank/functions/staff/logout"
	staffparameterlist "github.com/tidebank/tidebank/functions/staff/parameterlist"
	staffpasswordchange "github.com/tidebank/tidebank/functions/staff/passwordchange"
	"github.com/tidebank/tidebank/infra/gen/example"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/staff"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/req"
)

const day = 24 * time.Hour

type fixture struct {
	*bank.Bank
	console *bank.Device
	member  staff.Member
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	b := bank.New(t)
	return fixture{b, b.Device(t, "console"), b.Member(t, "wang.xm", staff.Parameters)}
}

func (w fixture) login(t *testing.T, password string) bank.Reply {
	t.Helper()
	return w.console.Call(t, stafflogin.Function, "", w.console.StaffLogIn(t, w.member, password))
}

func (w fixture) list(t *testing.T) bank.Reply {
	t.Helper()
	return w.console.Call(t, staffparameterlist.Function, "", struct{}{})
}

func TestAMemberLogsInAndOut(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.list(t).Want(t, "SESSION_REQUIRED")
	var reply stafflogin.Response
	w.login(t, bank.StaffPassword).Into(t, &reply)
	if reply.MustChange || reply.ChangeBy != nil || reply.IdleSeconds != 300 {
		t.Errorf("the login answers %+v", reply)
	}
	w.list(t).Want(t, "")
	w.console.Call(t, stafflogout.Function, "", struct{}{}).Want(t, "")
	w.list(t).Want(t, "SESSION_REQUIRED")
	records := w.Outbox(t, events.TypeAccessRecorded)
	if len(records) != 3 {
		t.Fatalf("%d access records of three calls that were admitted", len(records))
	}
	for _, r := range records {
		var event events.AccessRecorded
		check.Must(t, json.Unmarshal(r.Data, &event))
		if event.StaffID != w.member.ID.String() || event.Outcome != "OK" {
			t.Errorf("%s: the record is of %q with %q", event.Function, event.StaffID, event.Outcome)
		}
	}
}

// Each wrong login gets one answer, and counts; the right password opens nothing while the name is locked.
func TestWrongLoginsLookAlikeAndLock(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	nobody := w.console.StaffLogIn(t, staff.Member{LoginName: "nobody"}, bank.StaffPassword)
	unknown := w.console.Call(t, stafflogin.Function, "", nobody)
	unknown.Want(t, "STAFF_LOGIN_FAILED")
	for range 4 {
		wrong := w.login(t, "not-it-2026")
		if wrong.Want(t, "STAFF_LOGIN_FAILED"); bank.Untraced(string(wrong.Body)) != bank.Untraced(string(unknown.Body)) {
			t.Errorf("a wrong password is answered by %s, an unknown name by %s", wrong.Body, unknown.Body)
		}
	}
	w.login(t, bank.StaffPassword).Want(t, "") // the fifth is right, and ends the count
	for range 5 {
		w.login(t, "not-it-2026").Want(t, "STAFF_LOGIN_FAILED")
	}
	w.login(t, bank.StaffPassword).Want(t, "STAFF_LOGIN_FAILED")
	w.Advance(30 * time.Minute)
	w.console.Reopen(t)
	w.login(t, bank.StaffPassword).Want(t, "")
}

// Failures that are spread over more than the time of a lock do not add up.
func TestOldFailuresDoNotCount(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for range 8 {
		w.login(t, "not-it-2026").Want(t, "STAFF_LOGIN_FAILED")
		w.Advance(8 * time.Minute)
		w.console.Reopen(t)
	}
	w.login(t, bank.StaffPassword).Want(t, "")
}

// Failures with many names from one address lock the address, and no other one.
func TestAnAddressIsLocked(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for i := range 30 {
		name := "guess-" + string(rune('a'+i%26)) + string(rune('a'+i/26))
		login := w.console.StaffLogIn(t, staff.Member{LoginName: name}, "x")
		w.console.Call(t, stafflogin.Function, "", login).Want(t, "STAFF_LOGIN_FAILED")
	}
	w.login(t, bank.StaffPassword).Want(t, "STAFF_LOGIN_FAILED")
	w.console.IP = "203.0.113.99"
	w.login(t, bank.StaffPassword).Want(t, "")
}

// A figure of the policy above the standard's has no effect.
func TestTheCycleHasABound(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.Exec(t, "UPDATE policy SET value = 400 WHERE name = 'staff.password.cycle_days'")
	w.Advance(91 * day)
	w.console.Reopen(t)
	var reply stafflogin.Response
	if w.login(t, bank.StaffPassword).Into(t, &reply); !reply.MustChange {
		t.Errorf("after 91 days the login answers %+v", reply)
	}
}

func TestThePasswordsAgeCounts(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PWD-014.1", "PWD-014.2")
	w := newFixture(t)
	w.Advance(82 * day)
	w.console.Reopen(t)
	var reply stafflogin.Response
	if w.login(t, bank.StaffPassword).Into(t, &reply); reply.ChangeBy != nil {
		t.Errorf("after 82 days the login warns of %s", *reply.ChangeBy)
	}
	w.Advance(8 * day)
	w.console.Reopen(t)
	w.login(t, bank.StaffPassword).Into(t, &reply)
	if reply.MustChange || reply.ChangeBy == nil || *reply.ChangeBy != w.Clock.Now().Format(time.DateOnly) {
		t.Errorf("after 90 days the login answers %+v", reply)
	}
	w.list(t).Want(t, "")
	w.Advance(day)
	w.console.Reopen(t)
	if w.login(t, bank.StaffPassword).Into(t, &reply); !reply.MustChange {
		t.Errorf("after 91 days the login answers %+v", reply)
	}
	refused := 0
	for _, f := range functions.All() {
		if f.Spec.Audience != fn.Staff || f.Spec.DuringDuty {
			continue
		}
		request, err := example.Of(f.Request)
		check.Must(t, err)
		w.console.Call(t, f, uuid.NewString(), request).Want(t, "PASSWORD_CHANGE_REQUIRED")
		refused++
	}
	if refused < 4 {
		t.Fatalf("only %d functions were tried", refused)
	}
	w.console.Call(t, staffpasswordchange.Function, "k", w.console.StaffChange(t, bank.StaffPassword, "moon-staff-27")).Want(t, "")
	w.list(t).Want(t, "")
}

// Five minutes without a call end a session of the staff, and ten minutes a customer's.
func TestAnIdleConsoleLogsOut(t *testing.T) {
	t.Parallel()
	req.Covers(t, "SESSION-002.1")
	w := newFixture(t)
	w.login(t, bank.StaffPassword).Want(t, "")
	phone := w.Device(t, "phone-of-wang")
	phone.LoginAs(t, w.Customer(t, "王小明", 1_00))
	for range 3 { // each call begins the time anew
		w.Advance(4 * time.Minute)
		w.list(t).Want(t, "")
		phone.Call(t, accountoverview.Function, "", struct{}{}).Want(t, "")
	}
	w.Advance(5 * time.Minute)
	phone.Call(t, accountoverview.Function, "", struct{}{}).Want(t, "")
	idle := w.list(t)
	if idle.Want(t, "SESSION_REQUIRED"); idle.Status != http.StatusUnauthorized {
		t.Errorf("status %d", idle.Status)
	}
	w.list(t).Want(t, "SESSION_REQUIRED")
	w.login(t, bank.StaffPassword).Want(t, "")
	w.list(t).Want(t, "")
}

// Each function of customers refuses a session of the staff, and each of the staff a customer's.
func TestSessionsDoNotPassForEachOther(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.login(t, bank.StaffPassword).Want(t, "")
	phone := w.Device(t, "phone-of-wang")
	phone.LoginAs(t, w.Customer(t, "王小明", 1_00))
	customers, members := 0, 0
	for _, f := range functions.All() {
		switch f.Spec.Audience {
		case fn.Customer:
			customers++
			w.console.Call(t, f, uuid.NewString(), struct{}{}).Want(t, "SESSION_REQUIRED")
		case fn.Staff:
			members++
			phone.Call(t, f, uuid.NewString(), struct{}{}).Want(t, "SESSION_REQUIRED")
		case fn.Public, fn.Internal, fn.Console:
		}
	}
	if customers < 20 || members < 6 {
		t.Fatalf("%d functions of customers and %d of the staff were tried", customers, members)
	}
	w.list(t).Want(t, "")
	phone.Call(t, accountoverview.Function, "", struct{}{}).Want(t, "")
}

// A member with a USB key needs its signature over this channel and this name, besides the password.
func TestAUSBKeyMustSign(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	key := keytest.PrivateKey(t)
	public, err := key.Public().Marshal()
	check.Must(t, err)
	w := fixture{b, b.Device(t, "console"), b.MemberWith(t, staff.Member{
		LoginName: "wang.xm", Roles: []staff.Role{staff.Parameters}, USBKey: public,
	}, "abcd26")}
	sign := func(with *sm.PrivateKey, text []byte) []byte {
		signature, err := sm.Sign(with, text)
		check.Must(t, err)
		return signature
	}
	other := b.Device(t, "console-2")
	for what, signature := range map[string][]byte{
		"none": nil, "of another key": sign(keytest.PrivateKey(t), staff.KeyText(w.console.Channel, "wang.xm")),
		"of another channel": sign(key, staff.KeyText(other.Channel, "wang.xm")),
		"of another name":    sign(key, staff.KeyText(w.console.Channel, "wang.xn")),
	} {
		request := w.console.StaffLogIn(t, w.member, "abcd26")
		request.Signature = signature
		if got := w.console.Call(t, stafflogin.Function, "", request); got.Code != "STAFF_LOGIN_FAILED" {
			t.Errorf("a signature %s: %d %q", what, got.Status, got.Code)
		}
	}
	request := w.console.StaffLogIn(t, w.member, "abcd26")
	request.Signature = sign(key, staff.KeyText(w.console.Channel, "wang.xm"))
	w.console.Call(t, stafflogin.Function, "", request).Want(t, "")
}

// A password of the bank logs in once, in time, and only to be changed. Who has left logs in no more.
func TestAGivenPasswordLogsInOnce(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.Exec(t, "UPDATE staff SET given_until = $1", w.Clock.Now().Add(time.Hour))
	var reply stafflogin.Response
	if w.login(t, bank.StaffPassword).Into(t, &reply); !reply.MustChange {
		t.Errorf("the login answers %+v", reply)
	}
	w.list(t).Want(t, "PASSWORD_CHANGE_REQUIRED")
	w.login(t, bank.StaffPassword).Want(t, "STAFF_LOGIN_FAILED") // the second time
	w.Exec(t, "UPDATE staff SET given_until = $1", w.Clock.Now())
	w.login(t, bank.StaffPassword).Want(t, "STAFF_LOGIN_FAILED") // its time is over
	w.Exec(t, "UPDATE staff SET given_until = NULL")
	w.login(t, bank.StaffPassword).Want(t, "")
	w.Exec(t, "UPDATE staff SET active = false")
	w.list(t).Want(t, "SESSION_REQUIRED")
	w.login(t, bank.StaffPassword).Want(t, "STAFF_LOGIN_FAILED")
}

func TestAnUnsealedPasswordIsNoGuess(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	request := w.console.StaffLogIn(t, w.member, bank.StaffPassword)
	sealed, err := sm.Encrypt(w.Host.Keys.Public(keys.Password), []byte(bank.StaffPassword))
	check.Must(t, err)
	request.Password = sealed
	w.console.Call(t, stafflogin.Function, "", request).Want(t, "PASSWORD_UNSEALED")
}
