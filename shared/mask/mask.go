// Package mask hides the part of personal data that a reply, message or voucher must
// not show. It has one rule for each kind of field (MASK-004, MASK-006).
//
// All functions take the clear text and return the masked text. They hide a text that
// is too short completely. They count characters as a person does: an ideograph with
// its variation selector, or a letter with its accents, is one. They never fail.
package mask

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"unicode"

	"github.com/tidebank/tidebank/shared/digits"
)

// Name keeps the last character: 王小明 → **明, 李四 → *四.
func Name(name string) string { return keep(name, 0, 1) }

// Phone keeps three and four digits: 138****5678.
func Phone(phone string) string { return keep(phone, 3, 4) }

// Account keeps the first six and the last four digits of a card or account
// number: 622848*********1234.
func Account(number string) string { return keep(number, 6, 4) }

// IDNo keeps the first and the last digit of an identity number.
func IDNo(number string) string { return keep(number, 1, 1) }

func keep(text string, head, tail int) string {
	list := characters(text)
	hidden := len(list) - head - tail
	if hidden < 1 {
		return strings.Repeat("*", len(list))
	}
	return strings.Join(list[:head], "") + strings.Repeat("*", hidden) + strings.Join(list[len(list)-tail:], "")
}

// characters splits a text into the characters that a person sees: a code point with
// the marks, selectors and joined code points that follow it.
func characters(text string) []string {
	var list []string
	joined := false
	for _, r := range text {
		mark := unicode.In(r, unicode.M, unicode.Join_Control) || '\U0001F3FB' <= r && r <= '\U0001F3FF'
		if len(list) > 0 && (mark || joined) {
			list[len(list)-1] += string(r)
		} else {
			list = append(list, string(r))
		}
		joined = r == zeroWidthJoiner
	}
	return list
}

const zeroWidthJoiner = '\u200D'

// personalKey matches the name of a JSON field whose number is no amount.
var personalKey = regexp.MustCompile(`(?i)phone|mobile|tel$|card|id_?no|account_?no|payee_?no`)

// Leaks reports whether a JSON text shows a mobile, card, account or identity number
// in clear: in a string or a name, in every spelling that people use, or as a number
// whose field has a personal name. Leaks ignores longer words (UUIDs, tokens) and all
// other JSON numbers.
func Leaks(text []byte) bool {
	var name []byte // of the field, in its quotes
	for i := 0; i < len(text); {
		end := i + 1
		switch c := text[i]; {
		case c == '"':
			end = stringEnd(text, i)
			if mayHold(text[i:end]) && len(numbers(unquoted(text[i:end]))) > 0 {
				return true
			}
			if bytes.HasPrefix(bytes.TrimLeft(text[end:], " \t\r\n"), []byte(":")) {
				name = text[i:end]
			}
		case '0' <= c && c <= '9':
			for end < len(text) && '0' <= text[end] && text[end] <= '9' {
				end++
			}
			if end-i >= phoneDigits && isPersonalName(unquoted(name)) && len(numbers(string(text[i:end]))) > 0 {
				return true
			}
		}
		i = end
	}
	return false
}

func isPersonalName(name string) bool {
	return personalKey.MatchString(name) && !strings.HasSuffix(name, "_fen")
}

// stringEnd returns the place after the JSON string that begins at start.
func stringEnd(text []byte, start int) int {
	for i := start + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// unquoted is the content of a JSON string; the bytes as they are if the string is
// broken off.
func unquoted(quoted []byte) string {
	var text string
	if bytes.IndexByte(quoted, '\\') < 0 || json.Unmarshal(quoted, &text) != nil {
		return strings.Trim(string(quoted), `"`)
	}
	return text
}

func personal(word string) bool {
	n := len(word)
	if n == 18 && (word[17] == 'X' || word[17] == 'x') {
		return digits.Only(word[:17])
	}
	return digits.Only(word) && (n == 11 && word[0] == '1' || n >= 15 && n <= 19)
}
