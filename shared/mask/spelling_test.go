package mask_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidebank/tidebank/shared/mask"
	"github.com/tidebank/tidebank/test/check"
)

// spellings are personal numbers as people write them.
var spellings = []string{
	"138 0001 0001", "138-0001-0001", "138.0001.0001", "138·0001·0001", "138/0001/0001", "138 00010001", "1380001 0001",
	"1 3 8 0 0 0 1 0 0 0 1", "138  0001  0001", "138\u00a00001\u00a00001", "138\u30000001\u30000001", "138—0001—0001",
	"138_0001_0001", "(138)00010001", "（138）0001-0001", "138 0001-0001", "138\u200b0001\u200b0001",
	"+8613800010001", "8613800010001", "+86 13800010001", "+86 138 0001 0001", "+86-138-0001-0001", "+86 138-0001-0001",
	"(+86)13800010001", "（+86）138 0001 0001", "0086 138 0001 0001", "008613800010001", "0086-13800010001", "013800010001",
	"１３８０００１０００１", "１３８ ０００１ ０００１", "＋86 138 0001 0001", "١٣٨٠٠٠١٠٠٠١", "一三八零零零一零零零一", "幺三八 〇〇〇一 〇〇〇一",
	"6228 4800 9000 0000 021", "6228-4800-9000-0000-021", "6228.4800.9000.0000.021", "622848 0090000000021",
	"6228 4800 9000 0000", "６２２８４８００９０００００００２１", "6228　4800　9000　0000　021", "62284 80090 00000 0021",
	"6 2 2 8 4 8 0 0 9 0 0 0 0 0 0 0 0 2 1",
	"110101 19900307 7715", "110101 1990 0307 7715", "1101 0119 9003 0777 15", "110101-19900307-7715", "11010119900307 7715",
	"１１０１０１１９９００３０７７７１５", "110101199003077715", "110101 19900307 109x", "１１０１０１１９９００３０７１０９Ｘ",
}

// glued are personal numbers with Latin letters beside them, or in sizes and with
// separators of their writer's own. They are apart from other numbers.
var glued = []string{
	"加wx13800010001", "QQ13800010001", "tel13800010001", "tel-13800010001", "13800010001a", "a13800010001", "13800010001x",
	"wx13800010001qq13800010002", "card6228480090000000021", "6228480090000000021card", "f6228480090000000021",
	"id110101199003077715", "id11010119900307109X", "138，0001，0001", "138,0001,0001", "138、0001、0001", "138=0001=0001",
	"138   0001   0001", "138 - 0001 - 0001", "138－0001－0001", "13 8000 10001", "13-8000-10001", "1 380 001 0001", "wx13 8000 10001",
	"6228 48009000 0000021", "6228=4800=9000=0000=021", "6228，4800，9000，0000，021", "62 28480090 000000 021",
	"壹叁捌零零零壹零零零壹", "壹叁捌 零零零壹 零零零壹", "+86 13 8000 10001", "req_01936000-0000-7000-8000-a13800005678 wx13800010001",
}

func TestGluedNumbersAreFound(t *testing.T) {
	t.Parallel()
	for _, number := range glued {
		for _, text := range []string{number, "请打" + number + "谢谢", "请打 " + number + "，12点", "<" + number + ">"} {
			masked := mask.Text(text)
			if raw := check.JSON(t, masked); masked == text || mask.Leaks(raw) || !mask.Leaks(check.JSON(t, text)) {
				t.Errorf("%q is masked as %q", text, masked)
			}
		}
	}
}

// Every spelling is found and struck out, wherever it stands.
func TestEverySpellingIsFound(t *testing.T) {
	t.Parallel()
	for _, number := range spellings {
		for _, text := range []string{
			number, "电话" + number + "谢谢", "请打 " + number + "，12点", "a: " + number, number + " (home)", "12 " + number + " 7",
			"转100元 " + number, "<" + number + ">", "第1行\n" + number + "\n第2行",
		} {
			masked := mask.Text(text)
			if raw := check.JSON(t, text); !mask.Leaks(raw) {
				t.Errorf("%q is not found", text)
			}
			if raw := check.JSON(t, masked); mask.Leaks(raw) || masked == text {
				t.Errorf("%q is masked as %q", text, masked)
			}
			if got := mask.Redact(text, "[x]"); !strings.Contains(got, "[x]") {
				t.Errorf("%q is struck out as %q", text, got)
			}
		}
	}
}

// A masked number keeps its form, its country code, three digits and four digits.
func TestTextKeepsTheFormOfANumber(t *testing.T) {
	t.Parallel()
	wantMasked(t, mask.Text, map[string]string{
		"138 0001 0001":                      "138 **** 0001",
		"+86 138-0001-0001":                  "+86 138-****-0001",
		"008613800010001":                    "0086138****0001",
		"卡 6228 4800 9000 0000 021，11月":      "卡 622* **** **** ***0 021，11月",
		"１３８０００１０００１":                        "１３８****０００１",
		"110101 19900307 7715":               "110*** ******** 7715",
		"138 0001 0001 13800010002":          "138 **** 0001 138****0002",
		"幺三八零零零一零零零一":                        "幺三八****零零零一",
		"11010119900307109X":                 "110***********109X",
		"房租 100 元，138 0001 0001 或 12345 都可以": "房租 100 元，138 **** 0001 或 12345 都可以",
	})
}

