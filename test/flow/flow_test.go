package flow_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/shared/token"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/req"
)

// idle is the idle limit of the test bank's sessions.
const idle = 10 * time.Minute

// applicant is a customer of the bank who has not signed up yet.
func (p fixture) applicant(t *testing.T, name string) person {
	t.Helper()
	return person{p.Customer(t, name, 100_00), p.Device(t, "phone-of-"+uuid.NewString()[:8])}
}

// begun is a flow before its last step. The function last sends that step as the given
// person and on that person's phone, with the results of the steps before it.
type begun struct {
	who  person
	code string
	last func(t *testing.T, as person, code string) bank.Reply
	done string // the refusal of the last step's repetition
}

// flows are all flows of more than one step. Each function that takes a code or an
// intent ends one.
func (p fixture) flows() map[string]func(t *testing.T) begun {
	return map[string]func(t *testing.T) begun{
		"identity-register": func(t *testing.T) begun {
			t.Helper()
			who := p.applicant(t, "赵六")
			return begun{
				who, p.numberCode(t, who.phone, otp.Register, who.Phone),
				func(t *testing.T, as person, code string) bank.Reply {
					t.Helper()
					request := application(t, as.phone, who.Customer, code)
					return call(t, as.phone, "identity-register", request)
				}, "REGISTRATION_REFUSED",
			}
		},
		"identity-login": func(t *testing.T) begun {
			t.Helper()
			who := person{p.wang.Customer, p.Device(t, "tablet-of-wang")}
			return begun{
				who, p.numberCode(t, who.phone, otp.Login, who.Phone),
				func(t *testing.T, as person, code string) bank.Reply {
					t.Helper()
					return call(t, as.phone, "identity-login", login(t, as.phone, who.Customer, code))
				}, "LOGIN_FAILED",
			}
		},
		"identity-password-reset": func(t *testing.T) begun {
			t.Helper()
			who := p.signedUp(t, "周八")
			return begun{
				who, p.numberCode(t, who.phone, otp.Forgotten, who.Phone),
				func(t *testing.T, as person, code string) bank.Reply {
					t.Helper()
					return call(t, as.phone, "identity-password-reset", as.phone.ResetPassword(t, who.Customer, code, newLogin))
				}, "RESET_REFUSED",
			}
		},
		"identity-alias-set": p.changing("钱二", "identity-alias-set", stepup.SetAlias),
		"identity-phone-change": func(t *testing.T) begun {
			t.Helper()
			who := p.signedUp(t, "冯三")
			in := p.prepareChange(t, who, stepup.ChangePhone)
			present := code(p.codeFor(t, who, in))
			return begun{
				who, p.newPhoneCode(t, who, in),
				func(t *testing.T, as person, digits string) bank.Reply {
					t.Helper()
					proved := confirmation(in, present, loginPassword(t, as.phone, bank.LoginPassword))
					return call(t, as.phone, "identity-phone-change", with(proved, "otp", digits))
				}, "INTENT_USED",
			}
		},
		"identity-password-change":    p.changing("吴九", "identity-password-change", stepup.ChangeLoginPassword),
		"identity-trade-password-set": p.changing("郑十", "identity-trade-password-set", stepup.ChangeTradePassword),
		"identity-device-unlock":      p.changing("钱三", "identity-device-unlock", stepup.UnlockDevice),
		"identity-gesture-set":        p.changing("钱四", "identity-gesture-set", stepup.SetGesture),
		"identity-unlock-key-set":     p.changing("钱五", "identity-unlock-key-set", stepup.SetFace),
		"identity-cert-apply": func(t *testing.T) begun {
			t.Helper()
			who := p.signedUp(t, "冯十二")
			good := p.applying(t, who)
			proofs, _ := good["proofs"].([]fields)
			digits, _ := proofs[0]["code"].(string)
			return begun{
				who, digits,
				func(t *testing.T, as person, digits string) bank.Reply {
					t.Helper()
					proofs := []fields{code(digits), password(t, as.phone, bank.TradePassword), proofs[2]}
					return call(t, as.phone, "identity-cert-apply", with(good, "proofs", proofs))
				}, "INTENT_USED",
			}
		},
		"identity-token-bind": func(t *testing.T) begun {
			t.Helper()
			who := p.signedUp(t, "冯十一")
			held := p.HandOut(t, who.Customer, token.SM3)
			in := p.prepareChange(t, who, stepup.BindToken)
			return begun{
				who, p.codeFor(t, who, in),
				func(t *testing.T, as person, digits string) bank.Reply {
					t.Helper()
					return call(t, as.phone, "identity-token-bind", confirmation(in, code(digits),
						password(t, as.phone, bank.TradePassword), fields{"factor": "token", "code": held.Response(in.Text)}))
				}, "INTENT_USED",
			}
		},
		"transfer-confirm": func(t *testing.T) begun {
			t.Helper()
			p.wang.phone.LoginAs(t, p.wang.Customer)
			in := p.prepare(t, p.wang, p.li, 1_00)
			return begun{
				p.wang, p.codeFor(t, p.wang, in),
				func(t *testing.T, as person, digits string) bank.Reply {
					t.Helper()
					return call(t, as.phone, "transfer-confirm",
						confirmation(in, code(digits), password(t, as.phone, bank.TradePassword)))
				}, "INTENT_USED",
			}
		},
	}
}

