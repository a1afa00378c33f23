package flow_test

import (
	"slices"
	"testing"
	"time"

	"github.com/tidebank/tidebank/test/functest"

	"github.com/google/uuid"

	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/req"
)

// alike sees that all answers are one refusal, of the code given.
func alike(t *testing.T, what, code string, answers map[string]bank.Reply) {
	t.Helper()
	if len(answers) < 2 {
		t.Fatalf("%s: only %d answers", what, len(answers))
	}
	first := ""
	for name, got := range answers {
		if first == "" {
			first = bank.Untraced(string(got.Body))
		}
		if got.Code != code || bank.Untraced(string(got.Body)) != first || got.Problem.Field != "" {
			t.Errorf("%s, %s: %d %s; another got %s", what, name, got.Status, got.Body, first)
		}
	}
}

// TestAnothersLooksLikeNobodys asks for another customer's data and for data that do
// not exist.
func TestAnothersLooksLikeNobodys(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LOGIC-004.1", "LOGIC-004.3")
	p := newFixture(t)
	foreign := p.prepare(t, p.li, p.wang, 1_00)
	paid, message := p.paidBy(t, p.li), p.Message(t, p.li.ID, "转账支出提醒", p.Clock.Now())
	nobody := p.Device(t, "phone-of-nobody")
	for name, ids := range map[string]struct {
		field               string
		theirs, none, owned uuid.UUID
	}{
		"account-alias-set": {"account_id", p.li.AccountIDs[0], uuid.New(), p.wang.AccountIDs[0]},
		"account-detail":    {"account_id", p.li.AccountIDs[0], uuid.New(), p.wang.AccountIDs[0]},
		"account-statement": {"account_id", p.li.AccountIDs[0], uuid.New(), p.wang.AccountIDs[0]},
		"transfer-get":      {"transfer_id", paid, uuid.New(), p.paidBy(t, p.wang)},
		"message-read":      {"message_id", message, uuid.New(), p.Message(t, p.wang.ID, "转账支出提醒", p.Clock.Now())},
		"otp-send":          {"intent_id", foreign.IntentID, uuid.New(), p.prepare(t, p.wang, p.li, 1_00).IntentID},
	} {
		request := fields{}
		if name == "otp-send" {
			request["purpose"] = otp.Intent
		}
		if name == "account-alias-set" {
			request["alias"] = "工资卡"
		}
		alike(t, name, "OBJECT_NOT_FOUND", map[string]bank.Reply{
			"another's": call(t, p.wang.phone, name, with(request, ids.field, ids.theirs)),
			"nobody's":  call(t, p.wang.phone, name, with(request, ids.field, ids.none)),
		})
		// Without a session every request gets the same answer.
		alike(t, name+" without a session", "SESSION_REQUIRED", map[string]bank.Reply{
			"hers": call(t, nobody, name, with(request, ids.field, ids.owned)),
			"none": call(t, nobody, name, with(request, ids.field, ids.none)),
		})
		call(t, p.wang.phone, name, with(request, ids.field, ids.owned)).Want(t, "")
	}
	// A stranger's proofs for another's order: right ones and wrong ones get one answer.
	digits := p.codeFor(t, p.li, foreign)
	alike(t, "a stranger confirms", "OBJECT_NOT_FOUND", map[string]bank.Reply{
		"all right":   confirm(t, p.wang.phone, foreign, code(digits), signed(t, p.li.phone, foreign.Text)),
		"wrong code":  confirm(t, p.wang.phone, foreign, code(wrongCode(digits))),
		"no proof":    confirm(t, p.wang.phone, foreign),
		"no order":    confirm(t, p.wang.phone, transferprepare.Response{IntentID: uuid.New()}, code(digits)),
		"his account": call(t, p.wang.phone, "transfer-prepare", with(p.order(p.wang, p.li, 1), "debit_account_id", p.li.AccountIDs[0])),
	})
}

