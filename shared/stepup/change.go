package stepup

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/bankerr"
)

// Change is a change of the customer's own means of identification. It moves no money.
type Change string

// The changes.
const (
	ChangeLoginPassword Change = "login_password"
	ChangeTradePassword Change = "trade_password"
	ResetTradePassword  Change = "trade_password_reset" // the customer has forgotten it
	SetAlias            Change = "alias"                // for log-ins
	ChangePhone         Change = "phone"                // the number that gets the codes
	BindToken           Change = "token_bind"           // the dynamic token that the bank has handed out
	ApplyCertificate    Change = "certificate"          // that the bank's authority issues
	ApplyShield         Change = "phone_shield"         // a certificate for a key in the phone's trusted environment
	UnlockDevice        Change = "device_unlock"        // the log-in is locked to one device
	SetGesture          Change = "gesture"              // to log in on the device
	SetFingerprint      Change = "fingerprint"          // the key that the phone unlocks by a finger
	SetFace             Change = "face"                 // the key that the phone unlocks by a face
)

// changes is the table of the proofs that a change needs: two factors, of which one is what
// the customer knows, and the other is bound to the intent's text (PWD-005, PWD-008). A token
// confirms more than any other factor, so two others and its own response bind it. An
// application for a certificate needs three factors, and its request shows that the customer has the key. A
// way of quick login belongs to the bound device: its key signs, because a session may only claim the
// device's id. A key that finger or face unlocks stands in for the trade password at transfers, so the
// trade password registers it. One function confirms a change and a reset, so these cells have no place in stepup_rule.
var changes = map[Change][]Combination{
	ChangeLoginPassword: {{LoginPassword, SMSOTP}, {LoginPassword, DeviceKey}},
	ChangeTradePassword: {{SMSOTP, TradePassword}, {DeviceKey, TradePassword}},
	ResetTradePassword:  {{LoginPassword, SMSOTP}},
	SetAlias:            {{LoginPassword, SMSOTP}, {LoginPassword, DeviceKey}},
	ChangePhone:         {{LoginPassword, SMSOTP}, {LoginPassword, DeviceKey}},
	BindToken:           {{SMSOTP, DeviceKey, Token}, {SMSOTP, TradePassword, Token}},
	ApplyCertificate:    {{SMSOTP, DeviceKey, TradePassword}, {LoginPassword, SMSOTP, TradePassword}},
	ApplyShield:         {{SMSOTP, DeviceKey, TradePassword}},
	UnlockDevice:        {{SMSOTP, TradePassword}, {DeviceKey, TradePassword}},
	SetGesture:          {{LoginPassword, SMSOTP, DeviceKey}},
	SetFingerprint:      {{SMSOTP, DeviceKey, TradePassword}},
	SetFace:             {{SMSOTP, DeviceKey, TradePassword}},
}

// ForChange returns the combinations of which each is enough for the change; none for an
// unknown change. The caller may change the returned slice.
func ForChange(c Change) []Combination { return slices.Clone(changes[c]) }

// NewPhone returns the number to which an intent changes the customer's number. It returns
// ErrNotFound for every other intent.
func NewPhone(in Intent) (string, error) {
	var plan struct {
		What  Change `json:"what"`
		Phone string `json:"phone"`
	}
	if err := json.Unmarshal(in.Payload, &plan); err != nil {
		return "", bankerr.ErrInternal.Because(fmt.Errorf("stored intent: %w", err))
	}
	if plan.What != ChangePhone {
		return "", bankerr.ErrNotFound
	}
	return plan.Phone, nil
}

// NewPhoneSubject is the subject of the code to the number that the intent names.
func NewPhoneSubject(intent uuid.UUID) string { return "phone:" + intent.String() }
