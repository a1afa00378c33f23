package prepare_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// fixture is a pair. The payee is paid on the second account.
type fixture struct{ bank.Pair }

func newFixture(t *testing.T, balance money.Fen) fixture {
	t.Helper()
	return fixture{bank.NewPair(t, balance)}
}

type fields = map[string]any

func (w fixture) toOther(amount money.Fen) fields {
	request := w.ToPayee(amount)
	request["payee_account_no"] = w.Payee.Accounts[1].No
	return request
}

func (w fixture) call(t *testing.T, request any) bank.Reply {
	t.Helper()
	return w.Phone.Call(t, transferprepare.Function, "", request)
}

func (w fixture) wantIntents(t *testing.T, want int) {
	t.Helper()
	if got := w.Count(t, "SELECT count(*) FROM intent"); got != want {
		t.Errorf("%d intents are stored, want %d", got, want)
	}
}

// Two accounts whose masked names and numbers are alike have texts that differ, and the
// code in a text is the one that the payee's own account shows.
func TestLookAlikeAccountsHaveTextsThatDiffer(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 10_00)
	alike := w.Customer(t, "王四", 0, 0)
	request := w.toOther(1_00)
	var meant, other, again transferprepare.Response
	w.call(t, request).Into(t, &meant)
	w.call(t, request).Into(t, &again)
	request["payee_name"], request["payee_account_no"] = alike.Name, alike.Accounts[1].No
	w.call(t, request).Into(t, &other)
	if meant.PayeeNameMasked != other.PayeeNameMasked || meant.PayeeAccountMasked != other.PayeeAccountMasked {
		t.Fatalf("the accounts are not alike: %+v and %+v", meant, other)
	}
	if meant.PayeeCode == other.PayeeCode || meant.PayeeCode != again.PayeeCode || len(meant.PayeeCode) != 8 {
		t.Errorf("the codes are %s, again %s, and of the other account %s", meant.PayeeCode, again.PayeeCode, other.PayeeCode)
	}
	for _, in := range []transferprepare.Response{meant, other} {
		if !strings.Contains(in.Text, "\n收款识别码："+in.PayeeCode+"\n") {
			t.Errorf("the text does not show the code %s: %s", in.PayeeCode, in.Text)
		}
	}
}

func TestATransferIsFixedAndNothingMoves(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1_234_56)
	request := w.toOther(1_234_56)
	request["memo"] = "房租，电话13800001111"
	reply := w.call(t, request)
	var got transferprepare.Response
	reply.Into(t, &got)
	payeeCode := ledger.PayeeCode(ledger.NumberIndex(w.Host.Keys, fmt.Sprint(request["payee_account_no"])))
	text := strings.Join([]string{
		"潮汐银行转账确认", "付款账户：622848*********0001", "收款户名：*四", "收款账户：622848*********0002", "收款识别码：" + payeeCode,
		"金额：人民币1,234.56元（壹仟贰佰叁拾肆元伍角陆分）", "附言：房租，电话138****1111", "时间：2026-11-23 10:00:00",
		"编号：" + got.IntentID.String(),
	}, "\n")
	want := transferprepare.Response{
		IntentID: got.IntentID, Text: text, Digest: sm.Digest([]byte(text)), PayeeNameMasked: "*四",
		PayeeAccountMasked: "622848*********0002", PayeeCode: payeeCode, ExpiresAt: bank.Start.Add(10 * time.Minute).In(clock.Shanghai),
		Combinations: []string{"sms_otp+device_key", "sms_otp+trade_password", "device_key+trade_password"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("intent (-want +got):\n%s", diff)
	}
	for _, secret := range []string{w.Payer.Name, w.Payee.Name, w.Payer.Accounts[0].No, w.Payee.Accounts[0].No, w.Payee.Phone} {
		if strings.Contains(string(reply.Body)+w.Log.String(), secret) {
			t.Errorf("%q is shown", secret)
		}
	}
	balance, moved := w.Balance(t, w.Payer.AccountIDs[0]), w.Count(t, "SELECT count(*) FROM transfer")
	if balance != 1_234_56 || moved != 0 || len(w.Outbox(t, events.TypeTransferPosted)) != 0 {
		t.Errorf("balance %d and %d transfers", balance, moved)
	}
	// Each call fixes a transfer of its own: a key means nothing here.
	var again transferprepare.Response
	w.Phone.Call(t, transferprepare.Function, "key", w.toOther(1)).Into(t, &again)
	first := again.IntentID
	w.Phone.Call(t, transferprepare.Function, "key", w.toOther(1)).Into(t, &again)
	if again.IntentID == first {
		t.Error("two calls fixed one transfer")
	}
	w.wantIntents(t, 3)
	frame := w.Phone.Frame(t, transferprepare.Function, "", w.toOther(1))
	w.Phone.Send(t, transferprepare.Function, frame).Want(t, "")
	w.Phone.Send(t, transferprepare.Function, frame).Want(t, "FRAME_REPLAYED")
	w.wantIntents(t, 4)
}

