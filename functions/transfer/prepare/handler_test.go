package prepare_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions/transfer/confirm"
	"github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// town is a bank with a payer of two accounts, logged in on a phone, and a payee.
type town struct {
	*bank.Bank
	phone        *bank.Device
	payer, payee seed.Customer
}

func newTown(t *testing.T, balance money.Fen) town {
	t.Helper()
	b := bank.New(t)
	w := town{Bank: b, phone: b.Device(t, "phone-of-wang")}
	w.payer, w.payee = b.Customer(t, "王小明", balance, 0), b.Customer(t, "李四", 0, 0)
	w.phone.LoginAs(t, w.payer)
	return w
}

func (w town) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	if _, err := w.Host.DB.Pool().Exec(context.Background(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

type fields = map[string]any

func (w town) toOther(amount any) fields {
	return fields{
		"debit_account_id": w.payer.AccountIDs[0], "payee_account_no": w.payee.Accounts[1].No,
		"payee_name": w.payee.Name, "amount_fen": amount,
	}
}

func (w town) toOwn(amount any) fields {
	return fields{
		"debit_account_id": w.payer.AccountIDs[0], "payee_account_id": w.payer.AccountIDs[1], "amount_fen": amount,
	}
}

func (w town) call(t *testing.T, request any) bank.Reply {
	t.Helper()
	return w.phone.Call(t, prepare.Function, "", request)
}

func (w town) wantIntents(t *testing.T, want int) {
	t.Helper()
	var got int
	err := w.Host.DB.Pool().QueryRow(t.Context(), "SELECT count(*) FROM intent").Scan(&got)
	if err != nil || got != want {
		t.Errorf("%d intents are stored (%v), want %d", got, err, want)
	}
}

func TestATransferIsFixedAndNothingMoves(t *testing.T) {
	t.Parallel()
	w := newTown(t, 1_234_56)
	request := w.toOther(1_234_56)
	request["memo"] = "房租，电话13800001111"
	reply := w.call(t, request)
	var got prepare.Response
	reply.Into(t, &got)
	text := strings.Join([]string{
		"潮汐银行转账确认", "付款账户：622848*********0001", "收款户名：*四", "收款账户：622848*********0002",
		"金额：人民币1,234.56元（壹仟贰佰叁拾肆元伍角陆分）", "附言：房租，电话138****1111", "时间：2026-11-23 10:00:00",
		"编号：" + got.IntentID.String(),
	}, "\n")
	want := prepare.Response{
		IntentID: got.IntentID, Text: text, Digest: sm.Digest([]byte(text)), PayeeNameMasked: "*四",
		PayeeAccountMasked: "622848*********0002", ExpiresAt: bank.Start.Add(10 * time.Minute).In(clock.Shanghai),
		Combinations: []string{"sms_otp+device_key", "sms_otp+trade_password", "device_key+trade_password"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("intent (-want +got):\n%s", diff)
	}
	for _, secret := range []string{w.payer.Name, w.payee.Name, w.payer.Accounts[0].No, w.payee.Accounts[0].No, w.payee.Phone} {
		if strings.Contains(string(reply.Body)+w.Log.String(), secret) {
			t.Errorf("%q is shown", secret)
		}
	}
	var balance, moved int64
	err := w.Host.DB.Pool().QueryRow(t.Context(), "SELECT (SELECT balance FROM account WHERE id = $1), (SELECT count(*) FROM transfer)",
		w.payer.AccountIDs[0]).Scan(&balance, &moved)
	if err != nil || balance != 1_234_56 || moved != 0 || len(w.Outbox(t, events.TypeTransferPosted)) != 0 {
		t.Errorf("balance %d and %d transfers, %v", balance, moved, err)
	}
	// Each call fixes a transfer of its own: a key means nothing here.
	var again prepare.Response
	w.phone.Call(t, prepare.Function, "key", w.toOther(1)).Into(t, &again)
	first := again.IntentID
	w.phone.Call(t, prepare.Function, "key", w.toOther(1)).Into(t, &again)
	if again.IntentID == first {
		t.Error("two calls fixed one transfer")
	}
	w.wantIntents(t, 3)
	frame := w.phone.Frame(t, prepare.Function, "", w.toOther(1))
	w.phone.Send(t, prepare.Function, frame).Want(t, "")
	w.phone.Send(t, prepare.Function, frame).Want(t, "FRAME_REPLAYED")
	w.wantIntents(t, 4)
}

func TestFundsToTheFen(t *testing.T) {
	t.Parallel()
	w := newTown(t, 1_000_00)
	w.call(t, w.toOther(1_000_00)).Want(t, "")
	w.call(t, w.toOther(1_000_01)).Want(t, "FUNDS_INSUFFICIENT")
	w.exec(t, "UPDATE account SET held = 1 WHERE id = $1", w.payer.AccountIDs[0])
	w.call(t, w.toOther(1_000_00)).Want(t, "FUNDS_INSUFFICIENT")
	w.call(t, w.toOther(999_99)).Want(t, "")
	w.call(t, w.toOwn(1_000_00)).Want(t, "FUNDS_INSUFFICIENT")
}

var traceID = regexp.MustCompile(`"trace":"[0-9a-f]{32}"`)

// Whose account it is, or whether it exists, is not told.
func TestAccountsOfOthersAndNoAccounts(t *testing.T) {
	t.Parallel()
	w := newTown(t, 1_000_00)
	rich := w.Customer(t, "赵六", 1_000_00)
	for _, group := range []struct {
		want    string
		changes map[string]fields
	}{
		{"OBJECT_NOT_FOUND", map[string]fields{
			"another's account":      {"debit_account_id": rich.AccountIDs[0]},
			"the payee's account":    {"debit_account_id": w.payee.AccountIDs[0]},
			"no account":             {"debit_account_id": uuid.New()},
			"nil":                    {"debit_account_id": uuid.Nil},
			"the bank's own account": {"debit_account_id": seed.Opening},
		}},
		{"PAYEE_MISMATCH", map[string]fields{
			"no such number":     {"payee_account_no": "6228480000099990001"},
			"another name":       {"payee_name": "李四四"},
			"a masked name":      {"payee_name": "*四"},
			"the payer's name":   {"payee_name": w.payer.Name},
			"a blank after it":   {"payee_name": w.payee.Name + " "},
			"another's number":   {"payee_account_no": rich.Accounts[0].No},
			"a number with more": {"payee_account_no": w.payee.Accounts[0].No + "0"},
		}},
	} {
		body := ""
		for name, change := range group.changes {
			request := w.toOther(1)
			for field, value := range change {
				request[field] = value
			}
			got := w.call(t, request)
			if body == "" {
				body = traceID.ReplaceAllString(string(got.Body), "")
			}
			if got.Code != group.want || traceID.ReplaceAllString(string(got.Body), "") != body {
				t.Errorf("%s: %s, others got %s", name, got.Body, body)
			}
		}
	}
	for _, id := range []uuid.UUID{w.payee.AccountIDs[0], rich.AccountIDs[0], uuid.New(), uuid.Nil} {
		request := w.toOwn(1)
		request["payee_account_id"] = id // by id only own accounts can be named
		w.call(t, request).Want(t, "OBJECT_NOT_FOUND")
	}
	w.wantIntents(t, 0)
}

func TestTheSameAccount(t *testing.T) {
	t.Parallel()
	w := newTown(t, 1_000_00)
	own := w.toOwn(1)
	own["payee_account_id"] = w.payer.AccountIDs[0]
	w.call(t, own).Want(t, "ACCOUNT_SAME")
	byNumber := w.toOther(1)
	byNumber["payee_account_no"], byNumber["payee_name"] = w.payer.Accounts[0].No, w.payer.Name
	w.call(t, byNumber).Want(t, "ACCOUNT_SAME")
	w.wantIntents(t, 0)
}

func TestAccountsThatAreNotOpen(t *testing.T) {
	t.Parallel()
	w := newTown(t, 1_000_00)
	for _, state := range []string{"lost", "frozen", "closed"} {
		for name, tt := range map[string]struct {
			account uuid.UUID
			request fields
		}{
			"payer": {w.payer.AccountIDs[0], w.toOther(1)}, "payee": {w.payee.AccountIDs[1], w.toOther(1)},
			"own payee": {w.payer.AccountIDs[1], w.toOwn(1)},
		} {
			w.exec(t, "UPDATE account SET state = $2 WHERE id = $1", tt.account, state)
			if got := w.call(t, tt.request); got.Code != "ACCOUNT_CLOSED" {
				t.Errorf("%s %s: %q, want ACCOUNT_CLOSED", name, state, got.Code)
			}
			w.exec(t, "UPDATE account SET state = 'open'")
		}
	}
	w.wantIntents(t, 0)
}

// The border amounts of every row of the matrix; at each the weakest that is not
// among the answers does not confirm.
func TestWhatItTakesAtEachBorder(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-029.1", "AUTH-029.2")
	w := newTown(t, 2_000_000_00)
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
		w.exec(t, "UPDATE customer SET risk_grade = $2 WHERE id = $1", w.payer.ID, tt.grade)
		request := w.toOther(tt.amount)
		if tt.own {
			request = w.toOwn(tt.amount)
		}
		reply := w.call(t, request)
		if reply.Code != tt.code {
			t.Errorf("%s: %q, want %q", name, reply.Code, tt.code)
			continue
		}
		if tt.code != "" {
			continue
		}
		var got prepare.Response
		reply.Into(t, &got)
		if diff := cmp.Diff(tt.want, got.Combinations); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if tt.want[0] != "device_key" {
			w.wantStronger(t, got)
		}
	}
}

// wantStronger sees that a device key alone does not confirm.
func (w town) wantStronger(t *testing.T, in prepare.Response) {
	t.Helper()
	signature, err := sm.Sign(w.phone.Key, []byte(in.Text))
	if err != nil {
		t.Fatal(err)
	}
	w.phone.Call(t, confirm.Function, in.IntentID.String(), stepup.Confirmation{
		IntentID: in.IntentID, Proofs: []stepup.Proof{{Factor: stepup.DeviceKey, Signature: signature}},
	}).Want(t, "STEPUP_STRONGER")
}

// A payee is new until the first payment; own accounts never are.
func TestNewPayees(t *testing.T) {
	t.Parallel()
	w := newTown(t, 1_000_00)
	li := w.Device(t, "phone-of-li")
	for i, tt := range []struct {
		request fields
		fresh   bool
	}{{w.toOther(1), true}, {w.toOther(1), false}, {w.toOwn(1), false}} {
		var in prepare.Response
		w.call(t, tt.request).Into(t, &in)
		signature, err := sm.Sign(w.phone.Key, []byte(in.Text))
		if err != nil {
			t.Fatal(err)
		}
		w.phone.Call(t, confirm.Function, fmt.Sprint("key", i), stepup.Confirmation{
			IntentID: in.IntentID, Proofs: []stepup.Proof{
				{Factor: stepup.DeviceKey, Signature: signature},
				{Factor: stepup.TradePassword, Password: w.phone.Password(t, bank.TradePassword)},
			},
		}).Want(t, "")
		posted := w.Outbox(t, events.TypeTransferPosted)
		if got := strings.Contains(string(posted[i].Data), `"new_payee": true`); got != tt.fresh {
			t.Errorf("transfer %d: new payee %v, want %v", i, got, tt.fresh)
		}
	}
	li.LoginAs(t, w.payee) // having been paid by somebody does not make them known
	back := fields{
		"debit_account_id": w.payee.AccountIDs[1], "payee_account_no": w.payer.Accounts[0].No, "payee_name": w.payer.Name,
		"amount_fen": 1,
	}
	li.Call(t, prepare.Function, "", back).Want(t, "")
}

// cannot is a risk service that does not answer.
type cannot struct{}

func (cannot) Evaluate(context.Context, risk.Scene, risk.Subject) (risk.Decision, error) {
	return risk.Decision{}, errors.New("down")
}

func TestDependenciesDown(t *testing.T) {
	t.Parallel()
	w := newTown(t, 1_000_00)
	w.Host.Risk = cannot{}
	w.call(t, w.toOther(1)).Want(t, "SERVICE_UNAVAILABLE")
	w.wantIntents(t, 0)

	b := bank.On(t, pgtest.Broken(t))
	d := b.Device(t, "phone-of-wang")
	if err := b.Host.Sessions.Start(t.Context(), d.Channel, w.payer.ID); err != nil {
		t.Fatal(err)
	}
	d.Call(t, prepare.Function, "", w.toOther(1)).Want(t, "SERVICE_UNAVAILABLE")
}
