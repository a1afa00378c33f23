package events

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
)

// Stored is an outbox row that the relay publishes.
type Stored struct {
	ID           string
	Type         string
	Subject      string
	CustomerHash string
	Data         []byte // JSON, byte for byte as PostgreSQL prints it
	Traceparent  string
	CreatedAt    time.Time
	Attempts     int // failed attempts to publish it
}

// extensionMAC carries the bank's MAC, extensionKey names its key.
const (
	extensionMAC      = "tidebankmac"
	extensionKey      = "tidebankkey"
	extensionCustomer = "customerhash"

	// ExtensionTrace carries the trace of the request that caused the event.
	ExtensionTrace = "traceparent"
)

// ErrForged refuses an event that the bank did not make.
var ErrForged = errors.New("events: the bank's MAC does not hold")

// CloudEvent returns the row as a CloudEvent with the bank's MAC.
func (s Stored) CloudEvent(ring *keys.Ring) (cloudevent.Event, error) {
	e := cloudevent.Event{ID: s.ID, Type: s.Type, Source: Source, Subject: s.Subject, Time: s.CreatedAt}
	if s.CustomerHash != "" {
		e.SetExtension(extensionCustomer, s.CustomerHash)
	}
	if s.Traceparent != "" {
		e.SetExtension(ExtensionTrace, s.Traceparent)
	}
	if err := e.SetJSON(json.RawMessage(s.Data)); err != nil {
		return e, fmt.Errorf("event %s: %w", s.ID, err)
	}
	Authenticate(ring, &e)
	return e, nil
}

// Authenticate adds the bank's MAC to the event.
func Authenticate(ring *keys.Ring, e *cloudevent.Event) {
	sum, key := ring.MAC(keys.Event, authenticated(*e)...)
	e.SetExtension(extensionMAC, hex.EncodeToString(sum))
	e.SetExtension(extensionKey, strings.ReplaceAll(key, "/", "-"))
}

// Verify refuses an event whose MAC Authenticate did not make.
func Verify(ring *keys.Ring, e cloudevent.Event) error {
	text := e.Extensions[extensionMAC]
	key := e.Extensions[extensionKey]
	sum, err := hex.DecodeString(text)
	if err != nil {
		return ErrForged
	}
	err = ring.VerifyMAC(keys.Event, strings.ReplaceAll(key, "-", "/"), sum, authenticated(e)...)
	if errors.Is(err, keys.ErrMAC) {
		return ErrForged
	}
	return err
}

// authenticated returns the parts that the MAC covers: every attribute that a
// consumer uses, and the data's digest.
func authenticated(e cloudevent.Event) [][]byte {
	customer := e.Extensions[extensionCustomer]
	return [][]byte{
		[]byte(e.ID), []byte(e.Type), []byte(e.Source), []byte(e.Subject),
		[]byte(e.Time.UTC().Format(time.RFC3339Nano)), []byte(customer), sm.Digest(compact(e.Data)),
	}
}

// compact undoes white space that a structured-mode hop may have changed.
func compact(data []byte) []byte {
	var value any
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.UseNumber()
	if decoder.Decode(&value) != nil {
		return data
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return data // more text follows the value: the MAC covers all of the data as it is
	}
	out, err := json.Marshal(value)
	if err != nil {
		return data
	}
	return out
}
