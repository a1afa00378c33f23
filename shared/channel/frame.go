// Package channel is the secure channel between an app and the bank: its handshake, in
// the versions 1 (SM2) and 2 (SM2 and ML-KEM-768), and its frames. docs/protocol.md
// describes it in full, with vectors that this package reproduces.
//
// A frame's clear part is version, channel id, sequence and time; its body is SM4-GCM
// under the direction's key, bound to the clear part, the method and the function. A
// request's nonce is its sequence. A reply's nonce is random and precedes the body,
// because a repeated request gets two replies with the same sequence. shared/session
// decides whether a sequence is new. All functions are pure and safe for concurrent
// use. No error says why a frame does not open.
//
// Source: CRYPTO-008, CRYPTO-014, CRYPTO-016, AUTH-030.
package channel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/tidebank/tidebank/shared/sm"
)

// Version is the frames', and that of a hello that offers SM2 alone.
const Version = 1

// MediaType is a frame's content type.
const MediaType = "application/vnd.tidebank.frame"

// ErrFrame refuses bytes that are not a frame of this channel, function and
// direction.
var ErrFrame = errors.New("channel: frame does not open")

// ID names a channel.
type ID [16]byte

// Keys are a channel's keys for its two directions.
type Keys struct{ ClientToServer, ServerToClient sm.Key }

// Header is a frame's clear part.
type Header struct {
	ID       ID
	Sequence uint64
	Time     time.Time // in whole milliseconds
}

// maxMillis bounds the time of a frame: the year 6429. A log line can't hold a year after 9999.
const maxMillis = 1 << 47

const headerSize = 1 + 16 + 8 + 8

// ParseHeader reads a frame's clear part. The caller must not trust it before the
// frame has opened.
func ParseHeader(frame []byte) (Header, error) {
	if len(frame) < headerSize+sm.Overhead || frame[0] != Version {
		return Header{}, ErrFrame
	}
	millis := binary.BigEndian.Uint64(frame[25:33])
	if millis > maxMillis {
		return Header{}, ErrFrame
	}
	return Header{
		ID: ID(frame[1:17]), Sequence: binary.BigEndian.Uint64(frame[17:25]),
		Time: time.UnixMilli(int64(millis)),
	}, nil
}

func (h Header) append(out []byte) []byte {
	out = append(append(out, Version), h.ID[:]...)
	out = binary.BigEndian.AppendUint64(out, h.Sequence)
	return binary.BigEndian.AppendUint64(out, uint64(h.Time.UnixMilli()))
}

// requestNonce never repeats under a key, because the client counts its requests.
func requestNonce(sequence uint64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 4, sm.NonceSize), sequence)
}

// SealRequest makes a request's frame. No two requests of a channel may have the
// same sequence.
func SealRequest(k Keys, h Header, method, function string, clear []byte) ([]byte, error) {
	aead, err := sm.NewAEAD(k.ClientToServer)
	if err != nil {
		return nil, fmt.Errorf("channel: %w", err)
	}
	out := h.append(make([]byte, 0, headerSize+len(clear)+sm.Overhead))
	return aead.Seal(out, requestNonce(h.Sequence), clear, aad(out, requestContext(method, function))), nil
}

// OpenRequest opens a request's frame.
func OpenRequest(k Keys, frame []byte, method, function string) ([]byte, error) {
	h, err := ParseHeader(frame)
	if err != nil {
		return nil, err
	}
	aead, err := sm.NewAEAD(k.ClientToServer)
	if err != nil {
		return nil, fmt.Errorf("channel: %w", err)
	}
	context := requestContext(method, function)
	clear, err := aead.Open(nil, requestNonce(h.Sequence), frame[headerSize:], aad(frame[:headerSize], context))
	if err != nil {
		return nil, ErrFrame
	}
	return clear, nil
}

// SealReply makes the frame of the reply to a request. The reply has the request's
// sequence, so the client can't take it for the reply to another request.
func SealReply(k Keys, request Header, at time.Time, function string, status int, clear []byte) ([]byte, error) {
	h := Header{ID: request.ID, Sequence: request.Sequence, Time: at}
	out := h.append(make([]byte, 0, headerSize+sm.NonceSize+len(clear)+sm.Overhead))
	sealed, err := sm.Seal(k.ServerToClient, clear, aad(out, replyContext(function, status)))
	if err != nil {
		return nil, fmt.Errorf("channel: %w", err)
	}
	return append(out, sealed...), nil
}

// OpenReply opens the reply to the request with the given header.
func OpenReply(k Keys, frame []byte, request Header, function string, status int) ([]byte, error) {
	h, err := ParseHeader(frame)
	if err != nil || h.ID != request.ID || h.Sequence != request.Sequence {
		return nil, ErrFrame
	}
	clear, err := sm.Open(k.ServerToClient, frame[headerSize:], aad(frame[:headerSize], replyContext(function, status)))
	if err != nil {
		return nil, ErrFrame
	}
	return clear, nil
}

func requestContext(method, function string) string { return method + "/" + function }

func replyContext(function string, status int) string {
	return fmt.Sprintf("POST/%s%03d", function, status)
}

// aad returns the data that a body is bound to: the clear part, the method and the
// function.
func aad(header []byte, context string) []byte {
	return append(append(make([]byte, 0, len(header)+len(context)), header...), context...)
}
