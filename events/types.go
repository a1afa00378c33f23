// Package events lists the bank's CloudEvent types with their data. It owns the
// outbox, and the record that gives each event its effect once for each consumer.
//
// Events are CloudEvents 1.0. The change that an event reports and its outbox row
// commit in one transaction. Events hold no personal data in clear; amounts are fen.
// Within a version, fields are added and never removed or changed. Every event that
// leaves the outbox carries the bank's MAC. So event functions refuse events that the
// bank did not make.
//
// Source: AUDIT-001, AUDIT-003, FRAUD-002; CloudEvents 1.0.2.
package events

import (
	"encoding/hex"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/sm"
)

// Source is the CloudEvents source of all of the bank's events.
const Source = "//tidebank"

// The event types.
const (
	TypeTransferPosted      = "com.tidebank.transfer.posted.v1"
	TypeOTPIssued           = "com.tidebank.otp.issued.v1"
	TypeIdentityRegistered  = "com.tidebank.identity.registered.v1"
	TypeIdentityLoggedIn    = "com.tidebank.identity.loggedin.v1"
	TypeIdentityDeviceBound = "com.tidebank.identity.devicebound.v1"
	TypePasswordChanged     = "com.tidebank.identity.passwordchanged.v1"
	TypePhoneChanged        = "com.tidebank.identity.phonechanged.v1"
	TypeAliasSet            = "com.tidebank.identity.aliasset.v1"
	TypeAccessRecorded      = "com.tidebank.access.recorded.v1"
	TypeFraudScored         = "com.tidebank.fraud.scored.v1"
	TypeMessageRefused      = "com.tidebank.message.refused.v1"
)

// TransferPosted reports that a transfer's money has moved. Subject: the transfer.
type TransferPosted struct {
	TransferID         string    `json:"transfer_id" format:"uuid"`
	PostingID          string    `json:"posting_id" format:"uuid"`
	PayerCustomerID    string    `json:"payer_customer_id" format:"uuid"`
	PayeeCustomerID    string    `json:"payee_customer_id" doc:"Empty if the payee is no customer"`
	DebitAccountID     string    `json:"debit_account_id" format:"uuid"`
	CreditAccountID    string    `json:"credit_account_id" format:"uuid"`
	AmountFen          money.Fen `json:"amount_fen" minimum:"1"`
	PayerMasked        string    `json:"payer_masked"`
	PayeeMasked        string    `json:"payee_masked"`
	PayerAccountMasked string    `json:"payer_account_masked"`
	PayeeAccountMasked string    `json:"payee_account_masked"`
	MemoPresent        bool      `json:"memo_present"`
	Own                bool      `json:"own" doc:"Between accounts of one customer"`
	NewPayee           bool      `json:"new_payee" doc:"The first payment to this account"`
	PostedAt           time.Time `json:"posted_at"`
	DeviceID           string    `json:"device_id"`
	Factors            []string  `json:"factors" doc:"The factors that the customer proved"`
}

// OTPIssued asks for a code to be sent; it does not hold the code. Subject: the
// challenge.
type OTPIssued struct {
	Challenge  string `json:"challenge"`
	Purpose    string `json:"purpose" enum:"register,login,reset,intent,phone"`
	CustomerID string `json:"customer_id" doc:"Empty if no customer gets the code"`
	IntentID   string `json:"intent_id,omitempty"`
}

// IdentityRegistered reports that a customer signed up. Subject: the customer.
type IdentityRegistered struct {
	CustomerID string `json:"customer_id" format:"uuid"`
	DeviceID   string `json:"device_id"`
}

// IdentityLoggedIn reports that a customer logged in. Subject: the customer.
type IdentityLoggedIn struct {
	CustomerID string `json:"customer_id" format:"uuid"`
	DeviceID   string `json:"device_id"`
	IP         string `json:"ip"`
	// DeviceVerified tells whether the device proved its bound key.
	DeviceVerified bool `json:"device_verified" doc:"The device proved its bound key; otherwise it only claimed its id"`
}

// IdentityDeviceBound reports that a customer bound a device's key. Subject: the
// customer.
type IdentityDeviceBound struct {
	CustomerID string    `json:"customer_id" format:"uuid"`
	DeviceID   string    `json:"device_id"`
	Replaced   bool      `json:"replaced" doc:"The key replaced an earlier key of the device"`
	BoundAt    time.Time `json:"bound_at"`
}

// PasswordChanged reports that a customer has a new password, or another means to log in. Subject: the customer.
type PasswordChanged struct {
	CustomerID string    `json:"customer_id" format:"uuid"`
	DeviceID   string    `json:"device_id" doc:"The device that asked for it"`
	Which      string    `json:"which" enum:"login_password,trade_password,gesture,fingerprint,face"`
	Reset      bool      `json:"reset" doc:"The customer had forgotten the earlier password"`
	ChangedAt  time.Time `json:"changed_at"`
}

// AliasSet reports that a customer has a new alias for log-ins. Subject: the customer.
type AliasSet struct {
	CustomerID string    `json:"customer_id" format:"uuid"`
	DeviceID   string    `json:"device_id" doc:"The device that asked for it"`
	SetAt      time.Time `json:"set_at"`
}

