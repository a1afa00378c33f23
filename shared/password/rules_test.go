package password_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/test/req"
)

// good passes; each row of the table changes one thing of it.
var good = password.New{
	Login: "tide-2026x", Trade: "739164", Phone: "13810007919", IDNo: "110101199003070011",
}

func TestPasswordRules(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, login, trade string
		field              string // empty: accepted
	}{
		{name: "good"},
		{name: "login of 5", login: "abc12", field: "login_password"},
		{name: "login of 6", login: "tid20x"},
		{name: "login of 32", login: "t1" + strings.Repeat("xz", 15)},
		{name: "login of 33", login: "t1z" + strings.Repeat("xz", 15), field: "login_password"},
		{name: "no login", login: " ", field: "login_password"},
		{name: "letters only", login: "abcdef", field: "login_password"},
		{name: "digits only", login: "738291", field: "login_password"},
		{name: "full-width digits are no digits", login: "tidebank１２", field: "login_password"},
		{name: "NUL", login: "tide\x002026x", field: "login_password"},
		{name: "a mark of direction", login: "tide\u202e2026x", field: "login_password"},
		{name: "a filler", login: "tide\u31642026x", field: "login_password"},
		{name: "no UTF-8", login: "tide\xff2026x", field: "login_password"},
		{name: "ideographs and a blank", login: "潮汐 tide 2026x"},
		{name: "abc123x", login: "abc123x"},
		{name: "a common one", login: "abc123", field: "login_password"},
		{name: "a common one in capitals", login: "ABC123", field: "login_password"},
		{name: "a common word inside", login: "my-Password-1", field: "login_password"},
		{name: "a keyboard row of five", login: "x8qwert", field: "login_password"},
		{name: "a keyboard row of four", login: "x8qwer"},
		{name: "a digit row of five", login: "tide12345", field: "login_password"},
		{name: "digits downwards", login: "0987654a", field: "login_password"},
		{name: "five digits downwards", login: "98765qz", field: "login_password"},
		{name: "digits up from zero", login: "tide01234", field: "login_password"},
		{name: "the upper row from the right", login: "poiuyt7", field: "login_password"},
		{name: "the middle row from the right", login: "LKJHGF8x", field: "login_password"},
		{name: "the lower row from the right", login: "mnbvcx3", field: "login_password"},
		{name: "columns from the right", login: "tide-cde3x", field: "login_password"},
		{name: "four keys from the right", login: "x8poiu"},
		{name: "six of the phone's digits", login: "t138100x", field: "login_password"},
		{name: "five of the phone's digits", login: "t81000x"},
		{name: "the phone's last six", login: "t007919x", field: "login_password"},
		{name: "the birthday", login: "t19900307x", field: "login_password"},
		{name: "six of the identity number", login: "t110101x", field: "login_password"},
		{name: "no trade", trade: " ", field: "trade_password"},
		{name: "trade of 5", trade: "73916", field: "trade_password"},
		{name: "trade of 7", trade: "7391645", field: "trade_password"},
		{name: "a letter in trade", trade: "73916x", field: "trade_password"},
		{name: "all the same", trade: "888888", field: "trade_password"},
		{name: "ascending", trade: "345678", field: "trade_password"},
		{name: "descending", trade: "876543", field: "trade_password"},
		{name: "ascending but for one", trade: "345679"},
		{name: "pairs repeated", trade: "373737", field: "trade_password"},
		{name: "three pairs", trade: "337744", field: "trade_password"},
		{name: "three digits twice", trade: "739739", field: "trade_password"},
		{name: "the phone in trade", trade: "100079", field: "trade_password"},
		{name: "the birthday in trade", trade: "900307", field: "trade_password"},
		{name: "trade within login", login: "tide739164", trade: "739164", field: "trade_password"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := good
			if tt.login != "" {
				p.Login = strings.TrimSpace(tt.login)
			}
			if tt.trade != "" {
				p.Trade = strings.TrimSpace(tt.trade)
			}
			err := p.Check()
			if tt.field == "" {
				if err != nil {
					t.Fatalf("%q and %q: %v", p.Login, p.Trade, err)
				}
				return
			}
			if !errors.Is(err, password.ErrWeak) || !strings.Contains(err.Error(), tt.field) {
				t.Fatalf("%q and %q: %v, want PASSWORD_WEAK of %s", p.Login, p.Trade, err, tt.field)
			}
		})
	}
}