// TestNoMismatchIsNamed spoils each field that is matched with the bank's records.
func TestNoMismatchIsNamed(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LOGIC-004.5")
	p := newFixture(t)
	who := p.applicant(t, "赵六")
	digits := p.numberCode(t, who.phone, otp.Register, who.Phone)
	signUp := application(t, who.phone, who.Customer, digits)
	answers := map[string]bank.Reply{}
	for field, value := range map[string]any{
		"name": "王大明", "id_no": p.li.IDNo, "card_no": p.li.Accounts[0].No, "card_password": who.phone.Password(t, "295731"),
		"phone": p.li.Phone, "otp": wrongCode(digits),
	} {
		p.calm(t)
		answers[field] = call(t, who.phone, "identity-register", with(signUp, field, value))
	}
	alike(t, "signing up", "REGISTRATION_REFUSED", answers)
	order := p.order(p.wang, p.li, 1_00)
	alike(t, "naming a payee", "PAYEE_MISMATCH", map[string]bank.Reply{
		"number": call(t, p.wang.phone, "transfer-prepare", with(order, "payee_account_no", "6228480000099990001")),
		"name":   call(t, p.wang.phone, "transfer-prepare", with(order, "payee_name", "李四四")),
	})
	tablet := p.Device(t, "tablet-of-wang")
	digits = p.numberCode(t, tablet, otp.Login, p.wang.Phone)
	entry := login(t, tablet, p.wang.Customer, digits)
	answers = map[string]bank.Reply{}
	for field, value := range map[string]any{
		"phone": "13999999999", "password": tablet.Password(t, "not-it-2026"), "otp": wrongCode(digits),
	} {
		p.calm(t)
		answers[field] = call(t, tablet, "identity-login", with(entry, field, value))
	}
	alike(t, "logging in", "LOGIN_FAILED", answers)
	in := p.prepare(t, p.wang, p.li, 1_00)
	good := []fields{code(p.codeFor(t, p.wang, in)), signed(t, p.wang.phone, in.Text), password(t, p.wang.phone, bank.TradePassword)}
	answers = map[string]bank.Reply{}
	for i, wrong := range []fields{
		code(wrongCode(good[0]["code"])), signed(t, p.wang.phone, "another text"), password(t, p.wang.phone, "480275"),
	} {
		p.calm(t)
		proofs := slices.Clone(good)
		proofs[i] = wrong
		answers[wrong["factor"].(string)] = confirm(t, p.wang.phone, in, proofs...)
	}
	alike(t, "confirming", "PROOF_REJECTED", answers)
}

// TestAnothersTakesAsLongAsNobodys asks 1,000 times each, by turns, so that other work
// of the machine slows both alike.
func TestAnothersTakesAsLongAsNobodys(t *testing.T) { //nolint:paralleltest // other tests would be measured too
	req.Covers(t, "LOGIC-004.2")
	p := newFixture(t)
	p.Host.Limits.RateScale = 1_000_000
	f := functest.Named(t, "account-detail")
	measure := func(account uuid.UUID) time.Duration {
		frame := p.wang.phone.Frame(t, f, "", fields{"account_id": account})
		began := time.Now()
		reply := p.wang.phone.Send(t, f, frame)
		took := time.Since(began)
		reply.Want(t, "OBJECT_NOT_FOUND")
		return took
	}
	// A difference by chance shows in one of three rounds at most. A real difference
	// shows in each.
	for round := range 3 {
		var theirs, none []time.Duration
		for range 1000 {
			theirs = append(theirs, measure(p.li.AccountIDs[0]))
			none = append(none, measure(uuid.New()))
		}
		if within(theirs, none) && within(none, theirs) {
			return
		}
		t.Logf("round %d: medians %v and %v", round, quantile(theirs, 2), quantile(none, 2))
	}
	t.Error("the time of an answer tells another's account from none")
}

// within tells whether the median of one lies in the interquartile range of other.
func within(one, other []time.Duration) bool {
	median := quantile(one, 2)
	return quantile(other, 1) <= median && median <= quantile(other, 3)
}

func quantile(durations []time.Duration, quarter int) time.Duration {
	sorted := slices.Sorted(slices.Values(durations))
	return sorted[len(sorted)*quarter/4]
}