func TestFundsToTheFen(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1_000_00)
	w.call(t, w.toOther(1_000_00)).Want(t, "")
	w.call(t, w.toOther(1_000_01)).Want(t, "FUNDS_INSUFFICIENT")
	w.Exec(t, "UPDATE account SET held = 1 WHERE id = $1", w.Payer.AccountIDs[0])
	w.call(t, w.toOther(1_000_00)).Want(t, "FUNDS_INSUFFICIENT")
	w.call(t, w.toOther(999_99)).Want(t, "")
	w.call(t, w.ToOwn(1_000_00)).Want(t, "FUNDS_INSUFFICIENT")
}

// The refusal tells neither whose account it is nor whether it exists.
func TestAccountsOfOthersAndNoAccounts(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1_000_00)
	rich := w.Customer(t, "赵六", 1_000_00)
	for _, group := range []struct {
		want    string
		changes map[string]fields
	}{
		{"OBJECT_NOT_FOUND", map[string]fields{
			"another's account":      {"debit_account_id": rich.AccountIDs[0]},
			"the payee's account":    {"debit_account_id": w.Payee.AccountIDs[0]},
			"no account":             {"debit_account_id": uuid.New()},
			"nil":                    {"debit_account_id": uuid.Nil},
			"the bank's own account": {"debit_account_id": seed.Opening},
		}},
		{"PAYEE_MISMATCH", map[string]fields{
			"no such number":     {"payee_account_no": "6228480000099990001"},
			"another name":       {"payee_name": "李四四"},
			"a masked name":      {"payee_name": "*四"},
			"the payer's name":   {"payee_name": w.Payer.Name},
			"a dot within":       {"payee_name": "李·四"},
			"another's number":   {"payee_account_no": rich.Accounts[0].No},
			"a number with less": {"payee_account_no": w.Payee.Accounts[0].No[:15]},
		}},
	} {
		var first *bank.Reply
		for name, change := range group.changes {
			request := w.toOther(1)
			maps.Copy(request, change)
			got := w.call(t, request)
			got.Want(t, group.want)
			if first == nil {
				first = &got
			}
			bank.WantSame(t, name, got, *first)
		}
	}
	for _, id := range []uuid.UUID{w.Payee.AccountIDs[0], rich.AccountIDs[0], uuid.New(), uuid.Nil} {
		request := w.ToOwn(1)
		request["payee_account_id"] = id // by id only own accounts can be named
		w.call(t, request).Want(t, "OBJECT_NOT_FOUND")
	}
	w.wantIntents(t, 0)
}

func TestTheSameAccount(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1_000_00)
	own := w.ToOwn(1)
	own["payee_account_id"] = w.Payer.AccountIDs[0]
	w.call(t, own).Want(t, "ACCOUNT_SAME")
	byNumber := w.toOther(1)
	byNumber["payee_account_no"], byNumber["payee_name"] = w.Payer.Accounts[0].No, w.Payer.Name
	w.call(t, byNumber).Want(t, "ACCOUNT_SAME")
	w.wantIntents(t, 0)
}

func TestAccountsThatAreNotOpen(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1_000_00)
	for _, state := range []string{"lost", "frozen", "closed"} {
		for name, tt := range map[string]struct {
			account uuid.UUID
			request fields
		}{
			"payer": {w.Payer.AccountIDs[0], w.toOther(1)}, "payee": {w.Payee.AccountIDs[1], w.toOther(1)},
			"own payee": {w.Payer.AccountIDs[1], w.ToOwn(1)},
		} {
			w.Exec(t, "UPDATE account SET state = $2 WHERE id = $1", tt.account, state)
			if got := w.call(t, tt.request); got.Code != "ACCOUNT_CLOSED" {
				t.Errorf("%s %s: %q, want ACCOUNT_CLOSED", name, state, got.Code)
			}
			w.Exec(t, "UPDATE account SET state = 'open'")
		}
	}
	w.wantIntents(t, 0)
}