// A refusal names all rules of the field, with a text for each, in the order of the list.
func TestAllBrokenRulesAreNamed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		login, trade string
		field        string
		rules        string
		advice       string
	}{
		{"", "", "login_password", "too_short no_letter no_digit", "登录密码至少6位；须包含英文字母；须包含数字"},
		{"t\x00i7", "739164", "login_password", "too_short unprintable", "登录密码至少6位；不能包含控制字符或看不见的字符"},
		{"潮汐银行", "739164", "login_password", "too_short no_letter no_digit", "登录密码至少6位；须包含英文字母；须包含数字"},
		{"qwert", "739164", "login_password", "too_short no_digit sequence", "登录密码至少6位；须包含数字；不能包含5个及以上连续的数字或键盘按键"},
		{"password", "739164", "login_password", "no_digit common", "登录密码须包含数字；不能使用常见密码"},
		{"1" + strings.Repeat("潮汐", 16), "739164", "login_password", "too_long no_letter", "登录密码最多32位；须包含英文字母"},
		{"t138100x", "739164", "login_password", "personal_data", "登录密码不能包含证件号或手机号中连续的6位数字"},
		{"tide-2026x", "", "trade_password", "too_short", "交易密码须为6位"},
		{"tide-2026x", "1", "trade_password", "too_short", "交易密码须为6位"},
		{"tide-2026x", "2026x", "trade_password", "too_short not_digits in_login_password", "交易密码须为6位；只能使用数字；不能与登录密码相同或被其包含"},
		{"tide-2026x", "1111111", "trade_password", "too_long repetition", "交易密码须为6位；不能为重复数字"},
		{"tide-2026x", "12345", "trade_password", "too_short sequence", "交易密码须为6位；不能为连续数字"},
		{"x654321x", "654321", "login_password", "sequence", "登录密码不能包含5个及以上连续的数字或键盘按键"},
		{"tide-2026x", "110101", "trade_password", "personal_data", "交易密码不能包含证件号或手机号中连续的6位数字"},
	} {
		p := good
		p.Login, p.Trade = tt.login, tt.trade
		err := p.Check()
		var got *bankerr.FieldError
		if !errors.Is(err, password.ErrWeak) || !errors.As(err, &got) {
			t.Fatalf("%q and %q: %v", p.Login, p.Trade, err)
		}
		if rules := strings.Join(got.Rules, " "); got.Field != tt.field || rules != tt.rules || got.Advice != tt.advice {
			t.Errorf("%q and %q: %s: %s: %q", p.Login, p.Trade, got.Field, rules, got.Advice)
		}
	}
}

// Names and texts are stated for each rule; no text has a place without its figure.
func TestRulesHaveTexts(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range req.AtLeast(t, 10, password.Rules()) {
		if r.Name == "" || r.Chinese == "" || r.English == "" || strings.Contains(r.Chinese+r.English, "%") || seen[r.Field+r.Name] {
			t.Errorf("%s %q: %q, %q", r.Field, r.Name, r.Chinese, r.English)
		}
		seen[r.Field+r.Name] = true
	}
}

// Twice the same form must get twice the same answer.
func TestTheFirstWeakFieldIsNamed(t *testing.T) {
	t.Parallel()
	p := good
	p.Login, p.Trade = "t138100x", "900307"
	for range 20 {
		if err := p.Check(); !strings.Contains(err.Error(), "login_password") {
			t.Fatalf("%v, want login_password to be named", err)
		}
	}
}
