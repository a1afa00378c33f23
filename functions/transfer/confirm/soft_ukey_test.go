package confirm_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	transferconfirm "github.com/tidebank/tidebank/functions/transfer/confirm"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/localstack/casim"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// million is a transfer that only a strong factor confirms.
const million money.Fen = 1_000_000_00

// signed confirms the transfer by the trade password and the key's signature.
func (w fixture) signed(t *testing.T, in transferprepare.Response, by bank.UKey) bank.Reply {
	t.Helper()
	return w.proven(t, in, w.Known(t), by.Signed(t, stepup.SoftUKeyCounter, in.Text))
}

// A signature by the key of the customer's certificate confirms beside another factor: up to
// 1,000,000.00 if the certificate was opened at the counter.
func TestASoftUKeyOfTheCounterPaysAMillion(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-002.1", "LIMIT-002.1")
	w := newFixture(t, 9*million)
	w.AllowLarge(t)
	w.Phone.Call(t, transferprepare.Function, "", w.request(million)).Want(t, "STEPUP_STRONGER")
	by := w.SoftUKey(t, w.Payer, cert.AtCounter)
	above := w.Phone.Call(t, transferprepare.Function, "", w.request(million+1))
	if above.Want(t, "STEPUP_STRONGER"); above.Problem.Most == nil || *above.Problem.Most != million {
		t.Errorf("the largest amount told is %v", above.Problem.Most)
	}
	in := w.prepare(t, million)
	if want := []string{"sms_otp+soft_ukey_counter", "trade_password+soft_ukey_counter"}; !slices.Equal(in.Combinations, want) {
		t.Errorf("combinations %q", in.Combinations)
	}
	w.signed(t, in, by).Want(t, "")
	if got := w.Balance(t, w.Payee.AccountIDs[0]); got != million {
		t.Errorf("%s arrived", got.Yuan())
	}
	w.Phone.Call(t, transferprepare.Function, "", w.ToOwn(50_000_01)).Want(t, "LIMIT_EXCEEDED") // the day is used up
	w.Prepare(t, w.ToOwn(50_000_00))                                                            // the SMS code's day is its own
	w.CheckLedger(t)
}

// A soft UKey that was opened in the app has the cap of the SMS code, and the sum of its day.
func TestASoftUKeyOfTheAppHasTheSMSCodesCap(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LIMIT-002.3")
	w := newFixture(t, 9*million)
	w.AllowLarge(t)
	by := w.SoftUKey(t, w.Payer, cert.InApp)
	refused := w.Phone.Call(t, transferprepare.Function, "", w.request(million))
	if refused.Want(t, "STEPUP_STRONGER"); refused.Problem.Most == nil || *refused.Problem.Most != 50_000_00 {
		t.Errorf("told %s", refused.Body)
	}
	in := w.prepare(t, 50_000_00)
	if !slices.Contains(in.Combinations, "trade_password+soft_ukey") || slices.Contains(in.Combinations, "device_key+soft_ukey") {
		t.Errorf("combinations %q", in.Combinations)
	}
	w.signed(t, in, by).Want(t, "PROOF_REJECTED") // it is not of the counter
	w.proven(t, in, w.Known(t), by.Signed(t, stepup.SoftUKey, in.Text)).Want(t, "")
	w.Phone.Call(t, transferprepare.Function, "", w.ToOwn(1)).Want(t, "LIMIT_EXCEEDED")

	// A transfer that was prepared with the counter's certificate, and is signed by the app's.
	counter := w.SoftUKey(t, w.Payer, cert.AtCounter)
	in = w.prepare(t, million)
	w.signed(t, in, by).Want(t, "PROOF_REJECTED")
	w.proven(t, in, w.Known(t), by.Signed(t, stepup.SoftUKey, in.Text)).Want(t, "STEPUP_STRONGER")
	w.proven(t, in, w.Known(t), w.Signed(t, in)).Want(t, "STEPUP_STRONGER")
	w.signed(t, in, counter).Want(t, "")
	w.CheckLedger(t)
}

