package money

import "strings"

const capitalDigits = "零壹贰叁肆伍陆柒捌玖"

// Capitals writes the amount in Chinese capitals, as on vouchers (支付结算办法,
// 附件一): 壹仟零伍元叁角, 壹佰元整, 伍分.
func (f Fen) Capitals() string {
	if f < 0 {
		return "负" + (-f).Capitals()
	}
	if f == 0 {
		return "零元整"
	}
	yuan, jiao, fen := int64(f/100), int(f/10%10), int(f%10)
	var b strings.Builder
	if yuan > 0 {
		b.WriteString(capitalYuan(yuan))
		b.WriteString("元")
	}
	if yuan > 0 && (jiao > 0 && yuan%10 == 0 || jiao == 0 && fen > 0) {
		b.WriteString("零")
	}
	if jiao > 0 {
		b.WriteString(capitalDigit(jiao) + "角")
	}
	if fen > 0 {
		b.WriteString(capitalDigit(fen) + "分")
	} else {
		b.WriteString("整")
	}
	return b.String()
}

func capitalDigit(d int) string { return string([]rune(capitalDigits)[d]) }

// capitalYuan writes a positive whole number in groups of four digits. It writes one
// 零 for zeros between other digits.
func capitalYuan(n int64) string {
	groups := []string{"", "万", "亿", "万亿"}
	var parts []string
	for i := 0; n > 0; i, n = i+1, n/10000 {
		group := int(n % 10000)
		if group == 0 {
			if len(parts) > 0 && !strings.HasPrefix(parts[0], "零") {
				parts = append([]string{"零"}, parts...)
			}
			continue
		}
		text := capitalGroup(group) + groups[i]
		if group < 1000 && n >= 10000 {
			text = "零" + text
		}
		parts = append([]string{text}, parts...)
	}
	return strings.Join(parts, "")
}

func capitalGroup(n int) string {
	units := []string{"仟", "佰", "拾", ""}
	divisors := []int{1000, 100, 10, 1}
	var b strings.Builder
	zero := false
	for i, divisor := range divisors {
		d := n / divisor % 10
		if d == 0 {
			zero = b.Len() > 0
			continue
		}
		if zero {
			b.WriteString("零")
			zero = false
		}
		b.WriteString(capitalDigit(d) + units[i])
	}
	return b.String()
}
