package client

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/sm"
)

// SendOTP asks for a code: purpose register or login, for a phone.
func (c *Client) SendOTP(ctx context.Context, purpose, phone string) error {
	return c.Call(ctx, "otp-send", map[string]string{"purpose": purpose, "phone": phone}, &struct{}{})
}

// SendIntentOTP asks for a code that confirms an intent.
func (c *Client) SendIntentOTP(ctx context.Context, intent uuid.UUID) error {
	return c.Call(ctx, "otp-send", map[string]any{"purpose": "intent", "intent_id": intent}, &struct{}{})
}

// Application is what signing up takes; passwords in clear, which the client
// seals.
type Application struct {
	Name, IDNo, CardNo, CardPassword, Phone, OTP string
	LoginPassword, TradePassword                 string
}

// Register signs up for mobile banking and binds the device's key.
func (c *Client) Register(ctx context.Context, a Application) error {
	key, err := c.config.Device.Public().Marshal()
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	return c.callOnce(ctx, "identity-register", "", &request{make: func(o *opened) (any, error) {
		var sealed [3][]byte
		for i, p := range []string{a.CardPassword, a.LoginPassword, a.TradePassword} {
			var err error
			if sealed[i], err = o.seal(p); err != nil {
				return nil, err
			}
		}
		return map[string]any{
			"name": a.Name, "id_no": a.IDNo, "card_no": a.CardNo, "card_password": sealed[0], "phone": a.Phone, "otp": a.OTP,
			"login_password": sealed[1], "trade_password": sealed[2], "device_public_key": key,
		}, nil
	}}, &struct{}{})
}

// LoginReply tells about the login before this one.
type LoginReply struct {
	LastLoginAt     *time.Time `json:"last_login_at"`
	LastLoginDevice *string    `json:"last_login_device"`
}

// Login logs in with password and code, and binds the device's key.
func (c *Client) Login(ctx context.Context, phone, password, otp string) (LoginReply, error) {
	var reply LoginReply
	key, err := c.config.Device.Public().Marshal()
	if err != nil {
		return reply, fmt.Errorf("client: %w", err)
	}
	err = c.call(ctx, "identity-login", &request{make: func(o *opened) (any, error) {
		sealed, err := o.seal(password)
		return map[string]any{"phone": phone, "password": sealed, "otp": otp, "device_public_key": key}, err
	}}, &reply)
	return reply, err
}

// Logout ends the session.
func (c *Client) Logout(ctx context.Context) error {
	return c.Call(ctx, "identity-logout", struct{}{}, &struct{}{})
}

// Me is the customer, masked.
type Me struct {
	NameMasked  string `json:"name_masked"`
	PhoneMasked string `json:"phone_masked"`
	IDNoMasked  string `json:"id_no_masked"`
}

// Me asks who is logged in.
func (c *Client) Me(ctx context.Context) (Me, error) {
	var reply Me
	err := c.Call(ctx, "identity-me", struct{}{}, &reply)
	return reply, err
}

// Account is an account of the customer.
type Account struct {
	AccountID    uuid.UUID `json:"account_id"`
	NumberMasked string    `json:"number_masked"`
	Balance      money.Fen `json:"balance_fen"`
	Available    money.Fen `json:"available_fen"`
}

// Overview is the customer's accounts and their sum.
type Overview struct {
	Assets struct {
		Total money.Fen `json:"total_fen"`
	} `json:"assets"`
	Accounts []Account `json:"accounts"`
}

// Overview asks for it.
func (c *Client) Overview(ctx context.Context) (Overview, error) {
	var reply Overview
	err := c.Call(ctx, "account-overview", struct{}{}, &reply)
	return reply, err
}

// Detail asks for one account.
func (c *Client) Detail(ctx context.Context, id uuid.UUID) (Account, error) {
	var reply Account
	err := c.Call(ctx, "account-detail", map[string]any{"account_id": id}, &reply)
	return reply, err
}

// Statement is a page of an account's entries.
type Statement struct {
	Entries []struct {
		PostingID    uuid.UUID `json:"posting_id"`
		Amount       money.Fen `json:"amount_fen"`
		BalanceAfter money.Fen `json:"balance_after_fen"`
		Counterparty string    `json:"counterparty"`
		Summary      string    `json:"summary"`
		PostedAt     time.Time `json:"posted_at"`
	} `json:"entries"`
	NextCursor string `json:"next_cursor"`
}

// Statement asks for the page after cursor; the first if it is empty.
func (c *Client) Statement(ctx context.Context, account uuid.UUID, cursor string) (Statement, error) {
	var reply Statement
	err := c.Call(ctx, "account-statement", map[string]any{"account_id": account, "cursor": cursor}, &reply)
	return reply, err
}

