package mask

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidebank/tidebank/shared/digits"
	"github.com/tidebank/tidebank/shared/idno"
)

// span is the place of a personal number in a text, in bytes.
type span struct{ start, end int }

// The kinds of separators between two groups of digits.
const (
	sepNone  = ""   // brackets or nothing to see
	sepBlank = " "  // blanks
	sepDash  = "-"  // dashes or signs of equality, with or without blanks
	sepDot   = "."  // a dot, a middle dot or a slash
	sepComma = ","  // a comma of any kind
	sepOther = "\n" // the groups belong to different numbers
)

// group is a sequence of digits without anything between them.
type group struct {
	span
	digits string // in ASCII; the last one may be X
	word   int    // the number of its word; - _ and + join the groups of a word
	glued  bool   // a Latin letter stands right before or after it
	after  string // the kind of separator after it
}

// Text masks each personal number in free text, in every spelling that people use: it
// keeps three and four digits, the country code and the separators.
func Text(text string) string { return replace(text, maskDigits) }

// Redact replaces each personal number in free text, in every spelling that people
// use. The replacement must hold no digit.
func Redact(text, by string) string { return replace(text, func(string) string { return by }) }

// replace replaces numbers until no number is left: the rest of one number can stand
// beside other digits.
func replace(text string, by func(number string) string) string {
	for {
		found := numbers(text)
		if len(found) == 0 {
			return text
		}
		var b strings.Builder
		last := 0
		for _, s := range found {
			b.WriteString(text[last:s.start])
			b.WriteString(by(text[s.start:s.end]))
			last = s.end
		}
		text = b.String() + text[last:]
	}
}

// maskDigits hides the digits of one number but the first three and the last four.
func maskDigits(number string) string {
	var b strings.Builder
	code := 0 // the length of the country code
	all := joined(groups(number))
	if n, ok := countryCode(all); ok {
		code = n
	}
	place := 0
	for _, r := range number {
		_, kind := digit(r)
		if kind != noDigit || isX(r) {
			if place >= code+3 && place < len(all)-4 {
				r = '*'
			}
			place++
		}
		b.WriteRune(r)
	}
	return b.String()
}

// numbers finds the personal numbers in a text. A number may be written with blanks,
// dashes, dots, commas, brackets or a country code, in full-width or Chinese digits. A
// number that stands alone has 11 digits that start with 1, 15 to 19 digits, or 17
// digits and an X. A number with separators, or with a Latin letter beside it, must
// also have the form of its kind. So amounts, times, addresses and ids are no numbers
// of a person. UUIDs and hexadecimal ids hold no number. Words between the digits
// (138and0001and0001) and two numbers in one row of digits hide a number: to find these
// would strike out ordinary text.
func numbers(text string) []span {
	if !mayHold(text) {
		return nil
	}
	var found []span
	list := groups(text)
	for i := 0; i < len(list); i++ {
		if i > 0 && list[i-1].word == list[i].word {
			continue // a number begins with its word
		}
		before := sepOther
		if i > 0 {
			before = list[i-1].after
		}
		if n := longest(list[i:], before); n > 0 {
			found = append(found, span{start: list[i].start, end: list[i+n-1].end})
			i += n - 1
		}
	}
	return found
}

// maxDigits is the number of digits of a personal number at most; the country code is
// shorter than the difference between a card and a phone number.
const maxDigits = 19

// longest returns how many groups from the first on make the longest personal number;
// 0 if no number begins here. The separator before the first group is of the kind before.
func longest(list []group, before string) int {
	found, size := 0, 0
	for n := 1; n <= len(list); n++ {
		last := list[n-1]
		size += len(last.digits)
		if size > maxDigits+1 { // the last place may be a foreign X
			break
		}
		ends := size >= phoneDigits && (n == len(list) || list[n].word != last.word)
		if ends && (isPersonal(list[:n]) || isLoose(list[:n], before)) {
			found = n
		}
		if last.after == sepOther {
			break
		}
	}
	return found
}

func isPersonal(list []group) bool {
	if len(list) == 1 && !list[0].glued && personal(list[0].digits) || isIdentity(list) && (len(list) > 1 || list[0].glued) {
		return true
	}
	list = withoutX(list)
	return isPhone(list) || isCard(list)
}

// withoutX drops an X after a number that is no identity number.
func withoutX(list []group) []group {
	before, found := strings.CutSuffix(list[len(list)-1].digits, "X")
	if !found {
		return list
	}
	list = slices.Clone(list)
	last := &list[len(list)-1]
	last.digits, last.glued = before, true
	return list
}

const phoneDigits = 11

// countryCode returns the length of the country code before a mobile number: 0086, 86, 0
// or nothing. ok is false if the digits are no mobile number.
func countryCode(number string) (length int, ok bool) {
	length = len(number) - phoneDigits
	if length < 0 || !digits.Only(number) {
		return 0, false
	}
	switch number[:length] {
	case "", "0", "86", "0086":
		return length, number[length] == '1' && number[length+1] >= '3'
	}
	return 0, false
}

