// Package otp computes one-time codes by GM/T 0021-2012 (the algorithm of GB/T
// 38556-2020) with SM3 or SM4. The bank's own codes use SM3.
//
// A code is never stored. Compute makes it from the OTP key, the challenge's nonce,
// the digest of the confirmed text and the time of issue. So a code confirms only its
// own text (OTP-004, OTP-005). Codes are six digits with leading zeros.
//
// The package owns the tables otp_challenge and otp_quota. The policy table holds the
// figures by day: the lifetime of a code, its tries and the pause between codes
// (otp.life_seconds, otp.tries, otp.resend_seconds), and the maxima of 24 hours for a
// customer's intents and known devices, for all unknown devices, and for each of their
// addresses (otp.day_max, otp.unknown_day_max, otp.address_day_max). Refusal:
// OTP_TOO_OFTEN.
package otp

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
)

// Digits is the length of a code.
const Digits = 6

// The program does not compile if Digits is below the standard's minimum (OTP-003).
const _ = uint(Digits - 6)

// Code computes the standard's algorithm. key has at least 16 bytes, timeFactor is
// the time divided by the step, challenge is ASCII digits.
func Code(key []byte, timeFactor uint64, counter uint32, challenge string) string {
	input := binary.BigEndian.AppendUint64(nil, timeFactor)
	input = binary.BigEndian.AppendUint32(input, counter)
	return fold(sm.Digest(key, input, []byte(challenge)))
}

// CodeSM4 computes the standard's algorithm with SM4. The input's blocks of 16 bytes, the
// last one filled up with zeros, are encrypted one after the other. The key of each next
// block is the sum of the key and the result before it, modulo 2^128.
func CodeSM4(key sm.Key, timeFactor uint64, counter uint32, challenge string) string {
	input := binary.BigEndian.AppendUint64(nil, timeFactor)
	input = binary.BigEndian.AppendUint32(input, counter)
	var sum sm.Key
	for part := range slices.Chunk(append(input, challenge...), len(sum)) {
		var block [16]byte
		copy(block[:], part)
		sum = sm.EncryptBlock(key, block)
		var carry uint16
		for i := len(key) - 1; i >= 0; i-- {
			carry += uint16(key[i]) + uint16(sum[i])
			key[i] = byte(carry) // the rest is carried
			carry >>= 8
		}
	}
	return fold(sum[:])
}

// fold adds the words of a result, and takes the last digits of the sum.
func fold(result []byte) string {
	var folded uint32
	for i := 0; i < len(result); i += 4 {
		folded += binary.BigEndian.Uint32(result[i:])
	}
	return fmt.Sprintf("%0*d", Digits, folded%1_000_000)
}

// NewNonce makes a challenge's nonce.
func NewNonce() []byte {
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce) // never fails (crypto/rand)
	return nonce
}

// Compute returns the code of a challenge. binding is the digest of the confirmed
// text.
func Compute(ring *keys.Ring, nonce, binding []byte, issuedAt time.Time) string {
	key := ring.Derive(keys.OTP, issuedAt, nonce, binding)
	return Code(key, uint64(issuedAt.Unix()), 0, "")
}
