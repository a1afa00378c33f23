package confirm_test

import (
	"fmt"
	"slices"
	"testing"

	transferconfirm "github.com/tidebank/tidebank/functions/transfer/confirm"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// byKey confirms the transfer by the phone's key and the Bluetooth Key.
func (w fixture) byKey(t *testing.T, in transferprepare.Response, key bank.UKey) bank.Reply {
	t.Helper()
	return w.proven(t, in, w.Signed(t, in), key.Signed(t, stepup.BluetoothKey, in.Text))
}

// offersKey reports whether the phone's key and the Bluetooth Key are offered for the amount.
func (w fixture) offersKey(t *testing.T, amount money.Fen) bool {
	t.Helper()
	got := w.Phone.Call(t, transferprepare.Function, "", w.request(amount))
	if got.Code != "" {
		got.Want(t, "STEPUP_STRONGER")
		return false
	}
	var in transferprepare.Response
	got.Into(t, &in)
	return slices.Contains(in.Combinations, "device_key+bluetooth_key")
}

// A Bluetooth Key confirms up to the lower of what is set for the customer and for the account, and
// what is not set is the policy's 50,000.00. It counts at the preparation, and at the confirmation
// of what was prepared before.
func TestABluetoothKeyPaysUpToBothLimits(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LIMIT-004.1", "LIMIT-004.2")
	for _, tt := range []struct {
		name              string
		customer, account money.Fen // 0: not set
		most              money.Fen
	}{
		{"neither is set", 0, 0, 50_000_00},
		{"only the customer's is raised", 900_000_00, 0, 50_000_00},
		{"only the account's is raised", 0, 900_000_00, 50_000_00},
		{"the customer's is lower", 200_000_00, 900_000_00, 200_000_00},
		{"the account's is lower", 900_000_00, 300_000_00, 300_000_00},
		{"the customer's is very low", 10_00, 900_000_00, 10_00},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t, 9*million)
			w.AllowLarge(t)
			key, account := w.BluetoothKey(t, w.Payer), w.Payer.AccountIDs[0]
			set := func(customer, of money.Fen) {
				if customer > 0 {
					w.LimitKey(t, w.Payer, nil, customer, customer)
				}
				if of > 0 {
					w.LimitKey(t, w.Payer, &account, of, of)
				}
			}
			set(tt.customer, tt.account)
			if w.offersKey(t, tt.most+1) {
				t.Error("0.01 more is offered")
			}
			in := w.prepare(t, tt.most)
			if !slices.Contains(in.Combinations, "device_key+bluetooth_key") {
				t.Fatalf("combinations %q", in.Combinations)
			}
			w.byKey(t, in, key).Want(t, "")
			if got := w.Balance(t, w.Payee.AccountIDs[0]); got != tt.most {
				t.Errorf("%s arrived", got.Yuan())
			}
			w.evidenced(t, in.IntentID)
			if w.offersKey(t, 1) {
				t.Error("the day is used up, and the key is offered")
			}
			w.CheckLedger(t)
		})
	}
}

// The limit of one transfer holds below that of a day: at the preparation, and at the confirmation of what was prepared
// before the limit. The day's sum takes three transfers of the most, and no fourth.
func TestTheLimitOfOneTransferByBluetoothKey(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LIMIT-004.1", "LIMIT-004.2")
	for name, ofAccount := range map[string]bool{"the customer's": false, "the account's": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const most = 100_000_00
			w := newFixture(t, 9*million)
			w.AllowLarge(t)
			key, account := w.BluetoothKey(t, w.Payer), &w.Payer.AccountIDs[0]
			w.LimitKey(t, w.Payer, nil, 900_000_00, 900_000_00)
			w.LimitKey(t, w.Payer, account, 900_000_00, 900_000_00)
			above := w.prepare(t, most+1)
			if ofAccount {
				w.LimitKey(t, w.Payer, account, most, 3*most)
			} else {
				w.LimitKey(t, w.Payer, nil, most, 3*most)
			}
			if w.offersKey(t, most+1) {
				t.Error("0.01 more is offered")
			}
			w.byKey(t, above, key).Want(t, "LIMIT_EXCEEDED")
			var four [4]transferprepare.Response // all prepared while the whole day is left
			for i := range four {
				four[i] = w.prepare(t, most)
			}
			for _, in := range four[:3] {
				w.byKey(t, in, key).Want(t, "")
			}
			w.byKey(t, four[3], key).Want(t, "LIMIT_EXCEEDED")
			if got := w.Balance(t, w.Payee.AccountIDs[0]); got != 3*most {
				t.Errorf("%s arrived", got.Yuan())
			}
			w.CheckLedger(t)
		})
	}
}

