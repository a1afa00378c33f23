package confirm_test

import (
	"fmt"
	"testing"
	"time"

	transferconfirm "github.com/tidebank/tidebank/functions/transfer/confirm"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// by makes the proofs of a combination, all of which hold.
func (w fixture) by(t *testing.T, in transferprepare.Response, c stepup.Combination) stepup.Confirmation {
	t.Helper()
	var proofs []stepup.Proof
	for _, f := range c {
		switch f {
		case stepup.SMSOTP:
			proofs = append(proofs, stepup.Proof{Factor: f, Code: w.otp(t, in)})
		case stepup.DeviceKey:
			proofs = append(proofs, w.Signed(t, in))
		case stepup.TradePassword:
			proofs = append(proofs, w.Known(t))
		case stepup.Token, stepup.Face, stepup.UnlockKey, stepup.SoftUKey, stepup.SoftUKeyCounter,
			stepup.PhoneShield: // each test of it makes its own
			t.Fatal("the customer has no token, reference photo, unlock key and certificate")
		case stepup.LoginPassword: // it confirms no money
			t.Fatal("a transfer asks for the login password")
		}
	}
	return confirmation(in.IntentID, proofs...)
}

// At 50,000.00 every combination of the factors at hand passes, to others and to own
// accounts; 0.01 more needs a stronger factor, and no combination is named for it.
func TestCapOfTheStrongestFactor(t *testing.T) {
	t.Parallel()
	for _, c := range []stepup.Combination{
		{stepup.SMSOTP, stepup.DeviceKey}, {stepup.SMSOTP, stepup.TradePassword}, {stepup.DeviceKey, stepup.TradePassword},
	} {
		for _, own := range []bool{false, true} {
			w := newFixture(t, 1_000_000_00)
			request, payee := w.request, w.Payee.AccountIDs[0]
			if own {
				request, payee = w.ToOwn, w.Payer.AccountIDs[1]
			}
			w.Phone.Call(t, transferprepare.Function, "", request(50_000_01)).Want(t, "STEPUP_STRONGER")
			in := w.Prepare(t, request(50_000_00))
			w.Phone.Call(t, transferconfirm.Function, "key", w.by(t, in, c)).Want(t, "")
			if got := w.Balance(t, payee); got != 50_000_00 {
				t.Errorf("own %v, by %s: %s arrived", own, c, got.Yuan())
			}
			w.CheckLedger(t)
		}
	}
	req.Covers(t, "LIMIT-001.2", "LIMIT-001.4")
}

// Transfers of one day, to others and to own accounts, by any combination, are one
// sum, also when all are confirmed at once.
func TestOneSumOfADay(t *testing.T) {
	t.Parallel()
	db, url := pgtest.NewURL(t)
	w := fixture{bank.PairOn(t, bank.On(t, db), 1_000_000_00)}
	instances, _ := twoInstances(t, w.Bank, url)
	slowLimits(t, db)
	const each = 9_000_00
	combinations := []stepup.Combination{
		{stepup.SMSOTP, stepup.DeviceKey}, {stepup.SMSOTP, stepup.TradePassword}, {stepup.DeviceKey, stepup.TradePassword},
	}
	var proofs [12]stepup.Confirmation // all prepared while the whole limit is left
	for i := range proofs {
		in := w.Prepare(t, w.ToOwn(each))
		if i%2 == 0 {
			in = w.prepare(t, each)
		}
		proofs[i] = w.by(t, in, combinations[0])
		if i < 4 { // five attempts at the password at once would lock it
			proofs[i] = w.by(t, in, combinations[1+i%2])
		}
	}
	over := w.by(t, w.Prepare(t, w.ToOwn(5_000_01)), combinations[0])
	rest := w.by(t, w.Prepare(t, w.ToOwn(5_000_00)), combinations[0])
	bank.Won(t, check.AtOnce(len(proofs), func(i int) bank.Reply {
		frame := w.Phone.Frame(t, transferconfirm.Function, fmt.Sprint("race", i), proofs[i])
		return w.Phone.SendTo(t, instances[i%2], transferconfirm.Function, frame)
	}), "LIMIT_EXCEEDED")
	moved := func() money.Fen {
		return w.Balance(t, w.Payee.AccountIDs[0]) + w.Balance(t, w.Payer.AccountIDs[1])
	}
	if got := moved(); got != 5*each {
		t.Fatalf("%s moved in a day, want %s", got.Yuan(), money.Fen(5*each).Yuan())
	}
	w.Phone.Call(t, transferconfirm.Function, "over", over).Want(t, "LIMIT_EXCEEDED")
	w.Phone.Call(t, transferconfirm.Function, "rest", rest).Want(t, "")
	if got := moved(); got != 50_000_00 {
		t.Errorf("%s moved in a day, want 50,000.00", got.Yuan())
	}
	for _, request := range []map[string]any{w.request(1), w.ToOwn(1)} {
		w.Phone.Call(t, transferprepare.Function, "", request).Want(t, "LIMIT_EXCEEDED")
	}
	w.CheckLedger(t)
	req.Covers(t, "LIMIT-001.3")
}

// A row of the policy counts from its day. It may lower the day's cap; a higher one
// does not lift it above the standard's.
func TestTheCapOfADayIsTheDays(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1_000_000_00)
	w.Exec(t, `INSERT INTO policy (name, valid_from, value) VALUES
('transfer.sms.day_cap', '2026-11-24', 100000), ('transfer.sms.day_cap', '2026-11-25', 9000000)`)
	w.Phone.Call(t, transferprepare.Function, "", w.request(50_000_00)).Want(t, "")
	for _, tt := range []struct {
		day    string
		fits   money.Fen
		beyond string
	}{{"tomorrow", 1_000_00, "LIMIT_EXCEEDED"}, {"the day after", 50_000_00, "STEPUP_STRONGER"}} {
		w.Advance(24 * time.Hour)
		w.Phone.Reopen(t)
		w.Phone.LoginAs(t, w.Payer)
		w.Phone.Call(t, transferprepare.Function, "", w.request(tt.fits+1)).Want(t, tt.beyond)
		in := w.prepare(t, tt.fits)
		w.Phone.Call(t, transferconfirm.Function, tt.day, w.proofs(t, in)).Want(t, "")
		w.Phone.Call(t, transferprepare.Function, "", w.request(1)).Want(t, "LIMIT_EXCEEDED")
	}
	w.CheckLedger(t)
}
