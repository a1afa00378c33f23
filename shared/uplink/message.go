package uplink

import (
	"crypto/hmac"
	"encoding/hex"
	"errors"
	"strconv"
	"time"

	"github.com/tidebank/tidebank/shared/digits"
	"github.com/tidebank/tidebank/shared/peer"
	"github.com/tidebank/tidebank/shared/sm"
)

var errNumber = errors.New("not 5 to 20 digits")

// GatewayConfig holds the secret by which the gateway signs. It is the one of the other way (shared/sms).
type GatewayConfig struct {
	Secret string `envconfig:"SMS_SECRET" required:"true" secret:"true" minLength:"16"`
}

// label begins what the gateway signs, so that no signature of another message passes for one.
const label = "tidebank uplink v1"

// Message is a text that has arrived at the bank's number, as the gateway posts it
// (docs/sms-gateway.md).
type Message struct {
	ID        string `json:"id"`
	Phone     string `json:"phone"` // the number that sent it
	Text      string `json:"text"`
	Timestamp int64  `json:"timestamp"` // Unix seconds, when the gateway signed it
	Signature string `json:"signature"` // lower-case hex
}

// Sign returns the message with the gateway's signature: the HMAC-SM3 of label, timestamp, id, number and text,
// each preceded by its length in four bytes.
func (m Message) Sign(secret string, at time.Time) Message {
	m.Timestamp = at.Unix()
	m.Signature = m.mac(secret)
	return m
}

// Signed reports whether the holder of the secret has signed the message within the last minutes.
func (m Message) Signed(secret string, now time.Time) bool {
	fresh := now.Sub(time.Unix(m.Timestamp, 0)).Abs() <= peer.MaxSkew
	return hmac.Equal([]byte(m.mac(secret)), []byte(m.Signature)) && fresh
}

func (m Message) mac(secret string) string {
	at := strconv.FormatInt(m.Timestamp, 10)
	return hex.EncodeToString(sm.MAC([]byte(secret), []byte(label), []byte(at), []byte(m.ID), []byte(m.Phone), []byte(m.Text)))
}

// Canonical returns the digits of the text; ok is false if it is no text that the bank has made. People
// may write blanks, dashes and full-width digits.
func (m Message) Canonical() (text string, ok bool) {
	text = digits.Canonical(m.Text)
	return text, len(text) == Digits && digits.Only(text)
}
