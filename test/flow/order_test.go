package flow_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/req"
)

// TestStepsOnInstances runs each step of each flow on an instance of its own.
func TestStepsOnInstances(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LOGIC-007.2")
	p := newFixture(t)
	who := p.applicant(t, "赵六")
	sequence := uint64(0)
	on := func(d *bank.Device) *bank.Device { // each instance meets the channel's next numbers
		sequence += 100
		d.Sequence.Store(sequence)
		return d
	}
	one, two, three := who.phone, moved(t, who.phone, p.second(t)), moved(t, who.phone, p.second(t))
	digits := p.numberCode(t, on(one), otp.Register, who.Phone)
	call(t, on(two), "identity-register", application(t, two, who.Customer, digits)).Want(t, "")
	digits = p.numberCode(t, on(one), otp.Login, who.Phone)
	call(t, on(three), "identity-login", login(t, three, who.Customer, digits)).Want(t, "")
	call(t, on(two), "identity-me", fields{}).Want(t, "")

	var in transferprepare.Response
	call(t, on(one), "transfer-prepare", p.order(who, p.li, 1_00)).Into(t, &in)
	call(t, on(two), "otp-send", fields{"purpose": otp.Intent, "intent_id": in.IntentID}).Want(t, "")
	digits = otptest.Code(t, p.Bank, stepup.Subject(in.IntentID))
	call(t, on(three), "transfer-confirm", confirmation(in, code(digits), signed(t, three, in.Text))).Want(t, "")
	if got := p.Balance(t, who.AccountIDs[0]); got != 99_00 {
		t.Errorf("the payer has %s", got.Yuan())
	}
}

// TestStepsInOrder sends the steps of one order out of their order, late, and with
// the results of other users, devices and orders.
func TestStepsInOrder(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LOGIC-007.1", "LOGIC-007.3", "LOGIC-007.4")
	req.Covers(t, "LOGIC-012.4")
	p := newFixture(t)
	sendCode := func(in transferprepare.Response) bank.Reply {
		return call(t, p.wang.phone, "otp-send", fields{"purpose": otp.Intent, "intent_id": in.IntentID})
	}
	confirm := func(who person, in transferprepare.Response, digits string) bank.Reply {
		p.calm(t)
		return confirm(t, who.phone, in, code(digits), signed(t, who.phone, in.Text))
	}

	// Before the first step, and the third after the first.
	never := transferprepare.Response{IntentID: uuid.New(), Text: "潮汐银行转账确认"}
	sendCode(never).Want(t, "OBJECT_NOT_FOUND")
	confirm(p.wang, never, "123456").Want(t, "OBJECT_NOT_FOUND")
	in := p.prepare(t, p.wang, p.li, 1_00)
	confirm(p.wang, in, "123456").Want(t, "PROOF_REJECTED")
	p.Advance(time.Minute)
	applicant := p.applicant(t, "赵六")
	call(t, applicant.phone, "identity-register", application(t, applicant.phone, applicant.Customer, "123456")).
		Want(t, "REGISTRATION_REFUSED")

	// The result of another order, user and device.
	other := p.prepare(t, p.wang, p.li, 1_01)
	digits, foreign := p.codeFor(t, p.wang, in), p.codeFor(t, p.wang, other)
	if digits == foreign {
		t.Fatal("the codes of two orders are alike, which happens by chance one time in a million")
	}
	confirm(p.wang, in, foreign).Want(t, "PROOF_REJECTED")
	confirm(p.li, in, digits).Want(t, "OBJECT_NOT_FOUND")
	tablet := person{p.wang.Customer, p.Device(t, "tablet-of-wang")}
	tablet.phone.LoginAs(t, p.wang.Customer)
	confirm(tablet, in, digits).Want(t, "OBJECT_NOT_FOUND")
	call(t, tablet.phone, "otp-send", fields{"purpose": otp.Intent, "intent_id": in.IntentID}) // no result of this device's own
	confirm(tablet, in, digits).Want(t, "OBJECT_NOT_FOUND")
	p.wang.phone.LoginAs(t, p.wang.Customer)
	if n := p.posted(t); n != 0 {
		t.Fatalf("%d transfers are posted", n)
	}

	// Too late: a code after its minute, an order after its ten.
	digits = p.codeFor(t, p.wang, in)
	p.Advance(time.Minute)
	confirm(p.wang, in, digits).Want(t, "PROOF_REJECTED")
	p.Advance(9 * time.Minute)
	p.wang.phone.LoginAs(t, p.wang.Customer)
	sendCode(in).Want(t, "INTENT_EXPIRED")
	call(t, p.wang.phone, "transfer-confirm", proved(t, p.wang, in)).Want(t, "INTENT_EXPIRED")

	// After the last step nothing goes on.
	in = p.prepare(t, p.wang, p.li, 1_00)
	digits = p.codeFor(t, p.wang, in)
	confirm(p.wang, in, digits).Want(t, "")
	confirm(p.wang, in, digits).Want(t, "INTENT_USED")
	sendCode(in).Want(t, "INTENT_USED")

	// Nor after it was given up.
	in = p.prepare(t, p.wang, p.li, 1_00)
	digits = p.codeFor(t, p.wang, in)
	call(t, p.wang.phone, "identity-logout", fields{}).Want(t, "")
	p.wang.phone.LoginAs(t, p.wang.Customer)
	confirm(p.wang, in, digits).Want(t, "INTENT_EXPIRED")
	if n := p.posted(t); n != 1 {
		t.Errorf("%d transfers are posted, want 1", n)
	}
	p.CheckLedger(t)
}
