package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/events"
	stafflogin "github.com/tidebank/tidebank/functions/staff/login"
	staffparameterlist "github.com/tidebank/tidebank/functions/staff/parameterlist"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/staff"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
)

// The given password is the only one, logs in once, and ends the session; so does the next one with it.
func TestAMemberGetsAnotherPassword(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	m := b.Member(t, "wang.xm", staff.Parameters)
	console, other := b.Console(t, m), b.Device(t, "other")
	o := memberOrder{login: "wang.xm", reason: "forgotten", operator: "zhao", gives: true, valid: time.Hour}
	b.Advance(time.Second)
	first, _, err := changeMember(t.Context(), b.Host, o)
	check.Must(t, err)
	console.Call(t, staffparameterlist.Function, "", struct{}{}).Want(t, "SESSION_REQUIRED")
	b.Advance(time.Second)
	second, trace, err := changeMember(t.Context(), b.Host, o)
	check.Must(t, err)
	for _, old := range []string{bank.StaffPassword, first} {
		other.Call(t, stafflogin.Function, "", other.StaffLogIn(t, m, old)).Want(t, "STAFF_LOGIN_FAILED")
	}
	var reply stafflogin.Response
	if other.Call(t, stafflogin.Function, "", other.StaffLogIn(t, m, second)).Into(t, &reply); !reply.MustChange {
		t.Error("the given password need not be changed")
	}
	wantRecord(t, b, trace, `"by":"zhao"`)
}

// Who has left has no session, no role and no login; the name stays taken.
func TestAMemberLeaves(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	m := b.Member(t, "wang.xm", staff.Parameters)
	console := b.Console(t, m)
	o := memberOrder{login: "wang.xm", reason: "has left", operator: "zhao"}
	_, trace, err := changeMember(t.Context(), b.Host, o)
	check.Must(t, err)
	console.Call(t, staffparameterlist.Function, "", struct{}{}).Want(t, "SESSION_REQUIRED")
	console.Call(t, stafflogin.Function, "", console.StaffLogIn(t, m, bank.StaffPassword)).Want(t, "STAFF_LOGIN_FAILED")
	if n := b.Count(t, "SELECT count(*) FROM staff WHERE NOT active AND roles = '{}'"); n != 1 {
		t.Errorf("%d members have left", n)
	}
	wantRecord(t, b, trace, `parameters`)
	o.gives, o.valid = true, time.Hour
	if _, _, err := changeMember(t.Context(), b.Host, o); !errors.Is(err, bankerr.ErrNotFound) {
		t.Errorf("who has left gets a password: %v", err)
	}
}

// wantRecord wants an access record with the trace and the text.
func wantRecord(t *testing.T, b *bank.Bank, trace, text string) {
	t.Helper()
	for _, r := range b.Outbox(t, events.TypeAccessRecorded) {
		if strings.Contains(string(r.Data), trace) && strings.Contains(string(r.Data), text) {
			return
		}
	}
	t.Errorf("no record has the trace %s and %s", trace, text)
}

func TestWrongOrdersAboutMembersAreRefused(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(*memberOrder){
		"capitals":       func(o *memberOrder) { o.login = "Wang" },
		"a phone number": func(o *memberOrder) { o.reason = "13900001111" },
		"no operator":    func(o *memberOrder) { o.operator = " " },
		"too long":       func(o *memberOrder) { o.valid = 25 * time.Hour },
	} {
		o := memberOrder{login: "wang.xm", reason: "lost", operator: "zhao", gives: true, valid: time.Hour}
		if change(&o); o.check() == nil {
			t.Errorf("%s is taken", what)
		}
	}
}