// The border amounts of every row of the matrix; at each the weakest that is not
// among the answers does not confirm.
func TestWhatItTakesAtEachBorder(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-029.1", "AUTH-029.2")
	w := newFixture(t, 2_000_000_00)
	const (
		otpKey, otpPassword, keyPassword = "sms_otp+device_key", "sms_otp+trade_password", "device_key+trade_password"
		all                              = "sms_otp+device_key+trade_password"
	)
	for _, tt := range []struct {
		own    bool
		grade  risk.Grade
		amount money.Fen
		code   string
		want   []string
	}{
		{false, risk.GradeNormal, 1, "", []string{otpKey, otpPassword, keyPassword}},
		{false, risk.GradeNormal, 50_000_00, "", []string{otpKey, otpPassword, keyPassword}},
		{false, risk.GradeNormal, 50_000_01, "STEPUP_STRONGER", nil},
		{false, risk.GradeRaised, 1, "", []string{all}},
		{false, risk.GradeRaised, 50_000_00, "", []string{all}},
		{false, risk.GradeRaised, 50_000_01, "STEPUP_STRONGER", nil},
		{false, risk.GradeHigh, 1, "RISK_REFUSED", nil},
		{true, risk.GradeNormal, 10_000_00, "", []string{"device_key", "trade_password"}},
		{true, risk.GradeNormal, 10_000_01, "", []string{otpKey, otpPassword, keyPassword}},
		{true, risk.GradeNormal, 50_000_00, "", []string{otpKey, otpPassword, keyPassword}},
		{true, risk.GradeNormal, 50_000_01, "STEPUP_STRONGER", nil},
		{true, risk.GradeRaised, 1, "", []string{otpKey, otpPassword}},
		{true, risk.GradeRaised, 50_000_00, "", []string{otpKey, otpPassword}},
		{true, risk.GradeRaised, 50_000_01, "STEPUP_STRONGER", nil},
		{true, risk.GradeHigh, 1, "RISK_REFUSED", nil},
	} {
		name := fmt.Sprintf("own %v, grade %d, %s", tt.own, tt.grade, tt.amount.Yuan())
		w.Exec(t, "UPDATE customer SET risk_grade = $2 WHERE id = $1", w.Payer.ID, tt.grade)
		request := w.toOther(tt.amount)
		if tt.own {
			request = w.ToOwn(tt.amount)
		}
		reply := w.call(t, request)
		if reply.Code != tt.code {
			t.Errorf("%s: %q, want %q", name, reply.Code, tt.code)
			continue
		}
		if tt.code != "" {
			continue
		}
		var got transferprepare.Response
		reply.Into(t, &got)
		if diff := cmp.Diff(tt.want, got.Combinations); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if tt.want[0] != "device_key" {
			w.wantStronger(t, got)
		}
	}
}

// wantStronger checks that a device key without another factor does not confirm.
func (w fixture) wantStronger(t *testing.T, in transferprepare.Response) {
	t.Helper()
	w.Confirm(t, stepup.Confirmation{IntentID: in.IntentID, Proofs: []stepup.Proof{w.Signed(t, in)}}).Want(t, "STEPUP_STRONGER")
}

// A payee is new until the first payment; own accounts never are.
func TestNewPayees(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1_000_00)
	li := w.Device(t, "phone-of-li")
	for i, tt := range []struct {
		request fields
		fresh   bool
	}{{w.toOther(1), true}, {w.toOther(1), false}, {w.ToOwn(1), false}} {
		w.Confirm(t, w.Proved(t, w.Prepare(t, tt.request))).Want(t, "")
		posted := w.Outbox(t, events.TypeTransferPosted)
		if got := strings.Contains(string(posted[i].Data), `"new_payee": true`); got != tt.fresh {
			t.Errorf("transfer %d: new payee %v, want %v", i, got, tt.fresh)
		}
	}
	li.LoginAs(t, w.Payee) // having been paid by somebody does not make them known
	back := fields{
		"debit_account_id": w.Payee.AccountIDs[1], "payee_account_no": w.Payer.Accounts[0].No, "payee_name": w.Payer.Name,
		"amount_fen": 1,
	}
	li.Call(t, transferprepare.Function, "", back).Want(t, "")
}

// cannot is a risk service that does not answer.
type cannot struct{}

func (cannot) Evaluate(context.Context, risk.Scene, risk.Subject) (risk.Decision, error) {
	return risk.Decision{}, errors.New("down")
}

func TestDependenciesDown(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1_000_00)
	w.Host.Risk = cannot{}
	w.call(t, w.toOther(1)).Want(t, "SERVICE_UNAVAILABLE")
	w.wantIntents(t, 0)

	b := bank.On(t, pgtest.Broken(t))
	d := b.Device(t, "phone-of-wang")
	check.Must(t, b.Host.Sessions.Start(t.Context(), d.Channel, w.Payer.ID))
	d.Call(t, transferprepare.Function, "", w.toOther(1)).Want(t, "SERVICE_UNAVAILABLE")
}