// changing is the flow of a change of a password, an alias, a way of quick login, or the lock of the log-in.
func (p fixture) changing(name, function string, what stepup.Change) func(t *testing.T) begun {
	return func(t *testing.T) begun {
		t.Helper()
		who := p.signedUp(t, name)
		in, key := p.prepareChange(t, who, what), keytest.PrivateKey(t)
		return begun{
			who, p.codeFor(t, who, in),
			func(t *testing.T, as person, digits string) bank.Reply {
				t.Helper()
				proof, fresh := loginPassword(t, as.phone, bank.LoginPassword), newLogin
				if what == stepup.ChangeTradePassword || what == stepup.UnlockDevice || what == stepup.SetFace {
					proof, fresh = password(t, as.phone, bank.TradePassword), newTrade
				}
				proofs := []fields{code(digits), proof}
				if what == stepup.SetGesture || what == stepup.SetFace {
					proofs = append(proofs, signed(t, as.phone, in.Text))
				}
				confirmed := confirmation(in, proofs...)
				switch what {
				case stepup.SetAlias:
					confirmed = with(confirmed, "alias", "qian.1990")
				case stepup.UnlockDevice:
				case stepup.SetGesture:
					confirmed = with(confirmed, "gesture", as.phone.Password(t, bank.Gesture))
				case stepup.SetFace:
					public, signature := as.phone.Unlock(t, key, device.ByFace)
					confirmed = with(with(confirmed, "public_key", public), "signature", signature)
				default:
					confirmed = with(confirmed, string(what), as.phone.Password(t, fresh))
				}
				return call(t, as.phone, function, confirmed)
			}, "INTENT_USED",
		}
	}
}

// TestFlows walks every flow. Its last step is refused when it comes first, when it
// comes from another user, and when it brings the result of another flow. It then
// passes, and is refused when it comes again.
func TestFlows(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LOGIC-001.1", "LOGIC-001.2", "LOGIC-001.3", "LOGIC-001.4")
	p := newFixture(t)
	flows := p.flows()
	last := 0
	for _, f := range served(t) {
		if _, takesCode := f.Request.FieldByName("OTP"); takesCode || f.Spec.StepUp {
			last++
			if flows[f.Spec.Name] == nil {
				t.Errorf("%s ends a flow that is not walked here", f.Spec.Name)
			}
		}
	}
	if last < 3 || last != len(flows) {
		t.Fatalf("%d functions end a flow, %d are walked", last, len(flows))
	}
	for name, begin := range flows {
		flow := begin(t)
		p.notFirst(t, name)
		for other, foreign := range p.codesOfOtherFlows(t, name, flow.who) {
			p.calm(t)
			if got := flow.last(t, flow.who, foreign); got.Code == "" && foreign != flow.code {
				t.Errorf("%s: the code of %s passes", name, other)
			}
		}
		p.calm(t)
		stranger := p.li
		if got := flow.last(t, stranger, flow.code); got.Code == "" {
			t.Errorf("%s: another user goes on with it", name)
		}
		p.calm(t)
		flow.last(t, flow.who, flow.code).Want(t, "")
		p.calm(t)
		flow.last(t, flow.who, flow.code).Want(t, flow.done)
		if name == "identity-register" { // also with a code of its own
			p.Advance(time.Minute)
			again := p.numberCode(t, flow.who.phone, otp.Register, flow.who.Phone)
			flow.last(t, flow.who, again).Want(t, flow.done)
		}
	}
	p.CheckLedger(t)
}

