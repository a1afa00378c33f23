package flow_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/docs"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/option"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/shared/token"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/facetest"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/req"
)

// good makes, for each function, a request that succeeds. It holds every element
// that the function takes, but for those that exclude each other.
func (p fixture) good(t *testing.T) map[string]fields {
	t.Helper()
	wang := p.wang
	made := p.prepare(t, wang, p.li, 1_00)
	var paid struct {
		ID uuid.UUID `json:"transfer_id"`
	}
	call(t, wang.phone, "transfer-confirm", proved(t, wang, made)).Into(t, &paid)
	next := p.prepare(t, wang, p.li, 2_00)
	entry := bank.Fields(t, wang.phone.LogInBinding(t, wang.Customer, p.numberCode(t, wang.phone, otp.Login, wang.Phone)))
	applicant := p.Customer(t, "赵六", 1_00)
	signUp := application(t, wang.phone, applicant, p.numberCode(t, wang.phone, otp.Register, applicant.Phone))
	digits := p.codeFor(t, wang, next)
	forgetful := p.signedUp(t, "孙八")
	reset := bank.Fields(t, wang.phone.ResetPassword(t, forgetful.Customer,
		p.numberCode(t, wang.phone, otp.Forgotten, forgetful.Phone), newLogin))
	loginChange, tradeChange := p.change(t, wang, stepup.ChangeLoginPassword), p.change(t, wang, stepup.ChangeTradePassword)
	alias, phoneChange := p.alias(t, wang, "tide.fan"), p.phoneChange(t, wang, newLogin) // after the change of the password
	held, binding := p.binding(t, wang)
	unlocking, applying := p.unlocking(t, wang), p.applying(t, wang)
	faced := p.faced(t, wang, next.IntentID)
	p.SoftUKey(t, wang.Customer, cert.InApp)
	gesture, faceKey := p.gesture(t, wang, bank.LoginPassword), p.faceKey(t, wang, bank.TradePassword)
	p.Exec(t, "DELETE FROM otp_quota")
	p.Exec(t, "INSERT INTO device SELECT customer_id, 'tablet-of-wang', public_key, bound_at FROM device WHERE customer_id = $1", wang.ID)
	day := p.Clock.Now().Format("2006-01-02")
	return map[string]fields{
		"account-alias-set": {"account_id": wang.AccountIDs[0], "alias": "工资卡"},
		"account-detail":    {"account_id": wang.AccountIDs[0]},
		"account-overview":  {},
		"account-statement": {
			"account_id": wang.AccountIDs[0], "from": day, "to": day, "direction": "out", "min_fen": 1, "max_fen": 9_99, "limit": 1,
		},
		"captcha-issue":   {},
		"app-version":     {"platform": "ios", "nonce": make([]byte, 32)},
		"channel-captcha": {}, "channel-certificates": {},
		"device-list": {}, "device-unbind": {"device_id": "tablet-of-wang"}, "device-lock": {}, "identity-device-unlock": unlocking,
		"device-report":               {"report": bank.Fields(t, wang.phone.Report(t))},
		"identity-preference-set":     {"combination": "sms_otp+trade_password", "amount_fen": 1},
		"identity-option-list":        {},
		"identity-option-set":         {"option": option.LargeTransfer, "on": true, "acknowledged": option.All()[0].Digest()},
		"channel-open":                hello(t, "phone-of-sun"),
		"identity-alias-set":          alias,
		"identity-change-prepare":     {"change": stepup.ChangeLoginPassword},
		"identity-face-begin":         {"intent_id": next.IntentID},
		"identity-face-finish":        faced,
		"identity-login":              entry,
		"identity-gesture-set":        gesture,
		"identity-unlock-key-set":     faceKey,
		"identity-quick-challenge":    {},
		"identity-quick-login":        p.quick(t, wang),
		"identity-logout":             {},
		"identity-me":                 {},
		"identity-password-change":    loginChange,
		"identity-password-reset":     reset,
		"identity-phone-change":       phoneChange,
		"identity-register":           signUp,
		"identity-trade-password-set": tradeChange,
		"message-list":                {"unread_only": true, "limit": 1},
		"message-read":                {"message_id": p.Message(t, wang.ID, "转账支出提醒", p.Clock.Now())},
		"otp-send":                    {"purpose": otp.Intent, "intent_id": p.prepare(t, wang, p.li, 4_00).IntentID},
		"identity-session-background": {}, "identity-session-resume": {},
		"identity-cert-apply": applying, "identity-cert-revoke": {},
		"identity-token-bind": binding, "identity-token-report-lost": {},
		"identity-token-sync": {"code": bank.Ahead(held, -token.Step).Answer(""), "next_code": held.Answer("")},
		"transfer-confirm": confirmation(next, code(digits), signed(t, wang.phone, next.Text),
			password(t, wang.phone, bank.TradePassword)),
		"transfer-get":     {"transfer_id": paid.ID},
		"transfer-list":    {"limit": 1},
		"transfer-prepare": with(p.order(wang, p.li, 3_00), "memo", "房租"),
	}
}

