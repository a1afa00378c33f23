package confirm_test

import (
	"slices"
	"testing"

	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// shieldCap is the limit parameter of the phone shield: its row of stepup_cap.
const shieldCap money.Fen = 200_000_00

// A signature by the phone shield confirms up to the limit parameter, without another medium, and in
// a sum of a day of its own.
func TestAPhoneShieldPaysUpToItsLimit(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-019.1")
	w := newFixture(t, 9*million)
	w.AllowLarge(t)
	shield := w.Phone.Shield(t, w.Payer)
	above := w.Phone.Call(t, transferprepare.Function, "", w.request(shieldCap+1))
	if above.Want(t, "STEPUP_STRONGER"); above.Problem.Most == nil || *above.Problem.Most != shieldCap {
		t.Errorf("the largest amount told is %v", above.Problem.Most)
	}
	in := w.prepare(t, shieldCap)
	if want := []string{"sms_otp+phone_shield", "trade_password+phone_shield"}; !slices.Equal(in.Combinations, want) {
		t.Errorf("combinations %q", in.Combinations)
	}
	w.proven(t, in, shield.Signed(t, stepup.PhoneShield, in.Text)).Want(t, "STEPUP_STRONGER") // alone
	w.proven(t, in, w.Known(t), shield.Signed(t, stepup.PhoneShield, in.Text)).Want(t, "")
	if got := w.Balance(t, w.Payee.AccountIDs[0]); got != shieldCap {
		t.Errorf("%s arrived", got.Yuan())
	}
	w.evidenced(t, in.IntentID)
	w.Phone.Call(t, transferprepare.Function, "", w.ToOwn(50_000_01)).Want(t, "LIMIT_EXCEEDED")
	w.Prepare(t, w.ToOwn(50_000_00)) // by other factors
	w.CheckLedger(t)
}

// The shield's signature holds only on the phone that its certificate names, although the key
// itself signs the right text.
func TestAPhoneShieldSignsOnItsPhoneOnly(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-019.2")
	w := newFixture(t, 9*million)
	shield := w.Phone.Shield(t, w.Payer)
	pad := fixture{bank.Pair{Bank: w.Bank, Phone: w.Device(t, "pad-of-wang"), Payer: w.Payer, Payee: w.Payee}}
	pad.Phone.LoginAs(t, w.Payer)
	pad.Phone.Call(t, transferprepare.Function, "", pad.request(50_000_01)).Want(t, "STEPUP_STRONGER")
	in := pad.prepare(t, 1_00)
	if slices.ContainsFunc(in.Combinations, func(c string) bool {
		return slices.Contains(stepup.ParseCombination(c), stepup.PhoneShield)
	}) {
		t.Errorf("offered on another phone: %q", in.Combinations)
	}
	signed := shield.Signed(t, stepup.PhoneShield, in.Text)
	pad.proven(t, in, pad.Known(t), signed).Want(t, "PROOF_REJECTED")
	signed.Factor = stepup.SoftUKey
	pad.proven(t, in, pad.Known(t), signed).Want(t, "PROOF_REJECTED")
	check.Must(t, w.Host.Sessions.Start(t.Context(), w.Phone.Channel, w.Payer.ID))
	w.Phone.ReportClean(t, w.Payer.ID)
	own := w.prepare(t, 1_00)
	w.proven(t, own, w.Known(t), shield.Signed(t, stepup.PhoneShield, own.Text)).Want(t, "")
}
