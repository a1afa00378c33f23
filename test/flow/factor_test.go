package flow_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/req"
)

// allFactors are the techniques that the bank offers, each with its name in the
// standard.
var allFactors = map[string]string{
	"login password": "static password", "login_password": "static password", "trade_password": "static password",
	"sms_otp": "dynamic password", "device_key": "physical medium", "token": "dynamic password",
	"face": "biometrics", "unlock_key": "biometrics", "soft_ukey": "IC card/USBKEY/PKI", "soft_ukey_counter": "IC card/USBKEY/PKI",
	"phone_shield": "IC card/USBKEY/PKI",
}

// TestOnlyAllowedTechniques compares the published factors with the techniques of the
// standard, and tries others.
func TestOnlyAllowedTechniques(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-001.3", "AUTH-004.3", "AUTH-028.1", "AUTH-028.2")
	p := newFixture(t)
	offered := []string{}
	for _, f := range served(t) {
		published := schema(t, f.Spec.Name).Properties
		if published["proofs"] != nil {
			for _, name := range stepup.Factors() {
				offered = append(offered, string(name))
			}
		}
		if published["password"] != nil && published["otp"] != nil {
			offered = append(offered, "login password", "sms_otp")
		}
	}
	slices.Sort(offered)
	offered = slices.Compact(offered)
	allowed := []string{"static password", "physical medium", "dynamic password", "IC card/USBKEY/PKI", "biometrics"}
	for _, technique := range offered {
		if !slices.Contains(allowed, allFactors[technique]) {
			t.Errorf("%s is offered and is no technique of the standard", technique)
		}
	}
	if len(offered) != len(allFactors) {
		t.Errorf("offered %v", offered)
	}

	tablet := p.Device(t, "tablet-of-wang")
	entry := login(t, tablet, p.wang.Customer, p.numberCode(t, tablet, otp.Login, p.wang.Phone))
	in := p.prepare(t, p.wang, p.li, 1_00)
	digits := p.codeFor(t, p.wang, in)
	for _, other := range []string{"fingerprint", "gesture", "usb_key", "dynamic_token", "bluetooth_key", "mothers_name", "", "SMS_OTP"} {
		p.calm(t)
		before := p.rows(t, "login_attempt", "login_origin", "card_attempt")
		call(t, tablet, "identity-login", with(entry, "factor", other)).Want(t, "INPUT_INVALID")
		call(t, tablet, "identity-login", with(entry, "proofs", []fields{{"factor": other}})).Want(t, "INPUT_INVALID")
		call(t, tablet, "identity-me", fields{}).Want(t, "SESSION_REQUIRED")
		for what, proofs := range map[string][]fields{
			"alone": {{"factor": other}}, "with a code": {{"factor": other, "code": digits}},
			"beside enough": {code(digits), signed(t, p.wang.phone, in.Text), {"factor": other}},
		} {
			p.calm(t)
			if got := confirm(t, p.wang.phone, in, proofs...); got.Code != "PROOF_REJECTED" {
				t.Errorf("%q %s: %d %q", other, what, got.Status, got.Code)
			}
		}
		same(t, other, before, p.rows(t, "login_attempt", "login_origin", "card_attempt"))
	}
	// A technique of the bank that this customer has not enrolled: no key is bound.
	p.Exec(t, "DELETE FROM device WHERE customer_id = $1", p.wang.ID)
	confirm(t, p.wang.phone, in, code(digits), signed(t, p.wang.phone, in.Text)).
		Want(t, "PROOF_REJECTED")
	if n := p.posted(t); n != 0 {
		t.Errorf("%d transfers are posted", n)
	}
	confirm(t, p.wang.phone, in, code(digits), password(t, p.wang.phone, bank.TradePassword)).
		Want(t, "")
	call(t, tablet, "identity-login", entry).Want(t, "")
}

// subsets are all sets of the factors that a transfer can be confirmed by.
func subsets() [][]string {
	factors := []string{"sms_otp", "device_key", "trade_password"}
	var list [][]string
	for bits := range 1 << len(factors) {
		var set []string
		for i, f := range factors {
			if bits&(1<<i) != 0 {
				set = append(set, f)
			}
		}
		list = append(list, set)
	}
	return list
}

