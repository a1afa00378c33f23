// Package channel is the secure channel between an app and the bank, protocol
// version 1: its handshake and its frames. docs/protocol.md describes it in full,
// with vectors that this package reproduces.
//
// A frame's clear part is version, channel id, sequence and time; its body is
// SM4-GCM under the direction's key, bound to the clear part, the method and the
// function. Whether a sequence is new is for shared/session to say. All functions
// are pure and safe for concurrent use; none says why a frame did not open.
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

// Version is the protocol's.
const Version = 1

// MediaType is a frame's content type.
const MediaType = "application/vnd.tidebank.frame"

// ErrFrame refuses what is not a frame of this channel, function and direction.
var ErrFrame = errors.New("channel: frame does not open")

// ID names a channel.
type ID [16]byte

// Keys are a channel's two directions.
type Keys struct{ ClientToServer, ServerToClient sm.Key }

// Header is a frame's clear part.
type Header struct {
	ID       ID
	Sequence uint64
	Time     time.Time // in whole milliseconds
}

const (
	headerSize = 1 + 16 + 8 + 8
	fromClient = 0
	fromServer = 1
)

// ParseHeader reads a frame's clear part, which nothing has authenticated yet.
func ParseHeader(frame []byte) (Header, error) {
	if len(frame) < headerSize+sm.Overhead || frame[0] != Version {
		return Header{}, ErrFrame
	}
	millis := binary.BigEndian.Uint64(frame[25:33])
	if millis > 1<<50 {
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

// nonce never repeats under a key: each direction has its own key and counts.
func nonce(direction byte, sequence uint64) []byte {
	n := make([]byte, 4, sm.NonceSize)
	n[0] = direction
	return binary.BigEndian.AppendUint64(n, sequence)
}

// SealRequest makes a request's frame.
func SealRequest(k Keys, h Header, method, function string, clear []byte) ([]byte, error) {
	return seal(k.ClientToServer, fromClient, h, method+"/"+function, clear)
}

// OpenRequest opens a request's frame.
func OpenRequest(k Keys, frame []byte, method, function string) ([]byte, error) {
	return open(k.ClientToServer, fromClient, frame, method+"/"+function)
}

// SealReply makes the frame of the reply to a request: its sequence is the
// request's, so that a reply can't be taken for another's.
func SealReply(k Keys, request Header, at time.Time, function string, status int, clear []byte) ([]byte, error) {
	h := Header{ID: request.ID, Sequence: request.Sequence, Time: at}
	return seal(k.ServerToClient, fromServer, h, replyContext(function, status), clear)
}

// OpenReply opens the reply to the request with the given header.
func OpenReply(k Keys, frame []byte, request Header, function string, status int) ([]byte, error) {
	h, err := ParseHeader(frame)
	if err != nil || h.ID != request.ID || h.Sequence != request.Sequence {
		return nil, ErrFrame
	}
	return open(k.ServerToClient, fromServer, frame, replyContext(function, status))
}

func replyContext(function string, status int) string {
	return fmt.Sprintf("POST/%s%03d", function, status)
}

func seal(key sm.Key, direction byte, h Header, context string, clear []byte) ([]byte, error) {
	aead, err := sm.NewAEAD(key)
	if err != nil {
		return nil, fmt.Errorf("channel: %w", err)
	}
	out := h.append(make([]byte, 0, headerSize+len(clear)+sm.Overhead))
	aad := append(h.append(make([]byte, 0, headerSize+len(context))), context...)
	return aead.Seal(out, nonce(direction, h.Sequence), clear, aad), nil
}

func open(key sm.Key, direction byte, frame []byte, context string) ([]byte, error) {
	h, err := ParseHeader(frame)
	if err != nil {
		return nil, err
	}
	aead, err := sm.NewAEAD(key)
	if err != nil {
		return nil, fmt.Errorf("channel: %w", err)
	}
	aad := append(append(make([]byte, 0, headerSize+len(context)), frame[:headerSize]...), context...)
	clear, err := aead.Open(nil, nonce(direction, h.Sequence), frame[headerSize:], aad)
	if err != nil {
		return nil, ErrFrame
	}
	return clear, nil
}
