package main

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tidebank/tidebank/shared/fn"
)

// personalName matches the names of fields that take personal or authentication data.
var personalName = regexp.MustCompile(
	`(?i)gesture|name|phone|mobile|mail|address|birth|id_?no|card|account_no|password|passwd|pin$|otp|^code$|` +
		`memo|device_id|face|capture|location`)

// businessFunctions are the business functions for which the bank may ask for
// personal data.
var businessFunctions = []string{"secure channel", "sign-up", "login", "password", "one-time code", "transfer"}

// purpose is the business function that needs a field, and the use of the field
// there.
type purpose struct{ function, need string }

// purposes holds the purpose of every personal field, by request schema and field
// (PRIV-001). A field without a purpose stops the generator.
var purposes = map[string]map[string]purpose{
	"channel.open.Request": {
		"device_id": {"secure channel", "ties the channel, and a login on it, to one installation of the app"},
	},
	"identity.register.Request": {
		"name":           {"sign-up", "is compared with the name that the bank holds"},
		"id_no":          {"sign-up", "finds the one customer who signs up"},
		"card_no":        {"sign-up", "shows that the customer holds an account here"},
		"phone":          {"sign-up", "is compared with the reserved phone, to which the code went"},
		"otp":            {"sign-up", "proves that the customer holds the reserved phone"},
		"card_password":  {"sign-up", "proves that the card is the customer's own"},
		"login_password": {"sign-up", "is set for logging in"},
		"trade_password": {"sign-up", "is set for confirming transfers"},
	},
	"identity.login.Request": {
		"phone":          {"login", "finds the customer who logs in"},
		"password":       {"login", "proves that it is the customer"},
		"otp":            {"login", "proves that the customer holds the reserved phone"},
		"trade_password": {"login", "with the card, binds the key of a new device"},
		"card_no":        {"login", "with the trade password, binds the key of a new device"},
	},
	"identity.quicklogin.Request": {
		"phone":   {"login", "finds the customer who logs in"},
		"gesture": {"login", "proves that it is the customer"},
	},
	"identity.gestureset.Request": {
		"gesture": {"login", "is set for logging in on the device"},
	},
	"identity.passwordreset.Request": {
		"name":           {"password", "is compared with the name that the bank holds"},
		"id_no":          {"password", "finds the customer who resets the login password"},
		"card_no":        {"password", "shows that the customer holds an account here"},
		"phone":          {"password", "is compared with the reserved phone, to which the code went"},
		"otp":            {"password", "proves that the customer holds the reserved phone"},
		"login_password": {"password", "is set for logging in"},
	},
	"identity.passwordchange.Request": {
		"login_password": {"password", "is set for logging in"},
	},
	"identity.tradepasswordset.Request": {
		"trade_password": {"password", "is set for confirming transfers"},
	},
	"identity.changeprepare.Request": {
		"phone": {"one-time code", "receives the codes from the change on"},
	},
	"identity.phonechange.Request": {
		"otp": {"one-time code", "proves that the customer holds the new phone"},
	},
	"device.unbind.Request": {
		"device_id": {"login", "names the device that the customer unbinds"},
	},
	"otp.send.Request": {
		"phone": {"one-time code", "receives the code, if it is a reserved phone"},
	},
	"transfer.prepare.Request": {
		"payee_account_no": {"transfer", "names the account that is paid"},
		"payee_name":       {"transfer", "is compared with the holder of that account"},
		"memo":             {"transfer", "is shown to payer and payee"},
	},
	"identity.facefinish.Request": {
		"capture": {"transfer", "proves the customer's will by the face"},
	},
	"identity.tokensync.Request": {
		"code": {"transfer", "sets the clock of the token that proves the customer's will"},
	},
	"stepup.Proof": {
		"code":     {"transfer", "proves the customer's will by the reserved phone or the token"},
		"password": {"transfer", "proves the customer's will by the trade or the login password"},
	},
}

// statePurposes writes its purpose to each personal field of the requests' schemas.
// It fails for a field without a purpose, or with an unknown business function.
func statePurposes(all []fn.Function, schemas map[string]*huma.Schema) error {
	requests := huma.NewMapRegistry("#/components/schemas/", naming)
	for _, f := range all {
		if len(f.Spec.Consumes) == 0 {
			requests.Schema(f.Request, true, f.Spec.Name+".request")
		}
	}
	for name, schema := range requests.Map() {
		for field := range schema.Properties {
			if !personalName.MatchString(field) {
				continue
			}
			stated := purposes[name][field]
			if !slices.Contains(businessFunctions, stated.function) || stated.need == "" {
				return fmt.Errorf("%s.%s takes personal data without a stated purpose", name, field)
			}
			published := schemas[name]
			if published == nil || published.Properties[field] == nil {
				return fmt.Errorf("%s.%s is not published", name, field)
			}
			published.Properties[field].Extensions = map[string]any{"x-purpose": stated.function + ": " + stated.need}
		}
	}
	return nil
}