var (
	// phoneSizes are the sizes of the groups in which people write a mobile number.
	phoneSizes = regexp.MustCompile(`^(?:11,|3,4,4,|3,8,|7,4,|3,3,5,|3,5,3,|3,3,3,2,|3,2,2,2,2,|3,4,2,2,|` +
		`4,3,4,|4,4,3,|5,6,|6,5,|(?:1,){11})$`)
	cardSizes = regexp.MustCompile(`^(?:4,4,4,4,(?:[1-4],)?|4,4,4,[3-7],|4,4,(?:[7-9]|1[01]),|5,5,5,(?:[1-4],)?|6,6,[3-7],|` +
		`8,8,(?:[1-3],)?|4,6,[5-9],|6,(?:9|1[0-3]),|4,1[1-5],|(?:1,){15,19})$`)
)

// isPhone reports whether the groups are a mobile number, with or without the country
// code. Addresses and versions have dots too, so a number with dots is 3.4.4. Lists of
// amounts have commas.
func isPhone(list []group) bool {
	list, ok := national(list)
	if !ok {
		return false
	}
	sizes := sizesOf(list)
	kind, uniform := kindOf(list)
	switch {
	case sizes == "3,4,4,":
		return true
	case !uniform || len(list) > 1 && list[0].after == sepDot:
		return false
	case kind == sepComma:
		return sizes == "3,8," || len(list) == phoneDigits
	}
	return phoneSizes.MatchString(sizes)
}

// national returns the groups of a mobile number without the country code.
func national(list []group) (rest []group, ok bool) {
	code, ok := countryCode(joined(list))
	if !ok {
		return nil, false
	}
	list = slices.Clone(list)
	for code > 0 {
		cut := min(code, len(list[0].digits))
		list[0].digits = list[0].digits[cut:]
		if code -= cut; list[0].digits == "" {
			list = list[1:]
		}
	}
	return list, true
}

// The most groups of a number in sizes of its writer's own. A list of amounts or of
// places has more groups as a rule.
const (
	loosePhoneGroups = 5
	looseCardGroups  = 6
)

// isLoose reports whether the groups are a mobile number or a card number of UnionPay in
// sizes of its writer's own: 13 8000 10001. Such a number is no part of a longer list.
func isLoose(list []group, before string) bool {
	list = withoutX(list)
	after := list[len(list)-1].after
	if rest, ok := national(list); ok {
		kind, uniform := kindOf(rest)
		return uniform && len(rest) <= loosePhoneGroups && (kind == sepBlank || kind == sepDash) && apart(kind, before, after)
	}
	kind, uniform := kindOf(list)
	return uniform && len(list) <= looseCardGroups && kind != sepComma && kind != sepNone && unionPay(joined(list)) &&
		apart(kind, before, after)
}

// apart reports whether a number with separators of a kind ends where its neighbours begin.
func apart(kind, before, after string) bool {
	return before != kind && after != kind && before != sepDot && after != sepDot
}

func unionPay(number string) bool {
	return len(number) >= 16 && len(number) <= maxDigits && strings.HasPrefix(number, "62") && digits.Only(number)
}

// isIdentity reports whether the groups are an identity number of 18 places with its
// check digit.
func isIdentity(list []group) bool {
	number := joined(list)
	if len(number) != idno.Length {
		return false
	}
	number, ok := idno.Canonical(number)
	if !ok {
		return false
	}
	_, err := time.Parse("20060102", number[6:14])
	return err == nil
}

// isCard reports whether the groups are a card number as it is printed or typed.
func isCard(list []group) bool {
	number := joined(list)
	if len(number) < 15 || len(number) > maxDigits || strings.IndexByte("34569", number[0]) < 0 || !digits.Only(number) {
		return false
	}
	if len(list) == 1 {
		return list[0].glued
	}
	kind, uniform := kindOf(list)
	return uniform && cardSizes.MatchString(sizesOf(list)) && (kind != sepComma || unionPay(number))
}

// kindOf returns the kind of the separators between the groups. They are uniform if the
// same kind stands between all groups. Brackets may stand beside any other separator.
func kindOf(list []group) (kind string, uniform bool) {
	for _, g := range list[:len(list)-1] {
		switch {
		case g.after == sepNone || g.after == kind:
		case kind == sepNone:
			kind = g.after
		default:
			return "", false
		}
	}
	return kind, true
}

func joined(list []group) string {
	var b strings.Builder
	for _, g := range list {
		b.WriteString(g.digits)
	}
	return b.String()
}

func sizesOf(list []group) string {
	var b strings.Builder
	for _, g := range list {
		b.WriteString(strconv.Itoa(len(g.digits)))
		b.WriteByte(',')
	}
	return b.String()
}