// schema is a function's published request.
func schema(t testing.TB, function string) *openapi3.Schema {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(docs.OpenAPI)
	check.Must(t, err)
	return doc.Paths.Value("/function/" + function).Post.RequestBody.Value.Content.Get("application/json").Schema.Value
}

// spoiled are the values of an element that its published schema forbids.
func spoiled(element *openapi3.Schema) map[string]any {
	values := map[string]any{"null": nil, "null in a list": []any{nil}, "an object": fields{"x": 1}}
	switch {
	case element.Type.Includes("string"):
		values["a number"] = 7
	case element.Type.Includes("array"):
		delete(values, "null in a list")
		values["a text"] = "x"
	case element.Type.Includes("object"):
		delete(values, "an object")
		values["a text"] = "x"
	default:
		values["a text"] = "x"
	}
	if element.Pattern != "" {
		values["a text against its pattern"] = strings.Repeat("x", int(element.MinLength))
	}
	if element.Format == "uuid" || element.Format == "date" || element.Extensions["contentEncoding"] != nil || len(element.Enum) > 0 {
		values["another form"] = "?"
	}
	if element.MaxLength != nil {
		values["too long"] = strings.Repeat("6", int(*element.MaxLength)+1)
	}
	if element.MinLength > 0 {
		values["too short"] = strings.Repeat("6", int(element.MinLength)-1)
	}
	if element.Min != nil {
		values["too small"] = int(*element.Min) - 1
	}
	if element.Max != nil {
		values["too large"] = int(*element.Max) + 1
	}
	if element.MaxItems != nil {
		item := any(fields{"factor": "x"})
		if element.Items.Value.Type.Includes("string") {
			item = "eHh4"
		}
		values["too many"] = slices.Repeat([]any{item}, int(*element.MaxItems)+1)
	}
	if element.MinItems > 0 {
		values["too few"] = []any{}
	}
	if element.Format == "int64" && element.Max == nil {
		values["no whole number"], values["beyond counting"] = 1.5, 1e30
	}
	return values
}

// refused sends a spoiled request and sees that nothing has changed but counts of
// tries.
func (p fixture) refused(t *testing.T, name, what string, request fields) {
	t.Helper()
	p.calm(t)
	attempts := []string{"login_attempt", "login_origin", "card_attempt", "face_attempt", "login_challenge"}
	if name == "identity-quick-login" {
		attempts = append(attempts, "device") // counts wrong gestures
	}
	before, cached := p.rows(t, attempts...), kept(p.Bank)
	reply := call(t, p.wang.phone, name, request)
	if reply.Code == "" || reply.Status >= 500 {
		t.Errorf("%s, %s: %d %s", name, what, reply.Status, reply.Body)
	}
	same(t, name+", "+what, before, p.rows(t, attempts...))
	if diff := cmp.Diff(cached, kept(p.Bank)); diff != "" {
		t.Errorf("%s, %s: Redis (-before +after):\n%s", name, what, diff)
	}
}

