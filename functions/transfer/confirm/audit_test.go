package confirm_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/events"
	transferconfirm "github.com/tidebank/tidebank/functions/transfer/confirm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// Each lock of the trade password, and each end of one at the next attempt, stands in
// the record of the attempt, also when the transfer succeeds.
func TestAuditKnowsOfEachLockAndItsEnd(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUDIT-006.2")
	w, begin := newFixture(t, 1000_00), time.Now()
	try := func(key, password, want string) {
		t.Helper()
		in := w.prepare(t, 1_00)
		w.Phone.Call(t, transferconfirm.Function, key, confirmation(in.IntentID,
			stepup.Proof{Factor: stepup.SMSOTP, Code: w.otp(t, in)},
			stepup.Proof{Factor: stepup.TradePassword, Password: w.Phone.Password(t, password)})).Want(t, want)
	}
	fail := func(keys ...string) {
		t.Helper()
		for _, key := range keys {
			try(key, "000000", "PROOF_REJECTED")
		}
	}
	fail("a1", "a2", "a3", "a4", "a5")
	try("a6", bank.TradePassword, "TRADE_PASSWORD_LOCKED")
	w.Advance(30 * time.Minute)
	check.Must(t, w.Host.Sessions.Start(t.Context(), w.Phone.Channel, w.Payer.ID))
	try("b1", bank.TradePassword, "")
	try("b2", bank.TradePassword, "")
	fail("c1", "c2", "c3", "c4", "c5")
	try("c6", bank.TradePassword, "TRADE_PASSWORD_FROZEN") // the tenth wrong one of the day
	w.Advance(14 * time.Hour)                              // past midnight in Shanghai
	w.Phone.Reopen(t)
	w.Phone.LoginAs(t, w.Payer)
	fail("d1")

	failed := func(outcome, reason string) events.AccessRecorded {
		return events.AccessRecorded{
			Function: "transfer-confirm", Outcome: outcome, Reason: reason, CustomerID: w.Payer.ID.String(),
			DeviceID: "phone-of-wang", IP: w.Phone.IP, Category: "money",
		}
	}
	wrong := failed("PROOF_REJECTED", "trade_password")
	five := []events.AccessRecorded{
		wrong, wrong, wrong, wrong, failed("PROOF_REJECTED", "trade_password, now locked"),
	}
	want := slices.Concat(
		five, []events.AccessRecorded{failed("TRADE_PASSWORD_LOCKED", "trade_password"), failed("OK", "lock ended")},
		five, []events.AccessRecorded{
			failed("TRADE_PASSWORD_FROZEN", "trade_password"), failed("PROOF_REJECTED", "lock ended, trade_password"),
		},
	)
	var got []events.AccessRecorded
	records := bank.Told[events.AccessRecorded](t, w.Bank, events.TypeAccessRecorded)
	for i, e := range w.Outbox(t, events.TypeAccessRecorded) {
		r := records[i]
		if e.CreatedAt.Before(begin.Add(-time.Second)) || e.CreatedAt.After(time.Now().Add(time.Second)) {
			t.Errorf("recorded at %v, tried after %v", e.CreatedAt, begin)
		}
		if r.Trace = ""; r.Function == transferconfirm.Function.Spec.Name {
			got = append(got, r)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("access records (-want +got):\n%s", diff)
	}
}
