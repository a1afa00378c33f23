package preferenceset_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	identitypreferenceset "github.com/tidebank/tidebank/functions/identity/preferenceset"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/facetest"
	"github.com/tidebank/tidebank/test/req"
)

type fixture struct{ bank.Pair }

func newFixture(t *testing.T) fixture {
	t.Helper()
	return fixture{bank.NewPair(t, 1_000_000_00)}
}

func (w fixture) choose(t *testing.T, combination string, amount money.Fen) bank.Reply {
	t.Helper()
	return w.Phone.Call(t, identitypreferenceset.Function, "", map[string]any{"combination": combination, "amount_fen": amount})
}

// asks is what a transfer asks for.
func (w fixture) asks(t *testing.T, request map[string]any) []string {
	t.Helper()
	w.Exec(t, "DELETE FROM limit_use")
	return w.Prepare(t, request).Combinations
}

func (w fixture) want(t *testing.T, what string, request map[string]any, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, w.asks(t, request)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

var any2 = []string{"sms_otp+device_key", "sms_otp+trade_password", "device_key+trade_password"}

const all3 = "sms_otp+device_key+trade_password"

// Every later transfer that the choice suffices for asks for it, and no proof that is
// weaker than the choice confirms it. Other transfers ask as before.
func TestTransfersAskForTheChoice(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-017.1")
	w := newFixture(t)
	w.want(t, "before", w.ToPayee(100_00), any2...)
	w.want(t, "before, own accounts", w.ToOwn(100_00), "device_key", "trade_password")
	for _, choice := range []string{"device_key+trade_password", "sms_otp+trade_password", "device_key+sms_otp", all3} {
		var reply identitypreferenceset.Response
		w.choose(t, choice, 20_000_00).Into(t, &reply)
		if reply != (identitypreferenceset.Response{Combination: choice, Amount: 20_000_00}) {
			t.Errorf("the reply is %+v", reply)
		}
		for _, amount := range []money.Fen{1, 20_000_00} {
			w.want(t, choice, w.ToPayee(amount), choice)
			w.want(t, choice+", own accounts", w.ToOwn(amount), choice)
		}
		w.want(t, choice+", above its amount", w.ToPayee(20_000_01), any2...)
	}
	// The last choice is all three: two of them were enough before, and no longer are.
	in := w.Prepare(t, w.ToPayee(1_00))
	w.Confirm(t, w.Proved(t, in)).Want(t, "STEPUP_STRONGER")
	if got := w.Balance(t, w.Payee.AccountIDs[0]); got != 0 {
		t.Errorf("the payee has %s", got.Yuan())
	}
	w.choose(t, "device_key+trade_password", 20_000_00).Want(t, "")
	w.Confirm(t, w.Proved(t, w.Prepare(t, w.ToPayee(1_00)))).Want(t, "")
	// At a raised grade the choice of two is not enough; the choice of three is.
	w.Exec(t, "UPDATE customer SET risk_grade = 1 WHERE id = $1", w.Payer.ID)
	w.want(t, "raised", w.ToPayee(1_00), all3)
	w.Exec(t, "UPDATE customer SET risk_grade = 0 WHERE id = $1", w.Payer.ID)
	// On a device without a key, a choice with the key is refused: the choice is not weakened.
	w.Exec(t, "DELETE FROM device WHERE customer_id = $1", w.Payer.ID)
	w.Phone.Call(t, transferprepare.Function, "", w.ToPayee(1_00)).Want(t, "DEVICE_UNBOUND")
	w.Exec(t, `INSERT INTO stepup_rule VALUES ('transfer-confirm', 'others', 'unbound', 0, 100000000000000, $1, $2, 'a', 'b')`,
		[]string{"sms_otp+trade_password"}, w.Clock.Now()) // a bank that lets such a device pay
	w.Advance(30 * time.Second)
	w.Phone.Call(t, transferprepare.Function, "", w.ToPayee(1_00)).Want(t, "DEVICE_UNBOUND")
	w.choose(t, "sms_otp+trade_password", 20_000_00).Want(t, "")
	w.want(t, "without a key", w.ToPayee(1_00), "sms_otp+trade_password")
}

// A choice with the face needs a reference photo, and is none while the photo is gone or too old.
func TestAChoiceWithTheFace(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	engine := facetest.Start(t, w.Bank)
	w.choose(t, "device_key+face", 20_000_00).Want(t, "STEPUP_STRONGER")
	engine.Photo(t, w.Payer)
	w.choose(t, "face", 1).Want(t, "STEPUP_STRONGER")
	w.choose(t, "device_key+face", 20_000_00).Want(t, "")
	w.want(t, "the choice", w.ToPayee(20_000_00), "device_key+face")
	w.Exec(t, "UPDATE face_reference SET taken_at = $1", w.Clock.Now().Add(-facetest.MaxAge))
	w.want(t, "with an old photo", w.ToPayee(20_000_00), any2...)
	w.choose(t, "sms_otp+face", 20_000_00).Want(t, "STEPUP_STRONGER")
	// Two of the three would be enough, but the app could not prove the third.
	w.Exec(t, "UPDATE face_reference SET taken_at = $1", w.Clock.Now())
	w.choose(t, "sms_otp+trade_password+face", 20_000_00).Want(t, "")
	w.want(t, "a choice of three", w.ToPayee(20_000_00), "sms_otp+trade_password+face")
	w.Exec(t, "DELETE FROM face_reference")
	w.want(t, "without a photo", w.ToPayee(20_000_00), any2...)
}

// A choice with a finger needs a key on the device that the finger unlocks, and is none where it is not
// set.
func TestAChoiceWithAFinger(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.choose(t, "device_key+unlock_key", 20_000_00).Want(t, "STEPUP_STRONGER")
	w.SetUnlockKey(t, device.ByFingerprint)
	w.choose(t, "unlock_key", 1).Want(t, "STEPUP_STRONGER")
	w.choose(t, "device_key+unlock_key", 20_000_00).Want(t, "")
	w.want(t, "the choice", w.ToPayee(20_000_00), "device_key+unlock_key")
	w.Exec(t, "UPDATE device SET fingerprint_key = NULL")
	w.choose(t, "sms_otp+unlock_key", 20_000_00).Want(t, "STEPUP_STRONGER")
	w.want(t, "without the key", w.ToPayee(20_000_00), any2...)
}

// A choice with a soft UKey needs its certificate, and is none once that is revoked.
func TestAChoiceWithASoftUKey(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.choose(t, "trade_password+soft_ukey", 20_000_00).Want(t, "STEPUP_STRONGER")
	by := w.SoftUKey(t, w.Payer, cert.InApp)
	w.choose(t, "device_key+soft_ukey", 1).Want(t, "STEPUP_STRONGER")
	w.choose(t, "trade_password+soft_ukey", 50_000_01).Want(t, "STEPUP_STRONGER")
	w.choose(t, "trade_password+soft_ukey", 20_000_00).Want(t, "")
	w.want(t, "the choice", w.ToPayee(20_000_00), "trade_password+soft_ukey")
	w.Authority(t).Revoke(by.Certificate.Serial())
	w.Relist(t)
	w.want(t, "with a revoked certificate", w.ToPayee(20_000_00), any2...)
}

// A choice out of the range, or below the minimum of its amount, is refused, and the old
// choice stays.
func TestAChoiceThatIsRefusedLeavesTheOldOne(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-017.2")
	w := newFixture(t)
	w.choose(t, "sms_otp+device_key", 50_000_00).Want(t, "")
	for _, tt := range []struct {
		combination string
		amount      money.Fen
		want        string
	}{
		{"device_key", 1, "STEPUP_STRONGER"},
		{"trade_password", 1, "STEPUP_STRONGER"},
		{"sms_otp", 50_000_00, "STEPUP_STRONGER"},
		{"sms_otp+trade_password", 50_000_01, "STEPUP_STRONGER"},
		{all3, 50_000_01, "STEPUP_STRONGER"},
		{"face", 1, "STEPUP_STRONGER"},
		{"face+trade_password", 1, "STEPUP_STRONGER"}, // the bank has no photo
		{"fingerprint", 1, "INPUT_INVALID"},
		{"fingerprint+trade_password", 1, "INPUT_INVALID"},
		{"sms_otp+sms_otp", 1, "INPUT_INVALID"},
		{"sms_otp+", 1, "INPUT_INVALID"},
		{"+", 1, "INPUT_INVALID"},
		{"", 1, "INPUT_INVALID"},
		{"SMS_OTP+device_key", 1, "INPUT_INVALID"},
		{"sms_otp+trade_password", 0, "INPUT_INVALID"},
		{"sms_otp+trade_password", -1, "INPUT_INVALID"},
	} {
		w.choose(t, tt.combination, tt.amount).Want(t, tt.want)
		w.want(t, tt.combination, w.ToPayee(50_000_00), "sms_otp+device_key")
	}
	// A rule that becomes stricter later counts: the choice is no longer enough.
	check.Exec(t, w.Host.DB.Pool(), `
INSERT INTO stepup_rule VALUES ('transfer-confirm', 'others', 'bound', 0, 100000000000000, $1, $2, 'one person', 'another person')`,
		[]string{all3}, w.Clock.Now())
	w.Advance(30 * time.Second)
	w.want(t, "a stricter rule", w.ToPayee(1_00), all3)
}

// The choice is the caller's alone, and goes with no one else's.
func TestTheChoiceIsTheCallers(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	other := w.Device(t, "phone-of-li")
	other.LoginAs(t, w.Payee)
	other.Call(t, identitypreferenceset.Function, "", map[string]any{"combination": all3, "amount_fen": 50_000_00}).Want(t, "")
	w.want(t, "another's choice", w.ToPayee(1_00), any2...)
	stranger := w.Device(t, "phone-of-nobody")
	stranger.Call(t, identitypreferenceset.Function, "", map[string]any{"combination": all3, "amount_fen": 1}).
		Want(t, "SESSION_REQUIRED")
}
