package prepare_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// raw is a request with one field replaced by JSON as it stands; "" leaves it out.
func (w fixture) raw(t *testing.T, field, value string) json.RawMessage {
	t.Helper()
	all := map[string]json.RawMessage{}
	for name, v := range w.toOther(1) {
		text := check.JSON(t, v)
		all[name] = text
	}
	delete(all, field)
	var parts []string
	for name, text := range all {
		parts = append(parts, fmt.Sprintf("%q:%s", name, text))
	}
	if value != "" {
		parts = append(parts, fmt.Sprintf("%q:%s", field, value))
	}
	return json.RawMessage("{" + strings.Join(parts, ",") + "}")
}

func TestAmounts(t *testing.T) {
	t.Parallel()
	req.Covers(t, "INPUT-001.1")
	w := newFixture(t, 1_000_00)
	for _, tt := range []struct{ value, want string }{
		{"1", ""},
		{"100000", ""},
		{"100001", "FUNDS_INSUFFICIENT"},
		{"100000000000000", "FUNDS_INSUFFICIENT"}, // the most that the bank handles in one figure
		{"100000000000001", "INPUT_INVALID"},
		{"9223372036854775807", "INPUT_INVALID"},
		{"9223372036854775808", "INPUT_INVALID"}, // no int64 any more
		{"18446744073709551617", "INPUT_INVALID"},
		{"1e30", "INPUT_INVALID"},
		{"0", "INPUT_INVALID"},
		{"-0", "INPUT_INVALID"},
		{"-1", "INPUT_INVALID"},
		{"-9223372036854775808", "INPUT_INVALID"},
		{"null", "INPUT_INVALID"},
		{"", "INPUT_INVALID"},
		{"1e3", "INPUT_INVALID"},
		{"1E0", "INPUT_INVALID"},
		{"0.001", "INPUT_INVALID"},
		{"1.5", "INPUT_INVALID"},
		{"1.0", "INPUT_INVALID"},
		{`"100"`, "INPUT_INVALID"},
		{`"1,000.00"`, "INPUT_INVALID"},
		{`"１００"`, "INPUT_INVALID"},
		{"true", "INPUT_INVALID"},
		{"[1]", "INPUT_INVALID"},
		{"{}", "INPUT_INVALID"},
	} {
		got := w.call(t, w.raw(t, "amount_fen", tt.value))
		if got.Code != tt.want {
			t.Errorf("%s: %q, want %q", tt.value, got.Code, tt.want)
		}
		if got.Code == "INPUT_INVALID" {
			if got.Problem.Field != "amount_fen" {
				t.Errorf("%s: %q was named", tt.value, got.Problem.Field)
			}
		}
	}
	// The runtime refuses a body that is no JSON before it reads the field.
	for _, value := range []string{"1,000.00", "１００", "01", "+1", "1_000", "0x10", "NaN"} {
		body := strings.Replace(string(w.raw(t, "amount_fen", "777")), "777", value, 1)
		frame := w.Phone.FrameAt(t, transferprepare.Function, w.Clock.Now(), []byte(`{"idempotency_key":"","request":`+body+`}`))
		w.Phone.Send(t, transferprepare.Function, frame).Want(t, "INPUT_INVALID")
	}
	for _, over := range []struct{ field, value string }{
		{"payee_account_no", `"` + strings.Repeat("6", 33) + `"`}, {"fee_fen", "0"},
	} {
		w.call(t, w.raw(t, over.field, over.value)).Want(t, "INPUT_INVALID")
	}
	w.wantIntents(t, 2)
}

