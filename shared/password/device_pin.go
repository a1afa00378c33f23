package password

import (
	"unicode/utf8"

	"github.com/tidebank/tidebank/shared/digits"
)

// devicePINRules are the rules of a trade password, for the PIN of a device, of as many digits.
func devicePINRules() []Rule {
	rule := func(name string, figure int, chinese, english string, broken func(p New) bool) Rule {
		return Rule{DevicePINField, name, figure, figured(chinese, figure), figured(english, figure), broken}
	}
	return []Rule{
		rule("too_short", tradeLength, "须为%d位", "Use exactly %d digits",
			func(p New) bool { return utf8.RuneCountInString(p.DevicePIN) < tradeLength }),
		rule("too_long", tradeLength, "须为%d位", "Use exactly %d digits",
			func(p New) bool { return utf8.RuneCountInString(p.DevicePIN) > tradeLength }),
		rule("not_digits", 0, "只能使用数字", "Use digits only", func(p New) bool { return !digits.Only(p.DevicePIN) }),
		rule("sequence", 0, "不能为连续数字", "Avoid ascending or descending digits", func(p New) bool { return isSequence(p.DevicePIN) }),
		rule("repetition", 0, "不能为重复数字", "Avoid repeated digits, groups and pairs", func(p New) bool { return isRepetition(p.DevicePIN) }),
		rule("personal_data", personalRun, personalChinese, personalEnglish, func(p New) bool { return p.personal(p.DevicePIN) }),
		rule("trade_password", 0, "不能与交易密码相同", "Choose another PIN than the trade password",
			func(p New) bool { return p.Same && p.DevicePIN != "" }),
	}
}
