package mask

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// script is the kind of a digit: digits of two kinds never make one number.
type script int

const (
	noDigit script = iota
	decimal        // 0 to 9 of any script: ASCII, full-width, Arabic
	chinese        // 〇 to 九, and 幺 for one
)

// digit returns the value of a digit and its kind.
func digit(r rune) (value byte, kind script) {
	switch {
	case '0' <= r && r <= '9':
		return byte(r), decimal
	case r < 0x660:
		return 0, noDigit
	case '０' <= r && r <= '９':
		return byte(r-'０') + '0', decimal
	case r == '零':
		return '0', chinese
	case r == '幺':
		return '1', chinese
	}
	if i := strings.IndexRune("〇一二三四五六七八九", r); i >= 0 {
		return byte(i/len("〇")) + '0', chinese
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

func isLetter(r rune) bool { return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' }

func isJoiner(r rune) bool { return r == '-' || r == '_' || r == '+' }

func isX(r rune) bool { return r == 'X' || r == 'x' || r == 'Ｘ' || r == 'ｘ' }

// mayHold reports, at little cost, whether a text is long enough for a number.
func mayHold(text string) bool {
	places := 0
	for i := range len(text) {
		if c := text[i]; '0' <= c && c <= '9' || c >= utf8.RuneSelf {
			places++
		}
	}
	return places >= phoneDigits
}

// scanner splits a text into groups of digits.
type scanner struct {
	text  string
	at    int
	list  []group
	word  int
	mixed []int // words with letters
}

// groups finds the groups of digits of a text.
func groups(text string) []group {
	s := scanner{text: text}
	for s.at < len(text) {
		r, size := utf8.DecodeRuneInString(text[s.at:])
		_, kind := digit(r)
		switch {
		case kind != noDigit:
			s.closeGap()
			s.group(kind)
			continue
		case isLetter(r):
			if len(s.mixed) == 0 || s.mixed[len(s.mixed)-1] != s.word {
				s.mixed = append(s.mixed, s.word)
			}
		case !isJoiner(r):
			s.word++
		}
		s.at += size
	}
	if n := len(s.list); n > 0 {
		s.list[n-1].after = sepOther
	}
	for i, g := range s.list {
		_, s.list[i].mixed = slices.BinarySearch(s.mixed, g.word)
	}
	return s.list
}

// group reads the digits of one kind, and an X that ends an identity number.
func (s *scanner) group(kind script) {
	g := group{span: span{start: s.at}}
	var value []byte
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
	g.digits, g.end, g.word = string(value), s.at, s.word
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

// separator returns the kind of the characters between two groups of digits.
func separator(between string) string {
	kind, count := sepNone, 0
	for _, r := range between {
		this := sepOther
		switch {
		case strings.ContainsRune("()（）[]【】+", r) || unicode.Is(unicode.Cf, r):
			continue
		case r == '\t' || unicode.Is(unicode.Zs, r):
			this = sepBlank
		case r == '_' || r == '~' || r == '−' || unicode.Is(unicode.Pd, r):
			this = sepDash
		case strings.ContainsRune("./·．・•", r):
			this = sepDot
		}
		if count++; count > 2 || this == sepOther || kind != sepNone && kind != this {
			return sepOther
		}
		kind = this
	}
	return kind
}
