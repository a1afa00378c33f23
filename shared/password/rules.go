package password

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/digits"
)

// ErrWeak refuses a new password. Its cause names the field, and the rules that the
// field's password breaks.
var ErrWeak = bankerr.New(bankerr.Invalid, "PASSWORD_WEAK")

// New holds a customer's new passwords, in clear (Trade as FoldedTrade returns it), and the personal numbers that they
// must not resemble. The numbers come from the same request, so a refusal tells the
// caller nothing that the caller did not send.
//
// At a change or a reset, the other passwords are empty and not checked. Names are the
// texts by which the customer logs in or is called. Same reports that the new password is the present one.
type New struct {
	Login, Trade string
	Gesture      string // the points of a pad of 3x3, 1 to 9 by rows
	Phone, IDNo  string
	Names        []string
	Same         bool
}

// FoldedTrade is a new trade password with ASCII digits in place of full-width ones, as
// OpenDigits opens it later.
func FoldedTrade(clear []byte) string { return width.Fold.String(string(clear)) }

// The fields of a request that hold new passwords.
const (
	LoginField = "login_password"
	TradeField = "trade_password"

	GestureField = "gesture"
)

const (
	loginMin, loginMax = 6, 32
	tradeLength        = 6
	keyboardRun        = 5 // a login password must not contain so many neighbouring keys of a row
	commonInside       = 7 // a common password of so many characters must not stand inside a password either
	personalRun        = 6 // a password must not contain so many digits in a row of an identity number or phone
)

// Rule is one rule for the new passwords of one field. Its name tells programs what
// is wrong; the texts are for customers.
type Rule struct {
	Field, Name      string
	Figure           int // 0: the rule has no figure
	Chinese, English string

	broken func(New) bool
}

// Rules lists every rule, in the order of fields and of a refusal's texts.
func Rules() []Rule { return slices.Concat(loginRules(), tradeRules(), gestureRules()) }

func loginRules() []Rule {
	rule := func(name string, figure int, chinese, english string, broken func(p New) bool) Rule {
		return Rule{LoginField, name, figure, figured(chinese, figure), figured(english, figure), broken}
	}
	return []Rule{
		rule("too_short", loginMin, "至少%d位", "Use at least %d characters",
			func(p New) bool { return utf8.RuneCountInString(p.Login) < loginMin }),
		rule("too_long", loginMax, "最多%d位", "Use at most %d characters",
			func(p New) bool { return utf8.RuneCountInString(p.Login) > loginMax }),
		rule("unprintable", 0, "不能包含控制字符或看不见的字符", "Avoid control and invisible characters",
			func(p New) bool { return !utf8.ValidString(p.Login) || strings.ContainsFunc(p.Login, isUnprintable) }),
		rule("no_letter", 0, "须包含英文字母", "Use a letter from a to z",
			func(p New) bool { return !strings.ContainsFunc(p.Login, isLetter) }),
		rule("no_digit", 0, "须包含数字", "Use a digit",
			func(p New) bool { return !strings.ContainsFunc(p.Login, isDigit) }),
		rule("common", 0, "不能使用常见密码", "Avoid common passwords",
			func(p New) bool { return isCommon(p.Login) }),
		rule("sequence", keyboardRun, "不能包含%d个及以上连续的数字或键盘按键", "Avoid %d neighbouring keys or digits in a row",
			func(p New) bool { return hasKeyboardRun(p.Login) }),
		rule("personal_data", personalRun, personalChinese, personalEnglish,
			func(p New) bool { return p.personal(p.Login) }),
		rule("user_name", 0, "不能与用户名或别名相同", "Avoid your user name and alias",
			func(p New) bool { return p.named(p.Login) }),
		rule("unchanged", 0, unchangedChinese, unchangedEnglish, func(p New) bool { return p.Same && p.Login != "" }),
	}
}

const (
	unchangedChinese = "不能与现用密码相同"
	unchangedEnglish = "Choose another password than the present one"
	personalChinese  = "不能包含证件号或手机号中连续的%d位数字"
	personalEnglish  = "Avoid %d digits in a row of your identity or phone number"
)

func tradeRules() []Rule {
	rule := func(name string, figure int, chinese, english string, broken func(p New) bool) Rule {
		return Rule{TradeField, name, figure, figured(chinese, figure), figured(english, figure), broken}
	}
	return []Rule{
		rule("too_short", tradeLength, "须为%d位", "Use exactly %d digits",
			func(p New) bool { return utf8.RuneCountInString(p.Trade) < tradeLength }),
		rule("too_long", tradeLength, "须为%d位", "Use exactly %d digits",
			func(p New) bool { return utf8.RuneCountInString(p.Trade) > tradeLength }),
		rule("not_digits", 0, "只能使用数字", "Use digits only",
			func(p New) bool { return !digits.Only(p.Trade) }),
		rule("sequence", 0, "不能为连续数字", "Avoid ascending or descending digits",
			func(p New) bool { return isSequence(p.Trade) }),
		rule("repetition", 0, "不能为重复数字", "Avoid repeated digits, groups and pairs",
			func(p New) bool { return isRepetition(p.Trade) }),
		rule("in_login_password", 0, "不能与登录密码相同或被其包含", "Avoid a part of the login password",
			func(p New) bool { return p.Trade != "" && strings.Contains(p.Login, p.Trade) }),
		rule("personal_data", personalRun, personalChinese, personalEnglish,
			func(p New) bool { return p.personal(p.Trade) }),
		rule("unchanged", 0, unchangedChinese, unchangedEnglish, func(p New) bool { return p.Same && p.Trade != "" }),
	}
}

