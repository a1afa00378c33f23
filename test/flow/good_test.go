package flow_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/docs"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/consent"
	"github.com/tidebank/tidebank/shared/option"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/shared/token"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
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
	pinChange := p.pinChange(t, wang)
	unlocking, applying := p.unlocking(t, wang), p.applying(t, wang)
	faced := p.faced(t, wang, next.IntentID)
	p.SoftUKey(t, wang.Customer, cert.InApp)
	resuming := p.resuming(t, wang)
	p.SoftUKey(t, wang.Customer, cert.InApp) // to be suspended
	gesture, faceKey := p.gesture(t, wang, bank.LoginPassword), p.faceKey(t, wang, bank.TradePassword)
	pin, passkey := p.pin(t, wang, bank.LoginPassword), p.passkey(t, wang, bank.TradePassword)
	p.Exec(t, "DELETE FROM otp_quota")
	p.Exec(t, "INSERT INTO device SELECT customer_id, 'tablet-of-wang', public_key, bound_at FROM device WHERE customer_id = $1", wang.ID)
	lost, _ := p.spare(t, wang)
	accounts := map[string]fields{}
	for _, function := range accountChanges {
		p.Exec(t, "DELETE FROM otp_quota")
		accounts[function] = p.changingAccount(t, wang, function, bank.TradePassword)
	}
	p.bindPayee(t, wang, p.li)
	contracting := p.contracting(t, wang, bank.TradePassword)
	p.Exec(t, "DELETE FROM otp_quota")
	day := p.Clock.Now().Format("2006-01-02")
	return map[string]fields{
		"account-alias-set":   {"account_id": wang.AccountIDs[0], "alias": "工资卡"},
		"account-detail":      {"account_id": wang.AccountIDs[0]},
		"account-loss-report": {"account_id": lost}, "account-limit-get": {},
		"account-change-prepare": bank.Limits("sms", 40_000_00, 50_000_00),
		"account-add":            accounts["account-add"], "account-remove": accounts["account-remove"],
		"account-limit-set": accounts["account-limit-set"], "account-loss-lift": accounts["account-loss-lift"],
		"identity-contract-prepare": {}, "identity-contract-open": contracting,
		"account-overview": {},
		"account-statement": {
			"account_id": wang.AccountIDs[0], "from": day, "to": day, "direction": "out", "min_fen": 1, "max_fen": 9_99, "limit": 1,
		},
		"captcha-issue":   {},
		"app-version":     {"platform": "ios", "nonce": make([]byte, 32)},
		"channel-captcha": {}, "channel-certificates": {},
		"device-list": {}, "device-unbind": {"device_id": "tablet-of-wang"}, "device-lock": {}, "identity-device-unlock": unlocking,
		"device-report":               {"report": bank.Fields(t, wang.phone.Report(t))},
		"identity-preference-set":     {"combination": "sms_otp+trade_password", "amount_fen": 1},
		"identity-consent-list":       {},
		"identity-consent-set":        {"purpose": "transfer", "given": true, "acknowledged": consent.All()[0].Digest()},
		"identity-option-list":        {},
		"identity-option-set":         {"option": option.LargeTransfer, "on": true, "acknowledged": option.All()[0].Digest()},
		"channel-open":                hello(t, "phone-of-sun"),
		"identity-alias-set":          alias,
		"identity-change-prepare":     {"change": stepup.ChangeLoginPassword},
		"identity-face-begin":         {"intent_id": next.IntentID, "purpose": "transfer"},
		"identity-face-finish":        faced,
		"identity-login":              entry,
		"identity-gesture-set":        gesture,
		"identity-unlock-key-set":     faceKey,
		"identity-pin-set":            pin,
		"identity-passkey-set":        passkey,
		"identity-quick-challenge":    {},
		"identity-quick-login":        p.quick(t, wang),
		"identity-logout":             {},
		"identity-me":                 {},
		"identity-password-change":    loginChange,
		"identity-password-reset":     reset,
		"identity-phone-change":       phoneChange,
		"identity-register":           signUp,
		"identity-trade-password-set": tradeChange, "identity-pin-code-set": pinChange,
		"message-list":                {"unread_only": true, "limit": 1},
		"message-read":                {"message_id": p.Message(t, wang.ID, "转账支出提醒", p.Clock.Now())},
		"otp-send":                    {"purpose": otp.Intent, "intent_id": p.prepare(t, wang, p.li, 4_00).IntentID},
		"otp-status":                  {"purpose": otp.Intent, "intent_id": p.prepare(t, wang, p.li, 5_00).IntentID},
		"otp-uplink":                  p.uplinked(t, wang),
		"identity-session-background": {}, "identity-session-resume": {},
		"identity-cert-apply": applying, "identity-cert-revoke": {}, "identity-cert-resume": resuming, "identity-cert-suspend": {},
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
