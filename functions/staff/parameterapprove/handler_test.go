package parameterapprove_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	staffparameterapprove "github.com/tidebank/tidebank/functions/staff/parameterapprove"
	staffparameterlist "github.com/tidebank/tidebank/functions/staff/parameterlist"
	staffparameterpropose "github.com/tidebank/tidebank/functions/staff/parameterpropose"
	staffpasswordchange "github.com/tidebank/tidebank/functions/staff/passwordchange"
	"github.com/tidebank/tidebank/shared/parameter"
	"github.com/tidebank/tidebank/shared/staff"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

type fixture struct {
	*bank.Bank
	proposer, approver, outsider *bank.Device
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	b := bank.New(t)
	return fixture{
		b, b.Console(t, b.Member(t, "wang.xm", staff.Parameters)), b.Console(t, b.Member(t, "li.si", staff.Parameters)),
		b.Console(t, b.Member(t, "zhao.wu", staff.Risk)),
	}
}

func propose(t *testing.T, d *bank.Device, figure string, value int64) (reply staffparameterpropose.Response) {
	t.Helper()
	request := map[string]any{"figure": figure, "value": value}
	d.Call(t, staffparameterpropose.Function, uuid.NewString(), request).Into(t, &reply)
	return reply
}

// approve approves a proposal to somebody who has seen the old value.
func approve(t *testing.T, d *bank.Device, id uuid.UUID, old int64) bank.Reply {
	t.Helper()
	request := map[string]any{"change_id": id, "old": old}
	return d.Call(t, staffparameterapprove.Function, uuid.NewString(), request)
}

// inForce is the figure as each function of the bank reads it.
func (w fixture) inForce(t *testing.T, figure string) int64 {
	t.Helper()
	return check.Value[int64](t, w.Host.DB.Pool(), "SELECT policy_value($1, $2::date)", figure, w.Clock.Now())
}

// A limit and a rule wait for another authorised member; the audit trail of the approval holds both persons.
func TestAChangeWaitsForAnotherMember(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ADMIN-011.1", "ADMIN-011.2", "ADMIN-011.3")
	w := newFixture(t)
	for figure, values := range map[string][2]int64{"transfer.sms.day_cap": {5_000_000, 4_000_000}, "staff.lock_after": {5, 4}} {
		change := propose(t, w.proposer, figure, values[1])
		if change.Present != values[0] {
			t.Errorf("the proposal of %s shows %d in force", figure, change.Present)
		}
		own := approve(t, w.proposer, change.ChangeID, values[0])
		if own.Want(t, "PARAMETER_OWN_APPROVAL"); own.Status != http.StatusForbidden {
			t.Errorf("status %d", own.Status)
		}
		approve(t, w.outsider, change.ChangeID, values[0]).Want(t, "STAFF_FORBIDDEN")
		if got := w.inForce(t, figure); got != values[0] {
			t.Fatalf("%s is %d before its approval", figure, got)
		}
		approve(t, w.approver, change.ChangeID, values[0]).Want(t, "")
		if got := w.inForce(t, figure); got != values[1] {
			t.Fatalf("%s is %d after its approval", figure, got)
		}
		records := w.Outbox(t, events.TypeAccessRecorded)
		var last events.AccessRecorded
		check.Must(t, json.Unmarshal(records[len(records)-1].Data, &last))
		want := events.StaffAct{
			What: "approve " + figure, Old: parameter.Text(values[0]), New: parameter.Text(values[1]), From: "2026-11-23",
			By: "li.si", ProposedBy: "wang.xm",
		}
		if last.Act == nil || *last.Act != want {
			t.Errorf("the record holds %+v, want %+v", last.Act, want)
		}
		approve(t, w.approver, change.ChangeID, values[1]).Want(t, "PARAMETER_DECIDED")
	}
	approve(t, w.approver, uuid.New(), 5).Want(t, "OBJECT_NOT_FOUND")
}

// Two members approve at once: one change of the figure, one of them is told that it is decided.
func TestTwoApproveAtOnce(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	third := w.Console(t, w.Member(t, "qian.er", staff.Parameters))
	change := propose(t, w.proposer, "staff.lock_after", 4)
	both := []*bank.Device{w.approver, third}
	codes := check.AtOnce(2, func(i int) string { return approve(t, both[i], change.ChangeID, 5).Code })
	if (codes[0] == "") == (codes[1] == "") {
		t.Errorf("the approvals are answered by %q", codes)
	}
}

