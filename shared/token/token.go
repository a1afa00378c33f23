// Package token owns the table token: the customers' dynamic tokens, which answer a
// challenge by GM/T 0021-2012 (the algorithm of GB/T 38556-2020) with SM3 or SM4.
//
// The challenge of an operation is made from its text: the digits of the lines that the
// token's screen shows (the payee's account and code, the amount), and eight digits of the
// text's SM3 digest. So a response confirms only this text, and only what the screen shows
// (AUTH-016). A token with a screen reads the text, shows these lines and makes the
// challenge itself; at any other token, the customer types the challenge. A response is six
// digits and holds for a minute of the token's clock. The bank takes the minutes from one
// before to one after its own (window), and follows the drift of the token's clock.
// Two successive codes without a challenge set a clock that is up to twenty minutes off
// (syncWindow). They confirm nothing.
//
// Seeds have 16 bytes and rest sealed by keys of the purpose Token. The policy holds the
// wrong responses in a row that lock a token, and the lock's seconds (token.lock_after,
// token.lock_seconds). Counts and locks stand in PostgreSQL. A customer has at most one
// token that is not lost.
package token

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/sm"
)

const (
	// Step is the time for which a response holds.
	Step = time.Minute

	window     = 1
	syncWindow = 20
	seedBytes  = 16
)

// Algorithm is the algorithm of a token. The table's CHECK lists the same names.
type Algorithm string

// The algorithms of the standard.
const (
	SM3 Algorithm = "sm3"
	SM4 Algorithm = "sm4"
)

// Screen returns the lines of a text that the screen of a token shows; none if the text is
// of no transfer.
func Screen(text string) []string {
	var shown []string
	for line := range strings.SplitSeq(text, "\n") {
		for _, begin := range []string{"收款账户：", "收款识别码：", "金额：人民币"} {
			if strings.HasPrefix(line, begin) {
				shown = append(shown, line)
			}
		}
	}
	return shown
}

// Challenge is the challenge of the operation with this text: digits.
func Challenge(text string) string {
	var digits strings.Builder
	for _, line := range Screen(text) {
		for _, r := range line {
			if '0' <= r && r <= '9' {
				digits.WriteRune(r)
			}
		}
	}
	fmt.Fprintf(&digits, "%08d", binary.BigEndian.Uint64(sm.Digest([]byte(text)))%100_000_000)
	return digits.String()
}

// Response is the response of a token with the seed at a time of its clock. An empty
// challenge gives the code that the token shows without one.
func Response(by Algorithm, seed [seedBytes]byte, at time.Time, challenge string) string {
	if challenge == "" {
		challenge = "\x00\x00\x00\x00" // the standard fills the input up to 16 bytes
	}
	if by == SM4 {
		return otp.CodeSM4(seed, step(at), 0, challenge)
	}
	return otp.Code(seed[:], step(at), 0, challenge)
}

// step is the number of the minute.
func step(at time.Time) uint64 { return uint64(at.Unix()) / uint64(Step/time.Second) } // after 1970