func TestEveryOtherElementWrong(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1_000_00)
	quoted := func(text string) string { return `"` + text + `"` }
	own := quoted(w.Payer.AccountIDs[1].String())
	for _, tt := range []struct{ name, field, value, want, named string }{
		{"no payer", "debit_account_id", "", "INPUT_INVALID", "debit_account_id"},
		{"payer that is no id", "debit_account_id", `"1"`, "INPUT_INVALID", "debit_account_id"},
		{"payer of another type", "debit_account_id", "1", "INPUT_INVALID", "debit_account_id"},
		{"no payee", "payee_account_no", "", "INPUT_INVALID", "payee_account_no"},
		{"empty payee", "payee_account_no", `""`, "INPUT_INVALID", "payee_account_no"},
		{"payee of another type", "payee_account_no", "6228480000000010001", "INPUT_INVALID", "payee_account_no"},
		{"payee of 33", "payee_account_no", quoted(strings.Repeat("6", 33)), "INPUT_INVALID", "payee_account_no"},
		{"blanks as a payee", "payee_account_no", quoted("   "), "INPUT_INVALID", "payee_account_no"},
		{"a word as a payee", "payee_account_no", quoted("hello"), "INPUT_INVALID", "payee_account_no"},
		{"dashes as a payee", "payee_account_no", quoted("------------"), "INPUT_INVALID", "payee_account_no"},
		{"payee of 11", "payee_account_no", quoted(strings.Repeat("6", 11)), "INPUT_INVALID", "payee_account_no"},
		{"payee of 12", "payee_account_no", quoted(strings.Repeat("6", 12)), "PAYEE_MISMATCH", ""},
		{"payee of 19", "payee_account_no", quoted(strings.Repeat("6", 19)), "PAYEE_MISMATCH", ""},
		{"payee of 20", "payee_account_no", quoted(strings.Repeat("6", 20)), "INPUT_INVALID", "payee_account_no"},
		{"two payees", "payee_account_id", own, "INPUT_INVALID", "payee_account_no"},
		{"no payee's name", "payee_name", "", "INPUT_INVALID", "payee_name"},
		{"a blank payee's name", "payee_name", quoted("  "), "INPUT_INVALID", "payee_name"},
		{"name of 61", "payee_name", quoted(strings.Repeat("四", 61)), "INPUT_INVALID", "payee_name"},
		{"name of 60", "payee_name", quoted(strings.Repeat("四", 60)), "PAYEE_MISMATCH", ""},
		{"blanks as a name", "payee_name", `" \u3000"`, "INPUT_INVALID", "payee_name"},
		{"a name in marks of direction", "payee_name", `"\u202e李四\u202c"`, "", ""},
		{"a filler as a name", "payee_name", `"\u3164"`, "INPUT_INVALID", "payee_name"},
		{"a mark as a name", "payee_name", `"\u202e"`, "INPUT_INVALID", "payee_name"},
		{"digits as a name", "payee_name", `"12345"`, "INPUT_INVALID", "payee_name"},
		{"joined letters in the memo", "memo", `"a\u200db"`, "INPUT_INVALID", "memo"},
		{"joined to nothing", "memo", `"👨\u200d"`, "INPUT_INVALID", "memo"},
		{"line break in the name", "payee_name", `"李\n四"`, "INPUT_INVALID", "payee_name"},
		{"memo of 60", "memo", quoted(strings.Repeat("租", 60)), "", ""},
		{"memo of 61", "memo", quoted(strings.Repeat("租", 61)), "INPUT_INVALID", "memo"},
		{"empty memo", "memo", `""`, "", ""},
		{"line break in the memo", "memo", `"房租\n收款户名：赵六"`, "INPUT_INVALID", "memo"},
		{"text turned around", "memo", `"\u202e1"`, "INPUT_INVALID", "memo"},
		{"nothing to see", "memo", `"\u200b"`, "INPUT_INVALID", "memo"},
		{"half a character", "memo", `"\ud800"`, "INPUT_INVALID", "memo"},
		{"memo of another type", "memo", "7", "INPUT_INVALID", "memo"},
		{"a fee", "fee_fen", "0", "INPUT_INVALID", "fee_fen"},
		{"a rate", "rate", "1", "INPUT_INVALID", "rate"},
		{"a total", "total_fen", "1", "INPUT_INVALID", "total_fen"},
		{"a limit", "limit_cap_fen", "999999999", "INPUT_INVALID", "limit_cap_fen"},
		{"a discount", "discount_fen", "1", "INPUT_INVALID", "discount_fen"},
		{"a customer", "customer_id", quoted(w.Payee.ID.String()), "INPUT_INVALID", "customer_id"},
		{"a grade of risk", "grade", "0", "INPUT_INVALID", "grade"},
		{"whose payee", "own", "true", "INPUT_INVALID", "own"},
		{"a known payee", "new_payee", "false", "INPUT_INVALID", "new_payee"},
		{"combinations", "combinations", `["device_key"]`, "INPUT_INVALID", "combinations"},
	} {
		got := w.call(t, w.raw(t, tt.field, tt.value))
		if got.Code != tt.want || got.Problem.Field != tt.named {
			t.Errorf("%s: %q of %q, want %q of %q", tt.name, got.Code, got.Problem.Field, tt.want, tt.named)
		}
	}
	named := w.ToOwn(1)
	named["payee_name"] = w.Payer.Name
	if got := w.call(t, named); got.Code != "INPUT_INVALID" || got.Problem.Field != "payee_name" {
		t.Errorf("a name for an own account: %q of %q", got.Code, got.Problem.Field)
	}
	w.wantIntents(t, 3)
	w.Device(t, "stranger").Call(t, transferprepare.Function, "", w.toOther(1)).Want(t, "SESSION_REQUIRED")
}