// Of two proposals of a figure, the second is approved on what its approver has seen.
func TestAnApproverSeesTheFigureInForce(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	first, second := propose(t, w.proposer, "staff.lock_after", 4), propose(t, w.proposer, "staff.lock_after", 3)
	approve(t, w.approver, first.ChangeID, 5).Want(t, "")
	approve(t, w.approver, second.ChangeID, 5).Want(t, "PARAMETER_MOVED")
	var list staffparameterlist.Response
	if w.approver.Call(t, staffparameterlist.Function, "", struct{}{}).Into(t, &list); list.Waiting[0].Old != 4 {
		t.Errorf("the list shows %d in force", list.Waiting[0].Old)
	}
	var reply staffparameterapprove.Response
	approve(t, w.approver, second.ChangeID, 4).Into(t, &reply)
	if reply.Old != 4 || reply.Value != 3 || w.inForce(t, "staff.lock_after") != 3 {
		t.Errorf("the second approval answers %+v", reply)
	}
}

// A change of the length of passwords counts at the next setting once it is approved, and not before.
func TestAnUnapprovedFigureHasNoEffect(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PWD-009.2")
	w := newFixture(t)
	set := func(present, fresh string) bank.Reply {
		w.Clock.Advance(time.Millisecond)
		return w.outsider.Call(t, staffpasswordchange.Function, uuid.NewString(), w.outsider.StaffChange(t, present, fresh))
	}
	change := propose(t, w.proposer, "staff.password.min_length", 10)
	approve(t, w.proposer, change.ChangeID, 7).Want(t, "PARAMETER_OWN_APPROVAL")
	set(bank.StaffPassword, "moon-27").Want(t, "")
	approve(t, w.approver, change.ChangeID, 7).Want(t, "")
	set("moon-27", "moon-1928").Want(t, "PASSWORD_WEAK")
	set("moon-27", "moon-19283").Want(t, "")
}

// No value weaker than the floor is proposed.
func TestTheFloorHolds(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for figure, weaker := range map[string]int64{
		"staff.password.min_length": 6, "staff.password.min_length_aux": 5, "staff.password.cycle_days": 91,
		"staff.password.history": 0, "staff.password.pci_history": 3, "transfer.sms.day_cap": 5_000_001,
	} {
		request := map[string]any{"figure": figure, "value": weaker}
		w.proposer.Call(t, staffparameterpropose.Function, uuid.NewString(), request).Want(t, "PARAMETER_BELOW_FLOOR")
	}
	w.proposer.Call(t, staffparameterpropose.Function, "k", map[string]any{"figure": "otp.tries", "value": 5}).Want(t, "INPUT_INVALID")
	if n := check.Value[int64](t, w.Host.DB.Pool(), "SELECT count(*) FROM parameter_change"); n != 0 {
		t.Errorf("%d proposals were stored", n)
	}
}

// The list shows each figure with its bounds, and what waits. A later day puts the figure in force on that day.
func TestTheList(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	request := map[string]any{"figure": "staff.lock_after", "value": 4, "valid_from": "2026-12-01"}
	var change staffparameterpropose.Response
	w.proposer.Call(t, staffparameterpropose.Function, "k", request).Into(t, &change)
	var list staffparameterlist.Response
	w.approver.Call(t, staffparameterlist.Function, "", struct{}{}).Into(t, &list)
	if len(list.Figures) != len(parameter.All()) || len(list.Waiting) != 1 || list.Waiting[0].ChangeID != change.ChangeID ||
		list.Waiting[0].ProposedBy != "wang.xm" || list.Waiting[0].ValidFrom != "2026-12-01" {
		t.Errorf("the list is %+v", list)
	}
	for _, f := range list.Figures {
		if f.Value < f.Least || f.Value > f.Most {
			t.Errorf("%s is %d, outside %d to %d", f.Name, f.Value, f.Least, f.Most)
		}
	}
	approve(t, w.approver, change.ChangeID, list.Waiting[0].Old).Want(t, "")
	if w.inForce(t, "staff.lock_after") != 5 {
		t.Error("the figure is in force before its day")
	}
	w.approver.Call(t, staffparameterlist.Function, "", struct{}{}).Into(t, &list)
	if len(list.Waiting) != 0 {
		t.Errorf("%d proposals still wait", len(list.Waiting))
	}
}