// TestNothingWeakerConfirms tries every set of factors at every border amount of
// every row of the rule: those that hold an offered combination confirm, and all
// others are refused and post nothing.
func TestNothingWeakerConfirms(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-029.3")
	p := newFixture(t)
	rich := person{p.Customer(t, "周百万", 100_000_000_00, 0), p.Device(t, "phone-of-zhou")}
	rich.phone.LoginAs(t, rich.Customer)
	own := fields{"debit_account_id": rich.AccountIDs[0], "payee_account_id": rich.AccountIDs[1]}
	refused, accepted := 0, 0
	for _, grade := range []risk.Grade{risk.GradeNormal, risk.GradeRaised} {
		p.grade(t, rich, grade)
		for _, order := range []fields{p.order(rich, p.li, 1), own} {
			for _, amount := range []money.Fen{1, stepup.LargeAmount, stepup.LargeAmount + 1, stepup.CapSMS, stepup.CapSMS + 1} {
				p.Exec(t, "DELETE FROM limit_use")
				reply := call(t, rich.phone, "transfer-prepare", with(order, "amount_fen", amount))
				if reply.Code == "STEPUP_STRONGER" {
					continue // no factor at hand reaches that far
				}
				for _, set := range subsets() {
					p.Exec(t, "DELETE FROM limit_use")
					p.calm(t)
					var in transferprepare.Response
					call(t, rich.phone, "transfer-prepare", with(order, "amount_fen", amount)).Into(t, &in)
					before := p.posted(t)
					got := call(t, rich.phone, "transfer-confirm", p.by(t, rich, in, set))
					want, posts := "STEPUP_STRONGER", 0
					if enough(in.Combinations, set) {
						want, posts = "", 1
						accepted++
					} else {
						refused++
					}
					if got.Code != want || p.posted(t)-before != posts {
						t.Errorf("grade %d, %s by %v: %q, %d posted; offered %v", grade, amount.Yuan(), set, got.Code,
							p.posted(t)-before, in.Combinations)
					}
				}
			}
		}
	}
	if refused < 30 || accepted < 20 {
		t.Fatalf("only %d sets were too weak and %d enough", refused, accepted)
	}
	p.CheckLedger(t)
}

func enough(combinations, set []string) bool {
	return slices.ContainsFunc(combinations, func(c string) bool {
		return !slices.ContainsFunc(strings.Split(c, "+"), func(f string) bool { return !slices.Contains(set, f) })
	})
}

// by confirms an intent by a set of factors.
func (p fixture) by(t *testing.T, who person, in transferprepare.Response, set []string) fields {
	t.Helper()
	proofs := []fields{}
	for _, factor := range set {
		switch factor {
		case "sms_otp":
			proofs = append(proofs, code(p.codeFor(t, who, in)))
		case "device_key":
			proofs = append(proofs, signed(t, who.phone, in.Text))
		case "trade_password":
			proofs = append(proofs, password(t, who.phone, bank.TradePassword))
		}
	}
	return confirmation(in, proofs...)
}

