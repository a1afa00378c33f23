package prepare_test

import (
	"strings"
	"testing"

	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/money"
)

// A payee is found by name and number as people write them, and only by the right ones.
func TestPayeesAreFoundInEverySpelling(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1_000_00)
	for stored, spellings := range map[string][]string{
		"买买提·吐尔逊": {"买买提·吐尔逊", "买买提•吐尔逊", "买买提・吐尔逊", "买买提·吐尔逊 ",
			"买买提.吐尔逊", "买买提．吐尔逊", "买买提﹒吐尔逊", "买买提 · 吐尔逊", "买买提·吐尔逊\u200b", "买买提·吐尔逊　", "买买提·吐尔逊\u00a0", "买买提·吐尔逊\t"},
		"王大明":         {"王 大明", "王　大 明"},
		"O'Brien":     {"O’Brien", "o'brien", "O＇BRIEN"},
		"José Li":     {"José Li", "Jose\u0301 Li", "José  Li"},
		"王\U0002EBF0": {"王\U0002EBF0"},
	} {
		payee := w.Customer(t, stored, money.Fen(0))
		number := payee.Accounts[0].No
		for _, spelling := range spellings {
			request := w.toOther(1)
			request["payee_name"], request["payee_account_no"] = spelling, number
			w.call(t, request).Want(t, "")
			request["payee_account_no"] = number[:4] + " " + number[4:8] + "-" + number[8:]
			w.call(t, request).Want(t, "")
			request["payee_account_no"] = number[:4] + "–" + number[4:8] + ".\u200b" + fullWidth(number[8:])
			w.call(t, request).Want(t, "")
			request["payee_name"] = spelling + "甲"
			w.call(t, request).Want(t, "PAYEE_MISMATCH")
		}
	}
}

// fullWidth writes ASCII digits in full width.
func fullWidth(number string) string {
	return strings.Map(func(r rune) rune { return r - '0' + '０' }, number)
}

// A memo may have every kind of blank and joined emoji; the signed text shows plain blanks.
func TestMemosHaveOneKindOfBlank(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1_000_00)
	for memo, want := range map[string]string{
		"房租　九月": "附言：房租 九月\n", "房租\u00a0\u00a0九月": "附言：房租 九月\n", "房租\t九月": "附言：房租 九月\n", " 房租　": "附言：房租\n",
		"给👨\u200d👩\u200d👧买": "附言：给👨\u200d👩\u200d👧买\n", "❤\ufe0f\u200d🔥": "附言：❤\ufe0f\u200d🔥\n", "　 ": "",
	} {
		request := w.toOther(1)
		request["memo"] = memo
		var got transferprepare.Response
		w.call(t, request).Into(t, &got)
		if want != "" && !strings.Contains(got.Text, want) || want == "" && strings.Contains(got.Text, "附言") {
			t.Errorf("%+q: %s", memo, got.Text)
		}
	}
}