// TransferOrder is what the customer wants moved.
type TransferOrder struct {
	DebitAccountID uuid.UUID  `json:"debit_account_id"`
	PayeeAccountID *uuid.UUID `json:"payee_account_id,omitempty"` // an own account
	PayeeAccountNo string     `json:"payee_account_no,omitempty"` // or anybody's
	PayeeName      string     `json:"payee_name,omitempty"`
	Amount         money.Fen  `json:"amount_fen"`
	Memo           string     `json:"memo,omitempty"`
}

// Intent is a transfer that waits for its proofs. Show Text to the customer.
type Intent struct {
	IntentID     uuid.UUID `json:"intent_id"`
	Text         string    `json:"text"`
	Digest       []byte    `json:"digest"`
	Combinations []string  `json:"combinations"`
	ExpiresAt    time.Time `json:"expires_at"`
}

// PrepareTransfer fixes a transfer on the server.
func (c *Client) PrepareTransfer(ctx context.Context, order TransferOrder) (Intent, error) {
	var reply Intent
	err := c.Call(ctx, "transfer-prepare", order, &reply)
	return reply, err
}

// Proof is one factor's evidence.
type Proof struct {
	Factor    string `json:"factor"`
	Code      string `json:"code,omitempty"`
	Password  []byte `json:"password,omitempty"`
	Signature []byte `json:"signature,omitempty"`
}

// OTPProof proves by a code.
func OTPProof(code string) Proof { return Proof{Factor: "sms_otp", Code: code} }

// SignProof proves by the device's key: the customer has seen the text.
func (c *Client) SignProof(in Intent) (Proof, error) {
	signature, err := sm.Sign(c.config.Device, []byte(in.Text))
	if err != nil {
		return Proof{}, fmt.Errorf("client: %w", err)
	}
	return Proof{Factor: "device_key", Signature: signature}, nil
}

// PasswordProof proves by the trade password.
func (c *Client) PasswordProof(ctx context.Context, password string) (Proof, error) {
	sealed, err := c.SealPassword(ctx, password)
	return Proof{Factor: "trade_password", Password: sealed}, err
}

// Transfer is a transfer that was made.
type Transfer struct {
	TransferID         uuid.UUID `json:"transfer_id"`
	Status             string    `json:"status"`
	Amount             money.Fen `json:"amount_fen"`
	PayeeNameMasked    string    `json:"payee_name_masked"`
	PayerAccountMasked string    `json:"payer_account_masked"`
	PayeeAccountMasked string    `json:"payee_account_masked"`
	Memo               string    `json:"memo"`
	PostedAt           time.Time `json:"posted_at"`
}

// ConfirmTransfer carries the transfer out, once for the key.
func (c *Client) ConfirmTransfer(ctx context.Context, key string, in Intent, proofs ...Proof) (Transfer, error) {
	var reply Transfer
	err := c.CallOnce(ctx, "transfer-confirm", key, map[string]any{"intent_id": in.IntentID, "proofs": proofs}, &reply)
	return reply, err
}

// GetTransfer asks for a receipt.
func (c *Client) GetTransfer(ctx context.Context, id uuid.UUID) (Transfer, error) {
	var reply Transfer
	err := c.Call(ctx, "transfer-get", map[string]any{"transfer_id": id}, &reply)
	return reply, err
}

// Transfers is a page of the customer's transfers.
type Transfers struct {
	Transfers  []Transfer `json:"transfers"`
	NextCursor string     `json:"next_cursor"`
}

// ListTransfers asks for the page after cursor.
func (c *Client) ListTransfers(ctx context.Context, cursor string) (Transfers, error) {
	var reply Transfers
	err := c.Call(ctx, "transfer-list", map[string]any{"cursor": cursor}, &reply)
	return reply, err
}

// Messages is a page of the inbox.
type Messages struct {
	Messages []struct {
		MessageID uuid.UUID  `json:"message_id"`
		Title     string     `json:"title"`
		Body      string     `json:"body"`
		CreatedAt time.Time  `json:"created_at"`
		ReadAt    *time.Time `json:"read_at"`
	} `json:"messages"`
	Unread     int    `json:"unread"`
	NextCursor string `json:"next_cursor"`
}

// Messages asks for the page after cursor.
func (c *Client) Messages(ctx context.Context, cursor string) (Messages, error) {
	var reply Messages
	err := c.Call(ctx, "message-list", map[string]any{"cursor": cursor}, &reply)
	return reply, err
}

// ReadMessages marks all as read.
func (c *Client) ReadMessages(ctx context.Context) error {
	return c.Call(ctx, "message-read", map[string]any{"all": true}, &struct{}{})
}