// TestEveryElementOfEveryRequest leaves out, deforms and overstretches each element
// of each function's request in turn, as its schema is published; then the request
// as it was succeeds.
func TestEveryElementOfEveryRequest(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LOGIC-003.1")
	p := newFixture(t)
	good := p.good(t)
	elements, tries := 0, 0
	for _, f := range served(t) {
		name := f.Spec.Name
		request, ok := good[name]
		if !ok {
			t.Fatalf("no good request of %s", name)
		}
		published := schema(t, name)
		for field, element := range published.Properties {
			elements++
			if slices.Contains(published.Required, field) {
				tries++
				p.refused(t, name, "without "+field, without(request, field))
			}
			for what, value := range spoiled(element.Value) {
				tries++
				p.refused(t, name, fmt.Sprintf("%s with %s", field, what), with(request, field, value))
			}
		}
	}
	if elements < 40 || tries < 150 {
		t.Fatalf("only %d elements and %d requests were walked", elements, tries)
	}
	p.proofsWrong(t, good["transfer-confirm"])
	for _, name := range logoutLast(good) {
		p.calm(t)
		if got := call(t, p.wang.phone, name, good[name]); got.Code != "" {
			t.Errorf("%s: the request that was spoiled is refused itself: %s", name, got.Body)
		}
	}
}

// last are the functions after which good requests of the others fail: they change the
// customer's passwords or number, cancel open intents, take the token out of use, or end the
// session.
var last = []string{
	"identity-password-change", "identity-trade-password-set", "identity-phone-change", "identity-token-report-lost",
	"identity-cert-revoke", "device-unbind", "identity-logout",
}

// logoutLast are the functions by name, and then the last ones.
func logoutLast(good map[string]fields) []string {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(good)), func(name string) bool { return slices.Contains(last, name) })
	return append(names, last...)
}

// proofsWrong spoils the elements of the proofs.
func (p fixture) proofsWrong(t *testing.T, request fields) {
	t.Helper()
	proofs, _ := request["proofs"].([]fields)
	for i, proof := range proofs {
		for field := range proof {
			for what, changed := range map[string]fields{
				"without " + field: without(proof, field), field + " of another type": with(proof, field, 7),
				"another " + field: with(proof, field, "AAAA"), "one more field": with(proof, "amount_fen", 1),
			} {
				spoiled := slices.Clone(proofs)
				spoiled[i] = changed
				p.refused(t, "transfer-confirm", fmt.Sprintf("proof %d: %s", i, what), with(request, "proofs", spoiled))
			}
		}
	}
}

