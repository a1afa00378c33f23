package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/events"
	stafflogin "github.com/tidebank/tidebank/functions/staff/login"
	"github.com/tidebank/tidebank/shared/staff"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
)

// The first password logs in once, and only to be changed; the record commits with the member.
func TestANewMemberOfTheStaffLogsIn(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	o := hire{login: "wang.xm", roles: []string{"parameters"}, reason: "new", operator: "zhao", valid: time.Hour}
	m, err := o.member()
	check.Must(t, err)
	clear, trace, err := createMember(t.Context(), b.Host, o, m)
	check.Must(t, err)
	console := b.Device(t, "console")
	var reply stafflogin.Response
	console.Call(t, stafflogin.Function, "", console.StaffLogIn(t, m, clear)).Into(t, &reply)
	if !reply.MustChange {
		t.Error("the first password need not be changed")
	}
	records := b.Outbox(t, events.TypeAccessRecorded)
	if !strings.Contains(string(records[0].Data), trace) || !strings.Contains(string(records[0].Data), `zhao`) {
		t.Errorf("the record holds %s", records[0].Data)
	}
	if _, _, err := createMember(t.Context(), b.Host, o, m); !errors.Is(err, staff.ErrTaken) {
		t.Errorf("a second member of the name: %v", err)
	}
}

func TestWrongOrdersForMembersAreRefused(t *testing.T) {
	t.Parallel()
	good := hire{login: "wang.xm", roles: []string{"risk"}, reason: "new", operator: "zhao", valid: time.Hour}
	for what, change := range map[string]func(*hire){
		"capitals":       func(o *hire) { o.login = "Wang" },
		"no role":        func(o *hire) { o.roles = nil },
		"unknown role":   func(o *hire) { o.roles = []string{"root"} },
		"both roles":     func(o *hire) { o.roles = []string{"administrator", "risk"} },
		"a phone number": func(o *hire) { o.reason = "13900001111" },
		"no operator":    func(o *hire) { o.operator = " " },
		"too long":       func(o *hire) { o.valid = 25 * time.Hour },
		"no key file":    func(o *hire) { o.keyFile = "nowhere" },
	} {
		o := good
		if change(&o); func() error { _, err := o.member(); return err }() == nil {
			t.Errorf("%s is taken", what)
		}
	}
	keypad := staff.Given("wang.xm", true)
	if len(keypad) != 12 || strings.Trim(keypad, "0123456789") != "" {
		t.Errorf("a keypad's first password is %q", keypad)
	}
}
