package mask

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/tidebank/tidebank/shared/digits"
)

// script is the kind of a digit: digits of two kinds never make one number.
type script int

const (
	noDigit script = iota
	decimal        // 0 to 9 of any script: ASCII, full-width, Arabic
	marked         // ① to ⑨ and raised or lowered digits, which also number the items beside a number
	chinese        // 〇 to 九, 壹 to 玖, and 幺 for one
)

// digit returns the value of a digit and its kind.
func digit(r rune) (value byte, kind script) {
	switch {
	case '0' <= r && r <= '9':
		return byte(r), decimal
	case r < '²':
		return 0, noDigit
	case strings.ContainsRune("⓪①②③④⑤⑥⑦⑧⑨⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉", r):
		return markedDigit(r), marked
	case r < 0x660:
		return 0, noDigit
	case '０' <= r && r <= '９':
		return byte(r-'０') + '0', decimal
	}
	if v := numeral(r); v != 0 {
		return v, chinese
	}
	if unicode.IsDigit(r) { // the ten digits of a script follow each other, and the first has a value of zero
		first := r
		for unicode.IsDigit(first - 1) {
			first--
		}
		return byte((r-first)%10) + '0', decimal
	}
	return 0, noDigit
}

// numeral returns the value of a Chinese digit; 0 if the character is none.
func numeral(r rune) byte {
	switch r {
	case '〇', '零':
		return '0'
	case '一', '壹', '幺':
		return '1'
	case '二', '贰', '貳':
		return '2'
	case '三', '叁', '參':
		return '3'
	case '四', '肆':
		return '4'
	case '五', '伍':
		return '5'
	case '六', '陆', '陸':
		return '6'
	case '七', '柒':
		return '7'
	case '八', '捌':
		return '8'
	case '九', '玖':
		return '9'
	}
	return 0
}

// markedDigit is the digit that Unicode's compatible form of the character holds.
func markedDigit(r rune) byte { return norm.NFKC.String(string(r))[0] }