// innocent are texts with many digits that hold no number of a person.
var innocent = []string{
	"2026-11-23 10:00:00", "2026-11-23T10:00:00.123456+08:00", "2026-11-23 10:00:00.123456", "20261123 100000", "2026.11.23 10.00.00",
	"01936000-0000-7000-8000-138000056789", "01936000-0000-7000-8000-1380000a6789", "4bf92f3577b34da6a3ce929d0e0e4736",
	"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "人民币1,234,567.89元", "1,000.00 2,000.00 3,000.00 4,000.00",
	"100 200 300 400 500 600", "139.162.10.123", "139.162.10.123:8080", "192.168.100.101", "2408:8207:7850:1234:5678:9abc:def0:1234",
	"v1.23.456", "1 2 3 4 5 6 7 8 9 10 11 12", "622848*********1234", "138****5678", "**明 622848*****0001", "第12行 第13列 共1400项",
	"3 of 20, 400 ms, 5000 rows, 600 calls", "2026-11-23 1000 2000", "GB/T 32918.2-2016", "12:34:56 78901", "0571-88886666",
	"一二三四五", "壹万贰仟叁佰肆拾伍元陆角", "10:00-11:30 12:00-13:45", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	"01936000-0000-7000-8000-a13800005678", "req_01936000-0000-7000-8000-a13800005678", "trace=abcde13800010001",
	"abcdefab-cdef-4000-9000-123456789abc", "4bf92f3577b34da6a13800010001ce92", "1763863200000000000ns", "1763863200000000us",
	"13,800,010,001", "人民币13,800,010,001.50元", "138,000,100.01", "1500，200，1000", "1500, 2000, 300", "13 14 15 16 17 18 19",
	"1 3 5 7 9 11 13 15", "2026-11-23T10:00:00.138000100+08:00", "13 800 010 001.50", "20261123T100000Z", "EBESExQVFhcYGRobHB0eHyAhIiM=",
	"tidebank-7b9f8d6c5-13800", "intent:01936000-0000-7000-8000-000000000001", "40.0 ms 138.5 ms 1200.25 ms",
}

func TestInnocentTextsStay(t *testing.T) {
	t.Parallel()
	for _, text := range innocent {
		if mask.Leaks(check.JSON(t, text)) || mask.Text(text) != text || mask.Redact(text, "[x]") != text {
			t.Errorf("%q becomes %q", text, mask.Redact(text, "[x]"))
		}
	}
}

// A realistic reply, statement and event raise no alarm; a personal number in a field
// with a personal name does, also as a JSON number.
func TestRepliesRaiseNoFalseAlarm(t *testing.T) {
	t.Parallel()
	for _, reply := range []string{
		`{"transfer_id":"01936000-0000-7000-8000-000000000001","status":"posted","amount_fen":13800010001,"payee_name_masked":"**明",` +
			`"payer_account_masked":"622848*********1234","memo":"房租 2026-11","posted_at":"2026-11-23T10:00:00.123456+08:00"}`,
		`{"entries":[{"number":13800010001,"posting_id":"01936000-0000-7000-8000-138000100011","amount_fen":-15900000000,` +
			`"balance_after_fen":13900010001,"counterparty":"*四 622848*****0001","summary":"转账"}],"next_cursor":"AAAAAAAAAAc"}`,
		`{"card_fee_fen":13800010001,"rows":13800010001,"limits":[13800010001,6228480090000000021]}`,
		`{"text":"潮汐银行转账确认\n付款账户：622848*********1234\n金额：人民币138,000.10元\n时间：2026-11-23 10:00:00\n编号：01936000-0000-7000-8000-000000000001"}`,
	} {
		if mask.Leaks([]byte(reply)) {
			t.Errorf("a false alarm: %s", reply)
		}
	}
	for _, reply := range []string{
		`{"phone":13800010001}`, `{"mobile": 8613800010001}`, `{"card_no":6228480090000000021}`, `{"phones":[1,13800010001]}`,
		`{"a":{"id_no":110101199003077715}}`, `{"tel" : 13800010001 }`,
	} {
		if !mask.Leaks([]byte(reply)) {
			t.Errorf("not found: %s", reply)
		}
	}
}

// A person's characters are counted, not code points: no mark and no selector shows
// alone, and a hidden character is one asterisk.
func TestMasksCountCharacters(t *testing.T) {
	t.Parallel()
	wantMasked(t, mask.Name, map[string]string{
		"王\U0002EBF0":            "*\U0002EBF0",
		"王小\U00020BB7\U000E0100": "**\U00020BB7\U000E0100",
		"葛\U000E0101明":           "*明",
		"Ame\u0301lie":           "*****e",
		"Rene\u0301":             "***e\u0301",
		"王👨\u200d👩\u200d👧":       "*👨\u200d👩\u200d👧",
		"é":                      "*",
		"e\u0301":                "*",
	})
}

// A number is found in each spelling whatever text stands around it.
func TestSpellingsAreFoundInAnyText(t *testing.T) {
	t.Parallel()
	around := rapid.StringOfN(rapid.SampledFrom([]rune("，。：\n\"<>&王元a b")), 1, 8, -1)
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.SampledFrom(spellings).Draw(t, "number")
		text := around.Draw(t, "left") + "：" + number + "，" + around.Draw(t, "right")
		if raw := check.JSON(t, map[string]string{"memo": text}); !mask.Leaks(raw) {
			t.Fatalf("not found in %s", raw)
		}
	})
}

// Whatever the text is, masking and striking out end, and leave nothing to find.
func FuzzText(f *testing.F) {
	for _, text := range append(append([]string{"", "\xff138", "138*0001 0001"}, spellings...), innocent...) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, got := range []string{mask.Text(text), mask.Redact(text, "[x]")} {
			if mask.Text(got) != got || mask.Redact(got, "[x]") != got {
				t.Fatalf("%q becomes %q, which is not the end", text, got)
			}
		}
		mask.Leaks([]byte(text))
		if raw := check.JSON(t, mask.Text(text)); mask.Leaks(raw) {
			t.Fatalf("Text(%q) = %q, which leaks", text, raw)
		}
	})
}