// TestEveryRuleOfEveryRequest breaks, for every function that decides about its
// elements, a rule of the business by one well-formed element. The elements of the
// others only select rows to show.
func TestEveryRuleOfEveryRequest(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LOGIC-003.2")
	p := newFixture(t)
	good := p.good(t)
	foreign := p.prepare(t, p.li, p.wang, 1_00)
	login, signUp, order := good["identity-login"], good["identity-register"], good["transfer-prepare"]
	reset, phoneChange := good["identity-password-reset"], p.phoneChange(t, p.wang, bank.LoginPassword)
	rules := map[string]map[string]fields{
		"account-alias-set": {"another's account": {"account_id": p.li.AccountIDs[0], "alias": "工资卡"}},
		"account-detail":    {"another's account": {"account_id": p.li.AccountIDs[0]}},
		"account-statement": {"more than a year": with(good["account-statement"], "from", "2020-01-01")},
		"channel-open": {
			"a version that is not spoken": with(good["channel-open"], "version", 2),
			"graphic code":                 with(good["channel-open"], "captcha_id", uuid.NewString()),
		},
		"identity-alias-set": {
			"another's change":   with(good["identity-alias-set"], "intent_id", foreign.IntentID),
			"one proof":          with(good["identity-alias-set"], "proofs", []fields{loginPassword(t, p.wang.phone, bank.LoginPassword)}),
			"like a number":      with(good["identity-alias-set"], "alias", "a"+p.wang.Phone),
			"the login password": with(good["identity-alias-set"], "alias", bank.LoginPassword),
		},
		"device-report": {"an unknown finding": {"report": with(bank.Fields(t, p.wang.phone.Report(t)), "findings", []string{"x"})}},
		"device-unbind": {"another's device": {"device_id": p.li.phone.ID}},
		"identity-change-prepare": {
			"a forgotten password of a full account": {"change": stepup.ResetTradePassword},
			"the present number":                     {"change": stepup.ChangePhone, "phone": p.wang.Phone},
		},
		"identity-password-change": {
			"another's change": with(good["identity-password-change"], "intent_id", foreign.IntentID),
			"one proof": with(good["identity-password-change"], "proofs",
				[]fields{loginPassword(t, p.wang.phone, bank.LoginPassword)}),
			"wrong password": with(good["identity-password-change"], "proofs", []fields{loginPassword(t, p.wang.phone, "not-it-2026")}),
			"weak password":  with(good["identity-password-change"], "login_password", p.wang.phone.Password(t, "abcdef")),
		},
		"identity-phone-change": {
			"another's change": with(phoneChange, "intent_id", foreign.IntentID),
			"one proof":        with(phoneChange, "proofs", []fields{loginPassword(t, p.wang.phone, bank.LoginPassword)}),
			"wrong code":       with(phoneChange, "otp", wrongCode(phoneChange["otp"])),
		},
		"identity-trade-password-set": {
			"another's change": with(good["identity-trade-password-set"], "intent_id", foreign.IntentID),
			"wrong password":   with(good["identity-trade-password-set"], "proofs", []fields{password(t, p.wang.phone, "000000")}),
			"weak password":    with(good["identity-trade-password-set"], "trade_password", p.wang.phone.Password(t, "111111")),
		},
		"identity-password-reset": {
			"another's name": with(reset, "name", p.li.Name), "another's card": with(reset, "card_no", p.li.Accounts[0].No),
			"another's identity": with(reset, "id_no", p.li.IDNo), "another's number": with(reset, "phone", p.li.Phone),
			"wrong code": with(reset, "otp", wrongCode(reset["otp"])), "graphic code": with(reset, "captcha_id", uuid.NewString()),
			"weak password":    with(reset, "login_password", p.wang.phone.Password(t, "abcdef")),
			"present password": with(reset, "login_password", p.wang.phone.Password(t, bank.LoginPassword)),
		},
		"identity-login": {
			"wrong password": with(login, "password", p.wang.phone.Password(t, "not-it-2026")),
			"wrong code":     with(login, "otp", wrongCode(login["otp"])),
			"another number": with(login, "phone", p.li.Phone), "graphic code": with(login, "captcha_id", uuid.NewString()),
		},
		"identity-register": {
			"another's name": with(signUp, "name", p.li.Name), "another's card": with(signUp, "card_no", p.li.Accounts[0].No),
			"another's identity": with(signUp, "id_no", p.li.IDNo), "another's number": with(signUp, "phone", p.li.Phone),
			"wrong code":          with(signUp, "otp", wrongCode(signUp["otp"])),
			"wrong card password": with(signUp, "card_password", p.wang.phone.Password(t, "851938")),
			"weak login password": with(signUp, "login_password", p.wang.phone.Password(t, "abcdef")),
			"weak trade password": with(signUp, "trade_password", p.wang.phone.Password(t, "111111")),
		},
		"identity-cert-apply": {
			"another's change": with(good["identity-cert-apply"], "intent_id", foreign.IntentID),
			"one proof":        with(good["identity-cert-apply"], "proofs", []fields{password(t, p.wang.phone, bank.TradePassword)}),
			"another's csr":    with(good["identity-cert-apply"], "csr", p.applying(t, p.wang)["csr"]),
		},
		"identity-token-bind": {
			"another's change": with(good["identity-token-bind"], "intent_id", foreign.IntentID),
			"one proof":        with(good["identity-token-bind"], "proofs", []fields{password(t, p.wang.phone, bank.TradePassword)}),
		},
		"identity-device-unlock": {
			"another's change": with(good["identity-device-unlock"], "intent_id", foreign.IntentID),
			"one proof":        with(good["identity-device-unlock"], "proofs", []fields{password(t, p.wang.phone, bank.TradePassword)}),
		},
		"identity-gesture-set": {
			"another's change": with(good["identity-gesture-set"], "intent_id", foreign.IntentID),
			"one proof":        with(good["identity-gesture-set"], "proofs", []fields{loginPassword(t, p.wang.phone, bank.LoginPassword)}),
			"four points":      with(good["identity-gesture-set"], "gesture", p.wang.phone.Password(t, "1478")),
		},
		"identity-unlock-key-set": {
			"another's change": with(good["identity-unlock-key-set"], "intent_id", foreign.IntentID),
			"one proof":        with(good["identity-unlock-key-set"], "proofs", []fields{password(t, p.wang.phone, bank.TradePassword)}),
			"another key":      with(good["identity-unlock-key-set"], "public_key", p.li.phone.PublicKey(t)),
		},
		"identity-quick-login": {
			"wrong gesture":     with(p.quick(t, p.wang), "gesture", p.wang.phone.Password(t, "14789")),
			"another number":    with(p.quick(t, p.wang), "phone", p.li.Phone),
			"graphic code":      with(p.quick(t, p.wang), "captcha_id", uuid.NewString()),
			"another challenge": with(p.quick(t, p.wang), "challenge", p.wang.phone.Challenge(t)),
		},
		"identity-face-begin": {"another's order": {"intent_id": foreign.IntentID}},
		"identity-face-finish": {
			"another's check": with(good["identity-face-finish"], "check_id", p.faced(t, p.li, foreign.IntentID)["check_id"]),
			"a picture":       with(good["identity-face-finish"], "capture", []byte(facetest.Image)),
		},
		"identity-token-sync": {"wrong codes": {"code": "000000", "next_code": "000000"}},
		"identity-option-set": {
			"no acknowledgement":    {"option": "large_transfer", "on": true},
			"of another warning":    {"option": "large_transfer", "on": true, "acknowledged": make([]byte, 32)},
			"an option that is not": {"option": "none", "on": true},
		},
		"identity-preference-set": {
			"a single factor":          {"combination": "trade_password", "amount_fen": 1_00},
			"more than the cap allows": {"combination": "sms_otp+trade_password", "amount_fen": 50_000_01},
		},
		"message-read": {"another's message": {"message_id": p.Message(t, p.li.ID, "转账支出提醒", p.Clock.Now())}},
		"otp-send":     {"another's order": {"purpose": otp.Intent, "intent_id": foreign.IntentID}},
		"transfer-confirm": {
			"another's order": with(good["transfer-confirm"], "intent_id", foreign.IntentID),
			"one proof":       with(good["transfer-confirm"], "proofs", []fields{password(t, p.wang.phone, bank.TradePassword)}),
			"wrong password":  with(good["transfer-confirm"], "proofs", []fields{password(t, p.wang.phone, "000000")}),
		},
		"transfer-get": {"another's transfer": {"transfer_id": p.paidBy(t, p.li)}},
		"transfer-prepare": {
			"another's account": with(order, "debit_account_id", p.li.AccountIDs[0]),
			"another's name":    with(order, "payee_name", p.wang.Name),
			"more than there is": with(with(order, "debit_account_id", p.wang.AccountIDs[1]),
				"amount_fen", 100_01),
			"more than the factors reach": with(order, "amount_fen", 50_000_01),
			"the same account": with(without(without(order, "payee_account_no"), "payee_name"), "payee_account_id",
				p.wang.AccountIDs[0]),
		},
	}
	onlyChoose := []string{"app-version", "message-list", "transfer-list"}
	broken := 0
	for _, f := range served(t) {
		name := f.Spec.Name
		if len(schema(t, name).Properties) > 0 && len(rules[name]) == 0 && !slices.Contains(onlyChoose, name) {
			t.Errorf("no rule of %s is broken here", name)
		}
		for what, request := range rules[name] {
			broken++
			p.refused(t, name, what, request)
		}
	}
	if broken < 25 {
		t.Fatalf("only %d rules were broken", broken)
	}
}

func wrongCode(digits any) string {
	text, _ := digits.(string)
	return otptest.Wrong(text)
}