// A limit that is lowered between the preparation and the confirmation holds at the confirmation.
func TestALoweredLimitHoldsAtOnce(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LIMIT-004.1")
	for name, lower := range map[string]func(w fixture){
		"the customer's": func(w fixture) { w.LimitKey(t, w.Payer, nil, 100_000_00, 100_000_00) },
		"the account's":  func(w fixture) { w.LimitKey(t, w.Payer, &w.Payer.AccountIDs[0], 100_000_00, 100_000_00) },
	} {
		w := newFixture(t, 9*million)
		w.AllowLarge(t)
		key := w.BluetoothKey(t, w.Payer)
		w.LimitKey(t, w.Payer, nil, 900_000_00, 900_000_00)
		w.LimitKey(t, w.Payer, &w.Payer.AccountIDs[0], 900_000_00, 900_000_00)
		w.LimitKey(t, w.Payer, &w.Payer.AccountIDs[1], 1, 1) // it is no party
		above, at := w.prepare(t, 100_000_01), w.prepare(t, 100_000_00)
		lower(w)
		w.byKey(t, above, key).Want(t, "LIMIT_EXCEEDED")
		if n := w.Count(t, "SELECT count(*) FROM transfer"); n != 0 {
			t.Errorf("%s: it was carried out", name)
		}
		w.byKey(t, at, key).Want(t, "")
		w.CheckLedger(t)
	}
}

// Transfers of one day by Bluetooth Key never add up to more than the customer's limit, nor those of one
// account to more than the account's, also when all are confirmed at once on two instances.
func TestTheSumsOfADayByBluetoothKey(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LIMIT-004.1")
	db, url := pgtest.NewURL(t)
	w := fixture{bank.PairOn(t, bank.On(t, db), 9*million)}
	w.AllowLarge(t)
	instances, _ := twoInstances(t, w.Bank, url)
	key, first, second := w.BluetoothKey(t, w.Payer), w.Payer.AccountIDs[0], w.Payer.AccountIDs[1]
	own := w.Prepare(t, w.ToOwn(50_000_00))
	w.proven(t, own, w.Signed(t, own), w.Known(t)).Want(t, "") // the second account has money
	w.LimitKey(t, w.Payer, nil, 50_000_00, 50_000_00)
	w.LimitKey(t, w.Payer, &first, 30_000_00, 30_000_00)
	w.LimitKey(t, w.Payer, &second, 30_000_00, 30_000_00)
	slowLimits(t, db)
	const each = 10_000_00
	var proofs [10]stepup.Confirmation // all prepared while the whole limit is left
	for i := range proofs {
		request := w.request(each)
		if i%2 == 0 {
			request["debit_account_id"] = second
		}
		in := w.Prepare(t, request)
		proofs[i] = confirmation(in.IntentID, w.Signed(t, in), key.Signed(t, stepup.BluetoothKey, in.Text))
	}
	bank.Won(t, check.AtOnce(len(proofs), func(i int) bank.Reply {
		frame := w.Phone.Frame(t, transferconfirm.Function, fmt.Sprint("race", i), proofs[i])
		return w.Phone.SendTo(t, instances[i%2], transferconfirm.Function, frame)
	}), "LIMIT_EXCEEDED")
	if got := w.Balance(t, w.Payee.AccountIDs[0]); got != 5*each {
		t.Errorf("%s moved in a day", got.Yuan())
	}
	for _, account := range []any{first, second} {
		if n := w.Count(t, "SELECT count(*) FROM bluetooth_key_use WHERE account_id = $1 AND used > 3000000", account); n != 0 {
			t.Error("the account's limit was exceeded")
		}
	}
	w.CheckLedger(t)
}

// Only the customer's own Bluetooth Key confirms as one.
func TestOtherKeysAreNoBluetoothKey(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-002.2")
	w := newFixture(t, 9*million)
	own, app, others := w.BluetoothKey(t, w.Payer), w.SoftUKey(t, w.Payer, cert.InApp), w.BluetoothKey(t, w.Payee)
	in := w.prepare(t, 1_00)
	for name, proof := range map[string]stepup.Proof{
		"another customer's":      others.Signed(t, stepup.BluetoothKey, in.Text),
		"a soft UKey":             app.Signed(t, stepup.BluetoothKey, in.Text),
		"as a soft UKey":          own.Signed(t, stepup.SoftUKey, in.Text),
		"as one of the counter":   own.Signed(t, stepup.SoftUKeyCounter, in.Text),
		"of another text":         own.Signed(t, stepup.BluetoothKey, in.Text+" "),
		"the phone's own key":     bank.UKey{Key: w.Phone.Key, Certificate: own.Certificate}.Signed(t, stepup.BluetoothKey, in.Text),
		"without its signed text": {Factor: stepup.BluetoothKey, SignedData: []byte(in.Text)},
	} {
		if got := w.proven(t, in, w.Known(t), proof); got.Code != "PROOF_REJECTED" {
			t.Errorf("%s: %d %q", name, got.Status, got.Code)
		}
	}
	w.byKey(t, in, own).Want(t, "")
}
