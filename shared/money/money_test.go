package money_test

import (
	"math"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/shared/money"
)

func TestParseTakesYuanAndNothingElse(t *testing.T) {
	t.Parallel()
	good := map[string]money.Fen{
		"0.01": 1, "0.1": 10, "1": 100, "999999999.99": 99999999999, "0": 0, "00012.50": 1250,
		"1000000000000.00": money.Max,
	}
	for text, want := range good {
		if got, err := money.Parse(text); err != nil || got != want {
			t.Errorf("Parse(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", ".", "1.", ".5", "-1", "+1", "1e3", "0.001", "1,000.00", "１２", "1 ", "0x10", "1000000000000.01",
		"99999999999999999999",
	} {
		if got, err := money.Parse(text); err == nil {
			t.Errorf("Parse(%q) = %d, want a refusal", text, got)
		}
	}
}

func TestYuan(t *testing.T) {
	t.Parallel()
	for f, want := range map[money.Fen]string{
		1: "0.01", 10: "0.10", 100: "1.00", 123456: "1,234.56", 99999999999: "999,999,999.99",
		0: "0.00", -1: "-0.01", -123456789: "-1,234,567.89", math.MinInt64: "-92,233,720,368,547,758.08",
	} {
		if got := f.Yuan(); got != want {
			t.Errorf("(%d).Yuan() = %s, want %s", f, got, want)
		}
	}
}

func TestCapitals(t *testing.T) {
	t.Parallel()
	for f, want := range map[money.Fen]string{
		0: "零元整", 1: "壹分", 10: "壹角整", 100: "壹元整", 105: "壹元零伍分", 140950: "壹仟肆佰零玖元伍角整",
		600014: "陆仟元零壹角肆分", 168032: "壹仟陆佰捌拾元零叁角贰分", 10700053: "壹拾万柒仟元零伍角叁分",
		1000000: "壹万元整", 10000100: "壹拾万零壹元整", 10001000000: "壹亿零壹万元整", 100000000000: "壹拾亿元整",
		10000000100: "壹亿零壹元整", 100500: "壹仟零伍元整", -100: "负壹元整",
		5000000: "伍万元整", 100000000000100: "壹万亿零壹元整", 1100000: "壹万壹仟元整", 1099900: "壹万零玖佰玖拾玖元整",
		10001000100: "壹亿零壹万零壹元整", 10000500000: "壹亿零伍仟元整", 10010000000: "壹亿零壹拾万元整",
	} {
		if got := f.Capitals(); got != want {
			t.Errorf("(%d).Capitals() = %s, want %s", f, got, want)
		}
	}
}

// However zeros and other digits are mixed, one 零 stands for a run of zeros, and none
// before a unit or at the end.
func TestCapitalsWriteOneZero(t *testing.T) {
	t.Parallel()
	groups := []money.Fen{0, 1, 10, 100, 101, 1000, 1001, 1010, 5000, 9999}
	for _, high := range groups {
		for _, middle := range groups {
			for _, low := range groups {
				f := 100 * (high*1_0000_0000 + middle*1_0000 + low)
				text := f.Capitals()
				for _, wrong := range []string{"零零", "零万", "零亿", "零元", "零拾", "亿万"} {
					if f > 0 && strings.Contains(text, wrong) {
						t.Errorf("(%d).Capitals() = %s, with %s", f, text, wrong)
					}
				}
				if strings.HasPrefix(text, "零") && f > 0 {
					t.Errorf("(%d).Capitals() = %s", f, text)
				}
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"1.23", "0", "-1", "1e9", "９"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := money.Parse(text)
		if err == nil && (got < 0 || got > money.Max) {
			t.Fatalf("Parse(%q) = %d, outside the bank's range", text, got)
		}
	})
}
