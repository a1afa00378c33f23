package password

import (
	"strings"
	"unicode/utf8"

	"github.com/tidebank/tidebank/shared/digits"
)

// StaffField is the field of a request that holds the new password of a member of the staff.
const StaffField = "new_password"

// The least figures for the staff's passwords (PWD-010, PWD-011). A figure of the policy below them has no effect.
const (
	StaffMin    = 7 // characters
	StaffMinAux = 6 // characters, if the member also proves a USB key; digits, on a keypad
)

// StaffTerms tells which rules a member's new password must meet.
type StaffTerms struct {
	Min    int  // characters
	Keypad bool // the member's terminal has digits only
	Recent bool // the password is one of the member's last ones
}

// CheckStaff refuses the new password of a member of the staff that breaks PWD-007, PWD-010 or PWD-011.
func (p New) CheckStaff() error { return p.checkRules(staffRules(p.Terms.Min), "密码") }

func staffRules(least int) []Rule {
	rule := func(name string, figure int, chinese, english string, broken func(p New) bool) Rule {
		return Rule{StaffField, name, figure, figured(chinese, figure), figured(english, figure), broken}
	}
	keyboard := func(broken func(text string) bool) func(New) bool {
		return func(p New) bool { return !p.Terms.Keypad && broken(p.Staff) }
	}
	keypad := func(broken func(text string) bool) func(New) bool {
		return func(p New) bool { return p.Terms.Keypad && broken(p.Staff) }
	}
	return []Rule{
		rule("too_short", least, "至少%d位", "Use at least %d characters",
			func(p New) bool { return utf8.RuneCountInString(p.Staff) < least }),
		rule("too_long", loginMax, "最多%d位", "Use at most %d characters",
			func(p New) bool { return utf8.RuneCountInString(p.Staff) > loginMax }),
		rule("unprintable", 0, "不能包含控制字符或看不见的字符", "Avoid control and invisible characters",
			func(p New) bool { return !utf8.ValidString(p.Staff) || strings.ContainsFunc(p.Staff, isUnprintable) }),
		rule("no_letter", 0, "须包含英文字母", "Use a letter from a to z",
			keyboard(func(text string) bool { return !strings.ContainsFunc(text, isLetter) })),
		rule("no_digit", 0, "须包含数字", "Use a digit",
			keyboard(func(text string) bool { return !strings.ContainsFunc(text, isDigit) })),
		rule("common", 0, "不能使用常见密码", "Avoid common passwords", keyboard(isCommon)),
		rule("not_digits", 0, "只能使用数字", "Use digits only",
			keypad(func(text string) bool { return !digits.Only(text) })),
		rule("sequence", 0, "不能为连续数字，或包含5个及以上连续的数字、字母或键盘按键",
			"Avoid ascending or descending digits, and 5 neighbouring keys, letters or digits in a row",
			func(p New) bool { return isSequence(p.Staff) || !p.Terms.Keypad && hasSequence(p.Staff) }),
		rule("repetition", 0, "不能为重复数字，或包含5个及以上相同的字符",
			"Avoid repeated digits, groups and pairs, and 5 equal characters in a row",
			func(p New) bool { return p.Terms.Keypad && isRepetition(p.Staff) || hasRun(p.Staff, 0) }),
		rule("user_name", 0, "不能包含登录名", "Avoid your login name",
			func(p New) bool { return p.named(p.Staff) }),
		rule("unchanged", 0, unchangedChinese, unchangedEnglish, func(p New) bool { return p.Same }),
		rule("recent", 0, "不能与最近使用过的密码相同", "Choose another password than your last ones",
			func(p New) bool { return p.Terms.Recent && !p.Same }),
	}
}
