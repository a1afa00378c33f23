package flow_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/req"
)

// TestWhatIsAnothersIsRefused walks every element that names an account, an order,
// a card, an identity or a message, with another customer's.
func TestWhatIsAnothersIsRefused(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LOGIC-005.1")
	p := newFixture(t)
	good := p.good(t)
	theirs := map[string]map[string]any{
		"account-alias-set":           {"account_id": p.li.AccountIDs[0]},
		"account-detail":              {"account_id": p.li.AccountIDs[0]},
		"account-statement":           {"account_id": p.li.AccountIDs[0]},
		"identity-register":           {"card_no": p.li.Accounts[0].No, "id_no": p.li.IDNo},
		"message-read":                {"message_id": p.Message(t, p.li.ID, "转账支出提醒", p.Clock.Now())},
		"identity-password-change":    {"intent_id": p.prepareChange(t, p.li, stepup.ChangeLoginPassword).IntentID},
		"identity-alias-set":          {"intent_id": p.prepareChange(t, p.li, stepup.SetAlias).IntentID},
		"identity-phone-change":       {"intent_id": p.prepareChange(t, p.li, stepup.ChangePhone).IntentID},
		"identity-trade-password-set": {"intent_id": p.prepareChange(t, p.li, stepup.ChangeTradePassword).IntentID},
		"identity-device-unlock":      {"intent_id": p.prepareChange(t, p.li, stepup.UnlockDevice).IntentID},
		"identity-gesture-set":        {"intent_id": p.prepareChange(t, p.li, stepup.SetGesture).IntentID},
		"identity-unlock-key-set":     {"intent_id": p.prepareChange(t, p.li, stepup.SetFace).IntentID},
		"identity-cert-apply":         {"intent_id": p.applying(t, p.li)["intent_id"]},
		"identity-token-bind":         {"intent_id": p.prepareChange(t, p.li, stepup.ChangeLoginPassword).IntentID},
		"identity-face-begin":         {"intent_id": p.prepare(t, p.li, p.wang, 1_00).IntentID},
		"identity-face-finish":        {"check_id": p.faced(t, p.li, p.prepare(t, p.li, p.wang, 1_00).IntentID)["check_id"]},
		"identity-password-reset":     {"card_no": p.li.Accounts[0].No, "id_no": p.li.IDNo},
		"otp-send":                    {"intent_id": p.prepare(t, p.li, p.wang, 1_00).IntentID},
		"transfer-confirm":            {"intent_id": p.prepare(t, p.li, p.wang, 1_00).IntentID},
		"transfer-get":                {"transfer_id": p.paidBy(t, p.li)},
		"transfer-prepare":            {"debit_account_id": p.li.AccountIDs[0], "payee_account_id": p.li.AccountIDs[0]},
		"identity-login":              {"card_no": p.li.Accounts[0].No},
	}
	// A payee's number is another's by nature. A graphic code and a device's name
	// belong to no customer.
	free := []string{"payee_account_no", "captcha_id", "device_id"}
	walked := 0
	for _, f := range served(t) {
		name := f.Spec.Name
		for field, element := range schema(t, name).Properties {
			if element.Value.Format != "uuid" && !strings.HasSuffix(field, "_id") && !strings.HasSuffix(field, "_no") ||
				slices.Contains(free, field) {
				continue
			}
			value, ok := theirs[name][field]
			if !ok {
				t.Errorf("%s of %s is not in the table", field, name)
				continue
			}
			request := with(good[name], field, value)
			if field == "payee_account_id" { // instead of the number
				request = without(without(request, "payee_account_no"), "payee_name")
			}
			walked++
			p.refused(t, name, "another's "+field, request)
		}
	}
	if walked < 10 {
		t.Fatalf("only %d elements name what is somebody's", walked)
	}
}

// paidBy is a transfer of the person.
func (p fixture) paidBy(t *testing.T, who person) uuid.UUID {
	t.Helper()
	var paid struct {
		ID uuid.UUID `json:"transfer_id"`
	}
	other := p.wang
	if who.ID == p.wang.ID {
		other = p.li
	}
	call(t, who.phone, "transfer-confirm", proved(t, who, p.prepare(t, who, other, 1_00))).Into(t, &paid)
	return paid.ID
}
