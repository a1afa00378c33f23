// Package mask hides the part of personal data that a reply, message or voucher must
// not show. It has one rule for each kind of field (MASK-004, MASK-006).
//
// All functions take the clear text and return the masked text. They hide a text that
// is too short completely. They never fail.
package mask

import "strings"

// Name keeps the last character: 王小明 → **明, 李四 → *四.
func Name(name string) string { return keep(name, 0, 1) }

// Phone keeps three and four digits: 138****5678.
func Phone(phone string) string { return keep(phone, 3, 4) }

// Account keeps the first six and the last four digits of a card or account
// number: 622848*********1234.
func Account(number string) string { return keep(number, 6, 4) }

// IDNo keeps the first and the last digit of an identity number.
func IDNo(number string) string { return keep(number, 1, 1) }

// Text masks each number in free text that Leaks would report.
func Text(text string) string {
	raw := []byte(text)
	for i := 0; i < len(raw); {
		if !isWord(raw[i]) {
			i++
			continue
		}
		start := i
		for i < len(raw) && isWord(raw[i]) {
			i++
		}
		if personal(raw[start:i]) {
			copy(raw[start:i], keep(string(raw[start:i]), 3, 4))
		}
	}
	return string(raw)
}

func keep(text string, head, tail int) string {
	runes := []rune(text)
	hidden := len(runes) - head - tail
	if hidden < 1 {
		return strings.Repeat("*", len(runes))
	}
	return string(runes[:head]) + strings.Repeat("*", hidden) + string(runes[len(runes)-tail:])
}

// Leaks reports whether a string in a JSON text shows a mobile, card, account or
// identity number in clear. Such a number is a whole word: 11 digits that start with
// 1, 15 to 19 digits, or 17 digits and an X. Leaks ignores longer words (UUIDs,
// tokens) and JSON numbers.
func Leaks(text []byte) bool {
	for i := 0; i < len(text); {
		if !isWord(text[i]) {
			i += apart(text[i:])
			continue
		}
		start := i
		for i < len(text) && isWord(text[i]) {
			i++
		}
		if personal(text[start:i]) && !bareNumber(text, start) {
			return true
		}
	}
	return false
}

// apart returns the length of the separator at the start of a JSON text: one byte, or
// a whole escape sequence, whose letters and digits belong to no word.
func apart(text []byte) int {
	switch {
	case text[0] != '\\' || len(text) < 2:
		return 1
	case text[1] == 'u':
		return 6 // may be beyond the end of the text
	}
	return 2
}

func isWord(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '-' || c == '_' || c == '+'
}

func personal(word []byte) bool {
	n := len(word)
	if n == 18 && (word[17] == 'X' || word[17] == 'x') {
		return digits(word[:17])
	}
	return digits(word) && (n == 11 && word[0] == '1' || n >= 15 && n <= 19)
}

func digits(word []byte) bool {
	for _, c := range word {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// bareNumber reports whether the word at start is a JSON number: it follows a
// colon, bracket or comma without a quote.
func bareNumber(text []byte, start int) bool {
	for i := start - 1; i >= 0; i-- {
		switch text[i] {
		case ' ', '\n', '\t':
			continue
		case ':', '[', ',':
			return !insideString(text[:i])
		}
		return false
	}
	return start == 0
}

// insideString reports whether the text ends inside a JSON string.
func insideString(text []byte) bool {
	inside := false
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && inside:
			i++
		case text[i] == '"':
			inside = !inside
		}
	}
	return inside
}
