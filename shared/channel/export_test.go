package channel

import "github.com/tidebank/tidebank/shared/sm"

// ClientWith is a client whose hello and key are known beforehand, for vectors.
func ClientWith(hello Hello, own *sm.PrivateKey) *Client { return &Client{hello: hello, own: own} }

// Transcript is what the bank signs.
func Transcript(h Hello, w Welcome) []byte { return transcript(h, w) }

// HeaderSize is the length of a frame's clear part.
const HeaderSize = headerSize

// HybridClientWith is a client of version 2 whose hello and keys are known beforehand.
func HybridClientWith(hello Hello, own *sm.PrivateKey, kem *sm.KEMKey) *Client {
	return &Client{hello: hello, own: own, kem: kem}
}
