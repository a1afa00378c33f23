package stepup

import "slices"

// Change is a change of the customer's own means of identification. It moves no money.
type Change string

// The changes.
const (
	ChangeLoginPassword Change = "login_password"
	ChangeTradePassword Change = "trade_password"
	ResetTradePassword  Change = "trade_password_reset" // the customer has forgotten it
	SetAlias            Change = "alias"                // for log-ins
	BindToken           Change = "token_bind"           // the dynamic token that the bank has handed out
	UnlockDevice        Change = "device_unlock"        // the log-in is locked to one device
)

// changes is the table of the proofs that a change needs: two factors, of which one is what
// the customer knows, and the other is bound to the intent's text (PWD-005, PWD-008). A token
// confirms more than any other factor, so two others and its own response bind it. One
// function confirms a change and a reset, so these cells have no place in stepup_rule.
var changes = map[Change][]Combination{
	ChangeLoginPassword: {{LoginPassword, SMSOTP}, {LoginPassword, DeviceKey}},
	ChangeTradePassword: {{SMSOTP, TradePassword}, {DeviceKey, TradePassword}},
	ResetTradePassword:  {{LoginPassword, SMSOTP}},
	SetAlias:            {{LoginPassword, SMSOTP}, {LoginPassword, DeviceKey}},
	BindToken:           {{SMSOTP, DeviceKey, Token}, {SMSOTP, TradePassword, Token}},
	UnlockDevice:        {{SMSOTP, TradePassword}, {DeviceKey, TradePassword}},
}

// ForChange returns the combinations of which each is enough for the change; none for an
// unknown change. The caller may change the returned slice.
func ForChange(c Change) []Combination { return slices.Clone(changes[c]) }
