package mask_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/tidebank/tidebank/shared/mask"
	"github.com/tidebank/tidebank/test/check"
)

func TestLeaks(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		json string
		want bool
	}{
		"phone":                     {`{"phone":"13800005678"}`, true},
		"phone in a sentence":       {`{"memo":"请打13800005678，谢谢"}`, true},
		"phone after a colon":       {`{"memo":"电话: 13800005678"}`, true},
		"phone after a comma":       {`{"memo":"a,13800005678"}`, true},
		"phone after a quote":       {`{"memo":"\"13800005678\""}`, true},
		"phone on the second line":  {`{"text":"电话\n13800005678"}`, true},
		"phone after a tab":         {`{"text":"a\t13800005678"}`, true},
		"phone in angle brackets":   {"{\"text\":\"\\u003c13800005678\\u003e\"}", true},
		"phone after a backslash":   {`{"text":"\\13800005678"}`, true},
		"phone as a name":           {`{"13800005678":1}`, true},
		"phone alone":               {`"13800005678"`, true},
		"identity number":           {`{"id":"110101199001011234"}`, true},
		"identity number with X":    {`{"id":"11010119900101123X"}`, true},
		"identity number with x":    {`{"id":"11010119900101123x"}`, true},
		"card of 16":                {`["6228480000001234"]`, true},
		"card of 19":                {`["6228480000000001234"]`, true},
		"account of 15":             {`["622848000001234"]`, true},
		"second of two":             {`{"a":"x","b":["y","13800005678"]}`, true},
		"behind a number":           {`{"amount_fen":13800005678,"phone":"13800005678"}`, true},
		"nothing":                   {``, false},
		"masked phone":              {`{"phone":"138****5678"}`, false},
		"masked card":               {`{"no":"622848*********1234"}`, false},
		"amount":                    {`{"amount_fen":13800005678}`, false},
		"amount after a space":      {`{"amount_fen": 13800005678 }`, false},
		"amounts in a list":         {`[13800005678, 12345678901234567]`, false},
		"amount alone":              {`13800005678`, false},
		"UUID":                      {`{"id":"01936000-0000-7000-8000-138000056789"}`, false},
		"trace id":                  {`{"trace":"4bf92f3577b34da6a3ce929d0e0e4736"}`, false},
		"time":                      {`{"at":"2026-11-23T10:00:00+08:00"}`, false},
		"ten digits":                {`["1380000567"]`, false},
		"eleven that start with 2":  {`["23800005678"]`, false},
		"twelve, fourteen, twenty":  {`["138000056789","13800005678901","13800005678901234567"]`, false},
		"sixteen and an X":          {`["1101011990010112X"]`, false},
		"a letter before":           {`["a13800005678"]`, true},
		"another letter before":     {`["z13800005678"]`, true},
		"a capital before":          {`["A13800005678"]`, true},
		"the last capital before":   {`["Z13800005678"]`, true},
		"the letter of an escape":   {`["\n2345678901"]`, false},
		"digits of an escape":       {`["\u13800005678"]`, false},
		"broken off in an escape":   {`["\u00`, false},
		"broken off at a backslash": {`["\`, false},
	} {
		if got := mask.Leaks([]byte(tt.json)); got != tt.want {
			t.Errorf("%s: Leaks(%s) = %v", name, tt.json, got)
		}
	}
}

// personal draws what Leaks is there to find.
func personal() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringMatching(`1[0-9]{10}`), rapid.StringMatching(`[0-9]{15,19}`), rapid.StringMatching(`[0-9]{17}[Xx]`),
	)
}

// apart draws text that belongs to no word, escapes of JSON among it.
func apart() *rapid.Generator[string] {
	return rapid.StringOfN(rapid.SampledFrom([]rune("，。：: \n\t\r\b\"\\/<>&*.王\u2028\x01{}[],")), 1, 8, -1)
}

func TestLeaksFindsWhateverStandsAround(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		number := personal().Draw(t, "number")
		text := rapid.String().Draw(t, "before") + apart().Draw(t, "left") + number + apart().Draw(t, "right") +
			rapid.String().Draw(t, "after")
		for name, value := range map[string]any{
			"field": map[string]string{"memo": text}, "name": map[string]int{text: 1}, "list": []any{1, text}, "alone": text,
		} {
			if raw := check.JSON(t, value); !mask.Leaks(raw) {
				t.Fatalf("%s: not found in %s", name, raw)
			}
		}
	})
}

func TestLeaksLetsNumbersPass(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		fen := rapid.Int64().Draw(t, "fen")
		for _, value := range []any{fen, []int64{fen, fen}, map[string]any{"memo": "a:[\"", "fen": fen, "list": []int64{fen}}} {
			if raw := check.JSON(t, value); mask.Leaks(raw) {
				t.Fatalf("a number is taken for personal: %s", raw)
			}
		}
	})
}

// What the bank's answers hold are no numbers of a person: times to the nanosecond, in any
// zone, and digests.
func TestLeaksLetsTimesAndDigestsPass(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		zone := time.FixedZone("", 60*rapid.IntRange(-12*60, 14*60).Draw(t, "minutes"))
		at := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).In(zone)
		digest := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "digest")
		if raw := check.JSON(t, map[string]any{"expires_at": at, "digest": digest}); mask.Leaks(raw) {
			t.Fatalf("taken for personal: %s", raw)
		}
	})
	for _, text := range []string{`"2026-07-28T09:34:06.14490213+08:00"`, `"2026-01-13T11:08:33.59991025+08:00"`} {
		if mask.Leaks([]byte(text)) {
			t.Errorf("%s is taken for personal", text)
		}
	}
}

func TestTextLeavesNothingToFind(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.String(), rapid.StringMatching(`[0-9Xx ,王]{0,60}`),
			rapid.Custom(func(t *rapid.T) string {
				return apart().Draw(t, "left") + personal().Draw(t, "number") + apart().Draw(t, "right")
			}),
		).Draw(t, "text")
		masked := mask.Text(text)
		if raw := check.JSON(t, masked); mask.Leaks(raw) {
			t.Fatalf("Text(%q) = %q, which leaks", text, masked)
		}
		if mask.Text(masked) != masked || len(masked) != len(text) {
			t.Fatalf("Text(%q) = %q, and again %q", text, masked, mask.Text(masked))
		}
		if !mask.Leaks(check.JSON(t, text)) && masked != text {
			t.Fatalf("Text(%q) = %q, though nothing leaked", text, masked)
		}
	})
}

func TestTextKeepsTheRest(t *testing.T) {
	t.Parallel()
	wantMasked(t, mask.Text, map[string]string{
		"房租 13800005678 谢谢":        "房租 138****5678 谢谢",
		"卡6228480000000001234，11月": "卡622************1234，11月",
		"11010119900101123X":       "110***********123X",
		"a13800005678":             "a138****5678",
		"13800005678\n13800005679": "138****5678\n138****5679",
		"工资":                       "工资",
		"":                         "",
	})
}

// wantMasked masks each text and compares the result.
func wantMasked(t *testing.T, m func(string) string, cases map[string]string) {
	t.Helper()
	for text, want := range cases {
		if got := m(text); got != want {
			t.Errorf("%q is masked as %q, want %q", text, got, want)
		}
	}
}

// Each mask keeps the length and shows no more than its places.
func TestMasksShowTheirPlacesOnly(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]struct {
		mask       func(string) string
		head, tail int
	}{
		"name": {mask.Name, 0, 1}, "phone": {mask.Phone, 3, 4}, "account": {mask.Account, 6, 4}, "identity": {mask.IDNo, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				clear := []rune(rapid.StringOf(rapid.SampledFrom([]rune("0123456789X王小明·é"))).Draw(t, "clear"))
				masked := []rune(m.mask(string(clear)))
				if len(masked) != len(clear) || !utf8.ValidString(string(masked)) {
					t.Fatalf("%q becomes %q", string(clear), string(masked))
				}
				for i, r := range masked {
					shown := len(clear) > m.head+m.tail && (i < m.head || i >= len(clear)-m.tail)
					if shown && r != clear[i] || !shown && r != '*' {
						t.Fatalf("%q becomes %q", string(clear), string(masked))
					}
				}
				if strings.Count(string(masked), "*") == 0 && len(clear) > 0 {
					t.Fatalf("%q is not masked", string(clear))
				}
			})
		})
	}
}
