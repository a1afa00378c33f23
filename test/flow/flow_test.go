package flow_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/shared/token"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
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
		"account-add":       p.account("钱六", "account-add"),
		"account-limit-set": p.account("钱七", "account-limit-set"),
		"account-loss-lift": p.account("钱八", "account-loss-lift"),
		"account-remove":    p.account("钱九", "account-remove"),
		"identity-contract-open": func(t *testing.T) begun {
			t.Helper()
			who := p.signedUp(t, "冯十三")
			good := p.contracting(t, who, bank.TradePassword)
			proofs, _ := good["proofs"].([]fields)
			digits, _ := proofs[0]["code"].(string)
			return begun{
				who, digits,
				func(t *testing.T, as person, digits string) bank.Reply {
					t.Helper()
					proofs := []fields{code(digits), password(t, as.phone, bank.TradePassword), proofs[2]}
					return call(t, as.phone, "identity-contract-open", with(good, "proofs", proofs))
				}, "INTENT_USED",
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
		"identity-cert-resume": func(t *testing.T) begun {
			t.Helper()
			who := p.signedUp(t, "郑十二")
			p.SoftUKey(t, who.Customer, cert.InApp)
			p.Exec(t, "UPDATE certificate SET suspended_at = $2 WHERE customer_id = $1", who.ID, p.Clock.Now())
			in := p.prepareChange(t, who, stepup.ResumeCertificates)
			return begun{
				who, p.codeFor(t, who, in),
				func(t *testing.T, as person, digits string) bank.Reply {
					t.Helper()
					return call(t, as.phone, "identity-cert-resume",
						confirmation(in, code(digits), password(t, as.phone, bank.TradePassword)))
				}, "INTENT_USED",
			}
		},
		"identity-pin-code-set": func(t *testing.T) begun {
			t.Helper()
			who := p.signedUp(t, "郑十一")
			p.GivePIN(t, who.Customer, "840275")
			in := p.prepareChange(t, who, stepup.ChangePINCode)
			return begun{
				who, p.codeFor(t, who, in),
				func(t *testing.T, as person, digits string) bank.Reply {
					t.Helper()
					proof := fields{"factor": stepup.PINCode, "password": as.phone.Password(t, "840275")}
					return call(t, as.phone, "identity-pin-code-set", with(confirmation(in, code(digits), proof),
						"pin_code", as.phone.Password(t, "60713942")))
				}, "INTENT_USED",
			}
		},
		"identity-device-unlock":  p.changing("钱三", "identity-device-unlock", stepup.UnlockDevice),
		"identity-gesture-set":    p.changing("钱四", "identity-gesture-set", stepup.SetGesture),
		"identity-unlock-key-set": p.changing("钱五", "identity-unlock-key-set", stepup.SetFace),
		"identity-pin-set":        p.changing("钱六", "identity-pin-set", stepup.SetPIN),
		"identity-passkey-set":    p.changing("钱七", "identity-passkey-set", stepup.SetPasskey),
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

// account is the flow of a change of an account or a limit.
func (p fixture) account(name, function string) func(t *testing.T) begun {
	return func(t *testing.T) begun {
		t.Helper()
		who := p.signedUp(t, name)
		in := p.accountChange(t, who, function)
		return begun{
			who, p.codeFor(t, who, in),
			func(t *testing.T, as person, digits string) bank.Reply {
				t.Helper()
				return call(t, as.phone, function, confirmation(in, code(digits), password(t, as.phone, bank.TradePassword)))
			}, "INTENT_USED",
		}
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
				switch what {
				case stepup.ChangeTradePassword, stepup.UnlockDevice, stepup.SetFace, stepup.SetPasskey:
					proof, fresh = password(t, as.phone, bank.TradePassword), newTrade
				}
				proofs := []fields{code(digits), proof}
				if slices.Contains([]stepup.Change{stepup.SetGesture, stepup.SetFace, stepup.SetPIN, stepup.SetPasskey}, what) {
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
				case stepup.SetPIN:
					confirmed = with(confirmed, "pin", as.phone.Password(t, bank.PIN))
				case stepup.SetPasskey:
					made := as.phone.Registered(t, bank.Authenticator(t), sm.Digest([]byte(in.Text)))
					confirmed = with(confirmed, "passkey", bank.Fields(t, made))
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
	seeded := []string{
		"login_attempt", "login_origin", "login_source", "card_attempt", "customer", "account", "posting", "entry",
		"ledger_fold", "fund_contract",
	}
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
	case "identity-pin-code-set":
		in := transferprepare.Response{IntentID: uuid.New()}
		got = call(t, p.li.phone, name, with(confirmation(in, password(t, p.li.phone, bank.TradePassword)),
			"pin_code", p.li.phone.Password(t, "60713942")))
	case "identity-gesture-set":
		in := transferprepare.Response{IntentID: uuid.New()}
		got = call(t, p.li.phone, name, with(confirmation(in, loginPassword(t, p.li.phone, bank.LoginPassword)),
			"gesture", p.li.phone.Password(t, bank.Gesture)))
	case "identity-unlock-key-set":
		in := transferprepare.Response{IntentID: uuid.New()}
		public, signature := p.li.phone.Unlock(t, keytest.PrivateKey(t), device.ByFace)
		got = call(t, p.li.phone, name, with(with(confirmation(in, loginPassword(t, p.li.phone, bank.LoginPassword)),
			"public_key", public), "signature", signature))
	case "identity-pin-set":
		in := transferprepare.Response{IntentID: uuid.New()}
		got = call(t, p.li.phone, name, with(confirmation(in, loginPassword(t, p.li.phone, bank.LoginPassword)),
			"pin", p.li.phone.Password(t, bank.PIN)))
	case "identity-passkey-set":
		in := transferprepare.Response{IntentID: uuid.New()}
		made := p.li.phone.Registered(t, bank.Authenticator(t), make([]byte, 32))
		got = call(t, p.li.phone, name, with(confirmation(in, password(t, p.li.phone, bank.TradePassword)),
			"passkey", bank.Fields(t, made)))
	case "identity-cert-apply":
		in := transferprepare.Response{IntentID: uuid.New()}
		request := confirmation(in, password(t, p.li.phone, bank.TradePassword))
		got = call(t, p.li.phone, name, with(request, "csr", bank.CSR(t, []byte{0x30, 0})))
	case "identity-contract-open":
		in := transferprepare.Response{IntentID: uuid.New()}
		got = call(t, p.li.phone, name, with(confirmation(in, password(t, p.li.phone, bank.TradePassword)), "notice_digest", "AAAA"))
	case "identity-token-bind", "identity-device-unlock", "identity-cert-resume",
		"account-add", "account-limit-set", "account-loss-lift", "account-remove":
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