// PhoneChanged reports that a customer has another phone number. Subject: the customer.
type PhoneChanged struct {
	CustomerID string    `json:"customer_id" format:"uuid"`
	ChangeID   string    `json:"change_id" format:"uuid" doc:"Names the earlier number, which the bank keeps for 30 days"`
	DeviceID   string    `json:"device_id" doc:"The device that asked for it"`
	ChangedAt  time.Time `json:"changed_at"`
}

// AccessRecorded is the record of a call that audit must keep: a sensitive read, a
// proof of identity, or a refusal. Subject: the function.
type AccessRecorded struct {
	Function   string `json:"function"`
	Outcome    string `json:"outcome" doc:"OK or the refusal's code"`
	Reason     string `json:"reason" doc:"Internal reason, never told to the client"`
	CustomerID string `json:"customer_id" doc:"Empty if nobody was logged in"`
	DeviceID   string `json:"device_id"`
	IP         string `json:"ip"`
	Trace      string `json:"trace"`
	Category   string `json:"category" enum:"read,auth,money"`
	// A record with a count stands for calls that were refused before they were admitted.
	// The other fields describe the first of them.
	Count   int64  `json:"count,omitempty" doc:"Calls of one channel with this outcome in one minute"`
	Since   string `json:"since,omitempty" doc:"The start of that minute, RFC 3339"`
	Channel string `json:"channel,omitempty" doc:"That channel; empty if the minute had too many channels to name each"`
}

// FraudScored reports the score that fraud analysis gave a transfer. Subject: the
// transfer.
type FraudScored struct {
	TransferID string   `json:"transfer_id" format:"uuid"`
	CustomerID string   `json:"customer_id" format:"uuid"`
	Score      int      `json:"score" minimum:"0" maximum:"100"`
	Grade      int      `json:"grade" minimum:"0" maximum:"2"`
	Reasons    []string `json:"reasons"`
}

// MessageRefused reports a text message that will never be sent. Subject: the message.
type MessageRefused struct {
	MessageID  string `json:"message_id"`
	CustomerID string `json:"customer_id" format:"uuid"`
	Kind       string `json:"kind" enum:"otp,transfer.out,transfer.in"`
	Reason     string `json:"reason" doc:"The gateway's answer, or the budget that is used up"`
}

// Data is an event's data: one struct for each type.
type Data interface {
	EventType() string
}

// EventType is TypeTransferPosted.
func (TransferPosted) EventType() string { return TypeTransferPosted }

// EventType is TypeOTPIssued.
func (OTPIssued) EventType() string { return TypeOTPIssued }

// EventType is TypeIdentityRegistered.
func (IdentityRegistered) EventType() string { return TypeIdentityRegistered }

// EventType is TypeIdentityLoggedIn.
func (IdentityLoggedIn) EventType() string { return TypeIdentityLoggedIn }

// EventType is TypeIdentityDeviceBound.
func (IdentityDeviceBound) EventType() string { return TypeIdentityDeviceBound }

// EventType is TypePasswordChanged.
func (PasswordChanged) EventType() string { return TypePasswordChanged }

// EventType is TypeAliasSet.
func (AliasSet) EventType() string { return TypeAliasSet }

// EventType is TypePhoneChanged.
func (PhoneChanged) EventType() string { return TypePhoneChanged }

// EventType is TypeAccessRecorded.
func (AccessRecorded) EventType() string { return TypeAccessRecorded }

// EventType is TypeFraudScored.
func (FraudScored) EventType() string { return TypeFraudScored }

// EventType is TypeMessageRefused.
func (MessageRefused) EventType() string { return TypeMessageRefused }

// Kind describes one type for schemas, documents and tests.
type Kind struct {
	Type    string
	Data    Data // the zero value
	What    string
	Unheard string // why no function hears the type; empty if a function does
}

func kind(data Data, what string) Kind { return Kind{Type: data.EventType(), Data: data, What: what} }

// Catalogue lists every type.
func Catalogue() []Kind {
	return []Kind{
		kind(TransferPosted{}, "A transfer's money has moved"),
		kind(OTPIssued{}, "A one-time code is to be sent"),
		kind(IdentityRegistered{}, "A customer signed up"),
		kind(IdentityLoggedIn{}, "A customer logged in"),
		kind(IdentityDeviceBound{}, "A customer bound a device's key"),
		kind(PasswordChanged{}, "A customer has a new password"),
		kind(AliasSet{}, "A customer has a new alias for log-ins"),
		kind(PhoneChanged{}, "A customer has another phone number"),
		kind(AccessRecorded{}, "A call that audit records"),
		kind(FraudScored{}, "Fraud analysis scored a transfer"),
		kind(MessageRefused{}, "A text message will never be sent"),
	}
}

// CustomerHash partitions events by customer without naming one; empty for the
// nil id.
func CustomerHash(customer uuid.UUID) string {
	if customer == uuid.Nil {
		return ""
	}
	return hex.EncodeToString(sm.Digest(customer[:])[:8])
}

// Types lists every type that functions hear, for the consumer that hears all of
// them.
func Types() []string {
	var list []string
	for _, kind := range Catalogue() {
		if kind.Unheard == "" {
			list = append(list, kind.Type)
		}
	}
	return list
}