// Transfers of one day by the soft UKey are one sum, also when all are confirmed at once on two
// instances.
func TestOneSumOfADayBySoftUKey(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LIMIT-002.2")
	db, url := pgtest.NewURL(t)
	w := fixture{bank.PairOn(t, bank.On(t, db), 9*million)}
	w.AllowLarge(t)
	instances, _ := twoInstances(t, w.Bank, url)
	slowLimits(t, db)
	key := w.SoftUKey(t, w.Payer, cert.AtCounter)
	by := func(request map[string]any) stepup.Confirmation {
		in := w.Prepare(t, request)
		code := stepup.Proof{Factor: stepup.SMSOTP, Code: w.otp(t, in)}
		return confirmation(in.IntentID, code, key.Signed(t, stepup.SoftUKeyCounter, in.Text))
	}
	const each = 180_000_00
	var proofs [10]stepup.Confirmation // all prepared while the whole limit is left
	for i := range proofs {
		proofs[i] = by(w.request(each))
		if i%2 == 0 {
			proofs[i] = by(w.ToOwn(each))
		}
	}
	over, rest := by(w.ToOwn(100_000_01)), by(w.request(100_000_00))
	moved := func() money.Fen { return 9*million - w.Balance(t, w.Payer.AccountIDs[0]) }
	bank.Won(t, check.AtOnce(len(proofs), func(i int) bank.Reply {
		frame := w.Phone.Frame(t, transferconfirm.Function, fmt.Sprint("race", i), proofs[i])
		return w.Phone.SendTo(t, instances[i%2], transferconfirm.Function, frame)
	}), "LIMIT_EXCEEDED")
	if got := moved(); got != 5*each {
		t.Fatalf("%s moved in a day, want %s", got.Yuan(), money.Fen(5*each).Yuan())
	}
	w.Phone.Call(t, transferconfirm.Function, "over", over).Want(t, "LIMIT_EXCEEDED")
	w.Phone.Call(t, transferconfirm.Function, "rest", rest).Want(t, "")
	if got := moved(); got != million {
		t.Errorf("%s moved in a day", got.Yuan())
	}
	w.CheckLedger(t)
}

// planted makes the bank hold a certificate as the customer's that its authority would not have
// given, or not to this customer. change changes the row.
func (w fixture) planted(t *testing.T, c seed.Customer, faults casim.Faults, change string) bank.UKey {
	t.Helper()
	key, err := sm.GenerateKey()
	check.Must(t, err)
	id := uuid.New()
	subject, err := cert.Subject(c.ID, id)
	check.Must(t, err)
	ca := w.Authority(t)
	ca.SetFaults(faults)
	der, chain, err := ca.Certify(sm.Request{Subject: subject, Key: key.Public()})
	check.Must(t, err)
	ca.SetFaults(casim.Faults{})
	made, err := sm.ParseCertificate(der)
	check.Must(t, err)
	from, until := made.Valid()
	w.Exec(t, `INSERT INTO certificate (id, customer_id, serial, der, chain, key_digest, valid_from, valid_until, issued_at, opened)
VALUES ($1, $2, $3, $4, $5, sha256($4), $6, $7, $6, 'counter')`, id, c.ID, made.Serial(), der, chain, from, until)
	if change != "" {
		w.Exec(t, change, id)
	}
	w.Relist(t)
	return bank.UKey{Key: key, Certificate: made}
}

// A certificate confirms nothing that is expired, revoked, foreign, without its chain, or another
// customer's; nor does a signature by another key, or one over another text.
func TestSignaturesThatDoNotHold(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-002.2", "AUTH-002.3")
	w := newFixture(t, 9*million)
	w.AllowLarge(t)
	good := w.SoftUKey(t, w.Payer, cert.AtCounter)
	revoked := w.SoftUKey(t, w.Payer, cert.AtCounter)
	in, other := w.prepare(t, million), w.prepare(t, million)
	w.Authority(t).Revoke(revoked.Certificate.Serial())
	w.Relist(t)
	for name, by := range map[string]bank.UKey{
		"expired":             w.planted(t, w.Payer, casim.Faults{Expired: true}, ""),
		"revoked":             revoked,
		"foreign":             w.planted(t, w.Payer, casim.Faults{Foreign: true}, ""),
		"without its chain":   w.planted(t, w.Payer, casim.Faults{}, "UPDATE certificate SET chain = '{}' WHERE id = $1"),
		"with a broken chain": w.planted(t, w.Payer, casim.Faults{}, "UPDATE certificate SET chain = ARRAY[der] WHERE id = $1"),
		"another customer's":  w.SoftUKey(t, w.Payee, cert.AtCounter),
		"unknown":             w.planted(t, w.Payer, casim.Faults{}, "DELETE FROM certificate WHERE id = $1"),
		"by another key":      {Key: w.Phone.Key, Certificate: good.Certificate},
	} {
		if got := w.signed(t, in, by); got.Code != "PROOF_REJECTED" {
			t.Errorf("%s: %d %q", name, got.Status, got.Code)
		}
	}
	text := good.Signed(t, stepup.SoftUKeyCounter, in.Text)
	for name, proof := range map[string]stepup.Proof{
		"of another transfer": good.Signed(t, stepup.SoftUKeyCounter, other.Text),
		"of a changed text":   good.Signed(t, stepup.SoftUKeyCounter, in.Text+" "),
		"of the digest":       good.Signed(t, stepup.SoftUKeyCounter, string(in.Digest)),
		"changed":             {Factor: stepup.SoftUKeyCounter, SignedData: check.Flip(text.SignedData, -1)},
		"no message":          {Factor: stepup.SoftUKeyCounter, SignedData: []byte(in.Text)},
		"as the app's":        good.Signed(t, stepup.SoftUKey, in.Text),
	} {
		if got := w.proven(t, in, w.Known(t), proof); got.Code != "PROOF_REJECTED" {
			t.Errorf("%s: %d %q", name, got.Status, got.Code)
		}
	}
	without := w.proven(t, in, w.Known(t), w.Signed(t, in))
	if without.Want(t, "STEPUP_STRONGER"); !slices.Contains(without.Problem.Missing, "soft_ukey_counter") {
		t.Errorf("missing %q", without.Problem.Missing)
	}
	lacking := w.proven(t, in, w.Known(t), stepup.Proof{Factor: stepup.SoftUKeyCounter})
	if lacking.Want(t, "INPUT_INVALID"); lacking.Problem.Field != "proofs[1].signed_data" {
		t.Errorf("the field is %q", lacking.Problem.Field)
	}
	if n := w.Count(t, "SELECT count(*) FROM transfer"); n != 0 {
		t.Errorf("%d transfers are posted", n)
	}
	w.signed(t, in, good).Want(t, "")
	w.CheckLedger(t)
}

