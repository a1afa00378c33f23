package confirm_test

import (
	"testing"

	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/parameter"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// A bank whose large payments begin at 100,000.00: a larger one is refused by password and
// fingerprint alone, and by the secure chip of another phone. The same payment passes with the
// enrolled phone and a signature by the key in its secure chip, beside the password.
func TestALargePaymentNeedsThePhoneAndItsChip(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CLIENT-006.5", "CLIENT-006.6")
	const large money.Fen = 100_000_00
	w := newFixture(t, 9*million)
	w.Exec(t, "INSERT INTO policy (name, valid_from, value) VALUES ('transfer.large_above', '2026-01-02', $1)", large)
	finger := w.SetUnlockKey(t, device.ByFingerprint)
	w.Phone.Call(t, transferprepare.Function, "", w.request(large+1)).Want(t, "STEPUP_STRONGER") // no chip is enrolled
	shield := w.Phone.Shield(t, w.Payer)
	w.Phone.Call(t, transferprepare.Function, "", w.request(large+1)).Want(t, "OPTION_OFF")
	w.AllowLarge(t)
	in := w.prepare(t, large+1)
	w.proven(t, in, w.Known(t), unlocked(t, finger, in)).Want(t, "STEPUP_STRONGER")
	forged, err := sm.GenerateKey()
	check.Must(t, err)
	w.proven(t, in, w.Known(t), bank.UKey{Key: forged, Certificate: shield.Certificate}.Signed(t, stepup.PhoneShield, in.Text)).
		Want(t, "PROOF_REJECTED")

	pad := fixture{bank.Pair{Bank: w.Bank, Phone: w.Device(t, "pad-of-wang"), Payer: w.Payer, Payee: w.Payee}}
	pad.Phone.LoginAs(t, w.Payer)
	pad.Phone.Call(t, transferprepare.Function, "", pad.request(large+1)).Want(t, "STEPUP_STRONGER")
	pad.proven(t, in, pad.Known(t), shield.Signed(t, stepup.PhoneShield, in.Text)).Want(t, "OBJECT_NOT_FOUND")
	if got := w.Balance(t, w.Payee.AccountIDs[0]); got != 0 {
		t.Errorf("%s arrived", got.Yuan())
	}

	check.Must(t, w.Host.Sessions.Start(t.Context(), w.Phone.Channel, w.Payer.ID))
	w.Phone.ReportClean(t, w.Payer.ID)
	w.proven(t, in, w.Known(t), shield.Signed(t, stepup.PhoneShield, in.Text)).Want(t, "")
	if got := w.Balance(t, w.Payee.AccountIDs[0]); got != large+1 {
		t.Errorf("%s arrived", got.Yuan())
	}
	w.CheckLedger(t)
}

// The staff can't let large payments begin where password and fingerprint alone still confirm one.
func TestTheLeastLargePaymentNeedsMoreThanAFingerprint(t *testing.T) {
	t.Parallel()
	figure, found := parameter.Find("transfer.large_above")
	if !found {
		t.Fatal("the staff can't change the figure")
	}
	w := newFixture(t, 9*million)
	w.Exec(t, "INSERT INTO policy (name, valid_from, value) VALUES ('transfer.large_above', '2026-01-02', $1)", figure.Least)
	finger := w.SetUnlockKey(t, device.ByFingerprint)
	shield := w.Phone.Shield(t, w.Payer)
	w.AllowLarge(t)
	in := w.prepare(t, money.Fen(figure.Least)+1)
	w.proven(t, in, w.Known(t), unlocked(t, finger, in)).Want(t, "STEPUP_STRONGER")
	w.proven(t, in, w.Known(t), shield.Signed(t, stepup.PhoneShield, in.Text)).Want(t, "")
	req.Covers(t, "CLIENT-006.5")
}