// TestWhatIsShownIsWhatHappens compares the text that the customer reads and signs with
// the transfer that is then carried out. It also uses the proofs for another payee and
// another amount.
func TestWhatIsShownIsWhatHappens(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-015.1", "AUTH-015.2")
	p := newFixture(t)
	zhao := person{Customer: p.Customer(t, "赵六", 0)}
	// Accounts whose masked numbers differ tell payer and payee apart.
	p.Exec(t, "UPDATE account SET no_masked = '622848*********0009' WHERE id = $1", p.li.AccountIDs[0])
	in := p.prepare(t, p.wang, p.li, 100_00)
	proofs := []fields{code(p.codeFor(t, p.wang, in)), signed(t, p.wang.phone, in.Text)}
	for name, other := range map[string]transferprepare.Response{
		"payee": p.prepare(t, p.wang, zhao, 100_00), "amount": p.prepare(t, p.wang, p.li, 100_01),
	} {
		own := []fields{code(p.codeFor(t, p.wang, other)), signed(t, p.wang.phone, other.Text)}
		for what, mixed := range map[string][]fields{
			"both": proofs, "the code": {proofs[0], own[1]}, "the signature": {own[0], proofs[1]},
		} {
			p.calm(t)
			got := confirm(t, p.wang.phone, other, mixed...)
			if got.Code != "PROOF_REJECTED" && own[0]["code"] != proofs[0]["code"] {
				t.Errorf("%s for another %s: %d %q", what, name, got.Status, got.Code)
			}
		}
	}
	if n := p.posted(t); n != 0 {
		t.Fatalf("%d transfers are posted", n)
	}
	p.calm(t)
	digits := p.codeFor(t, p.wang, in)
	var view struct {
		ID           uuid.UUID `json:"transfer_id"`
		Amount       money.Fen `json:"amount_fen"`
		Payee        string    `json:"payee_name_masked"`
		PayeeAccount string    `json:"payee_account_masked"`
		PayeeCode    string    `json:"payee_code"`
		Account      string    `json:"payer_account_masked"`
	}
	confirm(t, p.wang.phone, in, code(digits), proofs[1]).Into(t, &view)
	shown := map[string]string{}
	for line := range strings.Lines(in.Text) {
		if label, value, ok := strings.Cut(strings.TrimSpace(line), "："); ok {
			shown[label] = value
		}
	}
	executed := map[string]string{
		"付款账户": view.Account, "收款户名": view.Payee, "收款账户": view.PayeeAccount, "收款识别码": view.PayeeCode,
		"金额": "人民币" + view.Amount.Yuan() + "元（" + view.Amount.Capitals() + "）",
		"时间": shown["时间"], "编号": in.IntentID.String(),
	}
	if diff := cmp.Diff(executed, shown); diff != "" {
		t.Errorf("shown and executed (-executed +shown):\n%s", diff)
	}
	if got := p.Balance(t, p.li.AccountIDs[0]); got != 100_100_00 || view.Payee != "*四" || view.Amount != 100_00 {
		t.Errorf("the payee has %s, the order is %+v", got.Yuan(), view)
	}
}

// TestOneFactorChangesNoOther presents each factor without the others, wherever a
// factor could be set, replaced or read.
func TestOneFactorChangesNoOther(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-005.3")
	p := newFixture(t)
	thief := p.Device(t, "phone-of-thief")
	who := p.applicant(t, "赵六")
	entry := bank.Fields(t, thief.LogInBinding(t, p.wang.Customer, p.numberCode(t, thief, otp.Login, p.wang.Phone)))
	signUp := application(t, thief, who.Customer, p.numberCode(t, thief, otp.Register, who.Phone))
	again := application(t, thief, p.wang.Customer, p.numberCode(t, thief, otp.Register, p.wang.Phone))
	before := p.rows(t, "login_attempt", "login_origin", "card_attempt")
	for name, try := range map[string]struct {
		function string
		request  fields
	}{
		"login password":         {"identity-login", with(entry, "otp", "000000")},
		"code":                   {"identity-login", with(entry, "password", thief.Password(t, "not-it-2026"))},
		"trade password":         {"identity-login", with(with(entry, "otp", "000000"), "password", thief.Password(t, bank.TradePassword))},
		"code of a sign-up":      {"identity-register", with(signUp, "card_password", thief.Password(t, "000000"))},
		"card password":          {"identity-register", with(signUp, "otp", "000000")},
		"code, though signed up": {"identity-register", with(again, "card_password", thief.Password(t, "000000"))},
	} {
		p.calm(t)
		reply := call(t, thief, try.function, try.request)
		if reply.Code != "LOGIN_FAILED" && reply.Code != "REGISTRATION_REFUSED" {
			t.Errorf("%s alone: %d %s", name, reply.Status, reply.Body)
		}
		same(t, name, before, p.rows(t, "login_attempt", "login_origin", "card_attempt"))
	}
	// The device key without another factor: a channel on the customer's phone without a login.
	p.wang.phone.Reopen(t)
	for _, f := range protected(t) {
		call(t, p.wang.phone, f.Spec.Name, wellFormed(t, f.Spec.Name)).Want(t, "SESSION_REQUIRED")
	}
	same(t, "device key", before, p.rows(t, "login_attempt", "login_origin", "card_attempt"))
	p.calm(t)
	call(t, thief, "identity-login", entry).Want(t, "") // both do replace
	if cmp.Equal(before, p.rows(t, "login_attempt", "login_origin", "card_attempt")) {
		t.Error("the device's key was not bound with both")
	}
}
