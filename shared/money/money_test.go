package money_test

import (
	"math"
	"testing"

	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/test/req"
)

func TestParseTakesYuanAndNothingElse(t *testing.T) {
	t.Parallel()
	req.Covers(t, "QA-010")
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
	req.Covers(t, "QA-010")
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
	} {
		if got := f.Capitals(); got != want {
			t.Errorf("(%d).Capitals() = %s, want %s", f, got, want)
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
