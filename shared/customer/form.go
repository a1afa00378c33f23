package customer

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// CanonicalName is the one form in which names are stored and compared: Unicode NFKC,
// each interpunct as · (U+00B7), and single spaces between words only. People type
// 买买提•吐尔逊 for 买买提·吐尔逊, and keyboards differ in how they write é.
func CanonicalName(name string) string {
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune("•‧∙⋅・･●", r) {
			return '·'
		}
		return r
	}, norm.NFKC.String(name))
	return strings.Join(strings.FieldsFunc(name, unicode.IsSpace), " ")
}

// SameName reports whether two spellings are of one name. No name is the empty one.
func SameName(a, b string) bool {
	a, b = CanonicalName(a), CanonicalName(b)
	return a != "" && a == b
}

// CanonicalIDNo is the one form of an identity number (GB 11643): 18 characters, with
// a capital X. ok is false if the number is malformed or its check digit is wrong.
func CanonicalIDNo(number string) (canonical string, ok bool) {
	number = strings.ToUpper(strings.TrimSpace(number))
	if len(number) != idNoLength {
		return "", false
	}
	for _, digit := range []byte(number[:idNoLength-1]) {
		if digit < '0' || digit > '9' {
			return "", false
		}
	}
	return number, CompleteIDNo(number[:idNoLength-1]) == number
}

const idNoLength = 18

// CompleteIDNo adds the check character to the first 17 digits of an identity number
// (ISO 7064, MOD 11-2).
func CompleteIDNo(digits string) string {
	sum := 0
	for _, digit := range []byte(digits) {
		sum = (sum + int(digit-'0')) * 2 % 11
	}
	return digits + "10X98765432"[sum:sum+1]
}