func isLetter(r rune) bool { return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' }

func isJoiner(r rune) bool { return r == '-' || r == '_' || r == '+' }

func isX(r rune) bool { return r == 'X' || r == 'x' || r == 'Ｘ' || r == 'ｘ' }

// mayHold reports, at little cost, whether a text is long enough for a number.
func mayHold[T string | []byte](text T) bool {
	places := 0
	for i := range len(text) {
		if c := text[i]; '0' <= c && c <= '9' || utf8.RuneStart(c) && c >= utf8.RuneSelf {
			places++
		}
	}
	return places >= phoneDigits
}

// token returns the length of the UUID, time or hexadecimal id with which a text begins; 0
// if it begins with none. Hexadecimal ids have letters and whole groups of four bytes:
// traces, digests.
func token(text string) int {
	if n := timeLength(text); n > 0 {
		return n
	}
	n := asciiWord(text)
	if n == uuidGroup && isUUID(text) && asciiWord(text[uuidLength:]) == 0 {
		return uuidLength
	}
	if n < 16 || n%8 != 0 || !hexadecimal(text[:n]) || digits.Only(text[:n]) {
		return 0
	}
	return n
}

// timeForm is a time as the bank's answers write it (RFC 3339), to the nanosecond.
var timeForm = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})`)

// timeLength returns the length of the time with which a text begins; 0 if it begins with
// none.
func timeLength(text string) int {
	if len(text) < len("2006-01-02T15:04:05Z") || text[4] != '-' || text[10] != 'T' {
		return 0
	}
	n := len(timeForm.FindString(text))
	if n < len(text) && asciiWord(text[n:]) > 0 {
		return 0
	}
	return n
}

const (
	uuidGroup  = 8 // the digits before the first dash
	uuidLength = 36
)

// isUUID reports whether a text begins with a UUID: 8-4-4-4-12 hexadecimal digits.
func isUUID(text string) bool {
	if len(text) < uuidLength {
		return false
	}
	return text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-' && hexadecimal(text[:8]) && hexadecimal(text[9:13]) &&
		hexadecimal(text[14:18]) && hexadecimal(text[19:23]) && hexadecimal(text[24:uuidLength])
}

func hexadecimal(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}

// asciiWord returns the length of the letters and digits with which a text begins.
func asciiWord(text string) int {
	n := 0
	for n < len(text) && (isLetter(rune(text[n])) || '0' <= text[n] && text[n] <= '9') {
		n++
	}
	return n
}

// scanner splits a text into groups of digits.
type scanner struct {
	text string
	at   int
	list []group
	word int
}

// groups finds the groups of digits of a text. It passes over UUIDs and hexadecimal ids.
func groups(text string) []group {
	s := scanner{text: text}
	within := false // a word of ASCII letters and digits
	for s.at < len(text) {
		r, size := utf8.DecodeRuneInString(text[s.at:])
		if !within {
			if n := token(text[s.at:]); n > 0 {
				s.at += n
				s.word++
				continue
			}
		}
		_, kind := digit(r)
		within = kind != noDigit || isLetter(r)
		if kind != noDigit {
			s.closeGap()
			s.group(kind)
			continue
		}
		if !isJoiner(r) {
			s.word++
		}
		s.at += size
	}
	if n := len(s.list); n > 0 {
		s.list[n-1].after = sepOther
	}
	return s.list
}

// group reads the digits of one kind, and an X that ends an identity number.
func (s *scanner) group(kind script) {
	before, _ := utf8.DecodeLastRuneInString(s.text[:s.at])
	g := group{span: span{start: s.at}, word: s.word}
	value := make([]byte, 0, maxDigits+1)
	for s.at < len(s.text) {
		r, size := utf8.DecodeRuneInString(s.text[s.at:])
		v, k := digit(r)
		if k != kind {
			if k != noDigit {
				s.word++ // the next group is of another kind
			}
			if isX(r) {
				next, _ := utf8.DecodeRuneInString(s.text[s.at+size:])
				if _, more := digit(next); more == noDigit && !isLetter(next) && !isJoiner(next) {
					value = append(value, 'X')
					s.at += size
				}
			}
			break
		}
		value = append(value, v)
		s.at += size
	}
	after, _ := utf8.DecodeRuneInString(s.text[s.at:])
	g.digits, g.end, g.glued = string(value), s.at, isLetter(before) || isLetter(after)
	s.list = append(s.list, g)
}

// closeGap names the kind of separator between the last group and the next one. The
// groups around asterisks are the ends of a masked number: they join no other group.
func (s *scanner) closeGap() {
	n := len(s.list)
	if n == 0 {
		return
	}
	gap := s.text[s.list[n-1].end:s.at]
	s.list[n-1].after = separator(gap)
	before := ""
	if n > 1 {
		before = s.text[s.list[n-2].end:s.list[n-1].start]
	}
	if n > 1 && masked(gap) {
		s.list[n-2].after = sepOther
	}
	if masked(before) {
		s.list[n-1].after = sepOther
	}
}

// masked reports whether asterisks stand between two groups, for hidden digits.
func masked(gap string) bool {
	return strings.Contains(gap, "*") && separator(strings.ReplaceAll(gap, "*", "")) != sepOther
}

// gapMost is how many characters stand between two groups of a number at most.
const gapMost = 8

// separator returns the kind of the characters between two groups of digits.
func separator(between string) string {
	kind, count, blanks := sepNone, 0, 0
	for _, r := range between {
		if strings.ContainsRune("()（）[]【】+", r) || unicode.Is(unicode.Cf, r) {
			continue
		}
		this := kindOfRune(r)
		if count++; count > gapMost || this == sepOther {
			return sepOther
		}
		if this == sepBlank {
			blanks++
			continue
		}
		if kind != sepNone && kind != this {
			return sepOther
		}
		kind = this
	}
	switch {
	case blanks > 0 && kind == sepNone:
		return sepBlank
	case blanks > 0 && kind != sepDash || kind == sepComma && count > 1:
		return sepOther // the end of a sentence, or the next of a list
	}
	return kind
}

func kindOfRune(r rune) string {
	switch {
	case r == '\t' || unicode.Is(unicode.Zs, r):
		return sepBlank
	case strings.ContainsRune("_~−=＝|｜#\\'’", r) || unicode.Is(unicode.Pd, r):
		return sepDash
	case strings.ContainsRune("./·．・•:：", r):
		return sepDot
	case strings.ContainsRune(",，、;；", r):
		return sepComma
	}
	return sepOther
}