// codesOfOtherFlows are codes for the same number and device, and one for an order.
func (p fixture) codesOfOtherFlows(t *testing.T, name string, who person) map[string]string {
	t.Helper()
	codes := map[string]string{}
	for flow, purpose := range map[string]string{"identity-register": otp.Register, "identity-login": otp.Login} {
		if flow != name {
			codes[flow] = p.numberCode(t, who.phone, purpose, who.Phone)
		}
	}
	if name != "transfer-confirm" {
		p.wang.phone.LoginAs(t, p.wang.Customer)
		codes["transfer-confirm"] = p.codeFor(t, p.wang, p.prepare(t, p.wang, p.li, 1_00))
	}
	return codes
}

// notFirst sees that a flow's last step is refused when no step came before it.
func (p fixture) notFirst(t *testing.T, name string) {
	t.Helper()
	seeded := []string{"login_attempt", "login_origin", "card_attempt", "customer", "account", "posting", "entry", "ledger_fold"}
	before := p.rows(t, seeded...)
	who := p.applicant(t, "孙七")
	var got bank.Reply
	switch name {
	case "identity-register":
		got = call(t, who.phone, name, application(t, who.phone, who.Customer, "123456"))
	case "identity-login":
		check.Must(t, p.Seeder().SignUp(t.Context(), who.Customer, bank.LoginPassword, bank.TradePassword, "", nil))
		got = call(t, who.phone, name, login(t, who.phone, who.Customer, "123456"))
		p.Exec(t, "DELETE FROM credential WHERE customer_id = $1", who.ID)
	case "identity-password-reset":
		check.Must(t, p.Seeder().SignUp(t.Context(), who.Customer, bank.LoginPassword, bank.TradePassword, "", nil))
		got = call(t, who.phone, name, who.phone.ResetPassword(t, who.Customer, "123456", newLogin))
		p.Exec(t, "DELETE FROM credential WHERE customer_id = $1", who.ID)
	case "identity-alias-set":
		in := transferprepare.Response{IntentID: uuid.New()}
		got = call(t, p.li.phone, name, with(confirmation(in, loginPassword(t, p.li.phone, bank.LoginPassword)), "alias", "li.1990"))
	case "identity-phone-change":
		in := transferprepare.Response{IntentID: uuid.New()}
		got = call(t, p.li.phone, name, with(confirmation(in, loginPassword(t, p.li.phone, bank.LoginPassword)), "otp", "123456"))
	case "identity-password-change":
		in := transferprepare.Response{IntentID: uuid.New()}
		got = call(t, p.li.phone, name, with(confirmation(in, loginPassword(t, p.li.phone, bank.LoginPassword)),
			"login_password", p.li.phone.Password(t, newLogin)))
	case "identity-trade-password-set":
		in := transferprepare.Response{IntentID: uuid.New()}
		got = call(t, p.li.phone, name, with(confirmation(in, password(t, p.li.phone, bank.TradePassword)),
			"trade_password", p.li.phone.Password(t, newTrade)))
	case "identity-gesture-set":
		in := transferprepare.Response{IntentID: uuid.New()}
		got = call(t, p.li.phone, name, with(confirmation(in, loginPassword(t, p.li.phone, bank.LoginPassword)),
			"gesture", p.li.phone.Password(t, bank.Gesture)))
	case "identity-unlock-key-set":
		in := transferprepare.Response{IntentID: uuid.New()}
		public, signature := p.li.phone.Unlock(t, keytest.PrivateKey(t), device.ByFace)
		got = call(t, p.li.phone, name, with(with(confirmation(in, loginPassword(t, p.li.phone, bank.LoginPassword)),
			"public_key", public), "signature", signature))
	case "identity-cert-apply":
		in := transferprepare.Response{IntentID: uuid.New()}
		request := confirmation(in, password(t, p.li.phone, bank.TradePassword))
		got = call(t, p.li.phone, name, with(request, "csr", bank.CSR(t, []byte{0x30, 0})))
	case "identity-token-bind", "identity-device-unlock":
		in := transferprepare.Response{IntentID: uuid.New()}
		got = call(t, p.li.phone, name, confirmation(in, password(t, p.li.phone, bank.TradePassword)))
	case "transfer-confirm":
		in := transferprepare.Response{IntentID: uuid.New(), Text: "潮汐银行转账确认"}
		got = call(t, p.li.phone, name, proved(t, p.li, in))
	}
	if got.Code == "" {
		t.Errorf("%s: the last step passes without the first", name)
	}
	same(t, name+" without its first step", before, p.rows(t, seeded...))
}

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