// Without a current list of the authority, no signature confirms: not before the bank has had
// one, not ten minutes after the authority has stopped answering, and not with a list that has
// ended or that another authority has signed. Once it answers again, the same transfer passes.
func TestWithoutACurrentRevocationListNothingIsSigned(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-002.4")
	w := newFixture(t, 9*million)
	w.AllowLarge(t)
	by := w.SoftUKey(t, w.Payer, cert.AtCounter)
	in := w.prepare(t, 1_00)
	refused := func(what string) {
		t.Helper()
		got := w.proven(t, in, w.Known(t), by.Signed(t, stepup.SoftUKeyCounter, in.Text))
		if got.Code != "SERVICE_UNAVAILABLE" || got.Status != 503 {
			t.Errorf("%s: %d %q", what, got.Status, got.Code)
		}
	}
	fails := func(faults casim.Faults) {
		t.Helper()
		w.Authority(t).SetFaults(faults)
		if err := w.TryRelist(t); err == nil {
			t.Errorf("%+v: the lists are kept", faults)
		}
	}
	w.Exec(t, "DELETE FROM revocation_list")
	refused("without a list")
	for _, faults := range []casim.Faults{{Down: true}, {Foreign: true}, {Expired: true}} {
		fails(faults)
		refused(fmt.Sprintf("%+v", faults))
	}
	w.Authority(t).SetFaults(casim.Faults{})
	w.Relist(t)
	w.Advance(cert.ListLife - time.Second)
	w.Phone.Reopen(t)
	w.Phone.LoginAs(t, w.Payer)
	in = w.prepare(t, 1_00)
	fails(casim.Faults{Down: true})
	w.signed(t, w.prepare(t, 1_00), by).Want(t, "") // the last list is still good
	w.Advance(time.Second)
	refused("ten minutes after the last answer")
	w.Authority(t).SetFaults(casim.Faults{})
	w.Relist(t)
	w.Exec(t, "UPDATE revocation_list SET valid_until = $1", w.Clock.Now())
	refused("a list that has ended")
	w.Advance(time.Second)
	w.Exec(t, "UPDATE revocation_list SET valid_until = $1", w.Clock.Now().Add(time.Minute))
	w.signed(t, in, by).Want(t, "")
	w.CheckLedger(t)
}

// A customer whose certificates have all ended is not asked for a soft UKey, and a choice with
// one is none.
func TestWhoIsAskedForASoftUKey(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 9*million)
	w.AllowLarge(t)
	by := w.SoftUKey(t, w.Payer, cert.AtCounter)
	asked := func(what string, want bool) {
		t.Helper()
		got := w.prepare(t, 1_00).Combinations
		if slices.Contains(got, "sms_otp+soft_ukey_counter") != want {
			t.Errorf("%s: %q", what, got)
		}
	}
	asked("with a certificate", true)
	for _, change := range []string{
		"valid_until = $1", "revoked_at = $1",
		"customer_id = (SELECT id FROM customer WHERE id <> customer_id LIMIT 1), issued_at = $1",
	} {
		w.Exec(t, "UPDATE certificate SET "+change, w.Clock.Now())
		asked(change, false)
		w.Exec(t, "UPDATE certificate SET revoked_at = NULL, customer_id = $1, valid_until = $2", w.Payer.ID, w.Clock.Now().Add(time.Hour))
	}
	asked("again", true)
	in := w.prepare(t, million)
	w.Exec(t, "UPDATE certificate SET opened = 'app'")
	w.signed(t, in, by).Want(t, "PROOF_REJECTED") // it is no more of the counter
}