// figured puts the figure into a text that has a place for it.
func figured(text string, figure int) string {
	if figure == 0 {
		return text
	}
	return fmt.Sprintf(text, figure)
}

// Check refuses passwords that break PWD-001 to PWD-003 or PWD-012. ErrWeak names the
// first wrong field and all rules that it breaks.
func (p New) Check() error {
	if err := p.CheckLogin(); err != nil {
		return err
	}
	return p.CheckTrade()
}

// CheckLogin is Check for the login password alone.
func (p New) CheckLogin() error { return p.check(LoginField, "登录密码") }

// CheckTrade is Check for the trade password alone.
func (p New) CheckTrade() error { return p.check(TradeField, "交易密码") }

// CheckGesture refuses a gesture that breaks AUTH-026.
func (p New) CheckGesture() error { return p.check(GestureField, "手势密码") }

func (p New) check(field, chinese string) error {
	weak := &bankerr.FieldError{Field: field, Why: "weak"}
	var texts []string
	for _, rule := range Rules() {
		if rule.Field == field && rule.broken(p) {
			weak.Rules, texts = append(weak.Rules, rule.Name), append(texts, rule.Chinese)
		}
	}
	if len(weak.Rules) == 0 {
		return nil
	}
	weak.Advice = chinese + strings.Join(texts, "；")
	return ErrWeak.Because(weak)
}

// isUnprintable reports whether r is a control, format or other character that shows nothing.
func isUnprintable(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point)
}

func isLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

func isDigit(r rune) bool { return r >= '0' && r <= '9' }

// common holds the passwords that attackers guess first. A long entry also matches
// inside a password's letters and digits.
var common = []string{
	"password", "passw0rd", "admin123", "abc123", "a123456", "123456a", "qq123456", "woaini", "iloveyou", "letmein",
	"1q2w3e", "qwe123", "123qwe", "aa123456", "111111a", "welcome",
}

var keyboardRows = []string{"qwertyuiop", "asdfghjkl", "zxcvbnm", "1234567890", "0123456789", "1qaz2wsx3edc"}

// isCommon reports whether the text is a common password, or contains a long one.
func isCommon(text string) bool {
	lower := strings.ToLower(text)
	for _, c := range common {
		if lower == c || len(c) >= commonInside && strings.Contains(lower, c) {
			return true
		}
	}
	return false
}

// hasKeyboardRun reports whether the text has a run of five or more keys of a keyboard
// row, from the left or from the right.
func hasKeyboardRun(text string) bool {
	lower := strings.ToLower(text)
	for _, row := range keyboardRows {
		for i := 0; i+keyboardRun <= len(row); i++ {
			run := []byte(row[i : i+keyboardRun])
			right := string(run)
			slices.Reverse(run)
			if strings.Contains(lower, right) || strings.Contains(lower, string(run)) {
				return true
			}
		}
	}
	return false
}

// isSequence reports whether the digits ascend or descend: 123456, 654321 (PWD-002).
func isSequence(d string) bool {
	up, down := len(d) > 1, len(d) > 1
	for i := 1; i < len(d); i++ {
		up = up && d[i] == d[i-1]+1
		down = down && d[i]+1 == d[i-1]
	}
	return up || down
}

// isRepetition reports whether the digits are repeated or patterned: 111111, 121212,
// 112233, 739739 (PWD-002).
func isRepetition(d string) bool {
	if len(d) > 1 && strings.Count(d, d[:1]) == len(d) {
		return true
	}
	if len(d) != tradeLength {
		return false
	}
	pairs := d[0] == d[1] && d[2] == d[3] && d[4] == d[5]
	twos := d[:2] == d[2:4] && d[2:4] == d[4:]
	threes := d[:3] == d[3:]
	return pairs || twos || threes
}

// personal reports whether the password contains six digits in a row of a personal
// number (PWD-001).
func (p New) personal(password string) bool {
	return sharesRun(password, p.Phone) || sharesRun(password, p.IDNo)
}

// named reports whether the password is one of the customer's names, in any letter case
// (PWD-013).
func (p New) named(chosen string) bool {
	return slices.ContainsFunc(p.Names, func(name string) bool { return name != "" && strings.EqualFold(name, chosen) })
}

// sharesRun reports whether the password contains six digits in a row of the personal
// number (PWD-001).
func sharesRun(password, number string) bool {
	for i := 0; i+personalRun <= len(number); i++ {
		if strings.Contains(password, number[i:i+personalRun]) {
			return true
		}
	}
	return false
}
