package ontransfer_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/test/bank"
)

// One phone gets ten notices of a kind in a minute and a hundred in 24 hours. The others
// are in the inbox only, and are counted. The event is done. Payments to a customer do not
// use up the notices of transfers between the customer's own accounts.
func TestOnePhoneHasAMaximumOfNotices(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	in := w.posted()
	in.PayerCustomerID, in.PayeeCustomerID = in.PayeeCustomerID, in.PayerCustomerID
	own := w.posted()
	own.Own = true
	sent := 0
	want := func(data events.TransferPosted, texts int) {
		t.Helper()
		w.deliver(t, w.event(t, data), http.StatusAccepted)
		if sent += texts; len(w.texts(w.Payer)) != sent {
			t.Fatalf("%d texts to the payer, want %d", len(w.texts(w.Payer)), sent)
		}
	}
	for range 10 {
		want(in, 1)
	}
	want(in, 0)
	for range 10 {
		want(own, 1)
	}
	want(own, 0)
	for range 9 {
		w.Advance(time.Minute)
		for range 10 {
			want(own, 1)
		}
	}
	w.Advance(time.Minute)
	want(own, 0)
	want(in, 1)
	w.Advance(24*time.Hour - 10*time.Minute)
	want(own, 1)
	if over := w.Count(t, "SELECT sum(over_quota) FROM sms_use"); over != 4 || len(w.inbox(t, w.Payer)) != sent+3 {
		t.Errorf("%d texts above the quota, %d messages and %d texts", over, len(w.inbox(t, w.Payer)), sent)
	}
	if got := w.refusals(t); len(got) != 0 {
		t.Errorf("refusals recorded: %+v", got)
	}
}

// A thief in a customer's login makes many cheap transfers first. However many they are,
// the customer gets the text about each larger payment to another customer.
func TestCheapTransfersDoNotSilenceALargePayment(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		cheap  money.Fen
		change func(*events.TransferPosted)
	}{
		{"between own accounts", 1, func(d *events.TransferPosted) { d.Own, d.PayeeCustomerID = true, d.PayerCustomerID }},
		{"much between own accounts", 4_000_00, func(d *events.TransferPosted) { d.Own, d.PayeeCustomerID = true, d.PayerCustomerID }},
		{"to an accomplice", 1, func(*events.TransferPosted) {}},
		{"to an account of no customer", 1, func(d *events.TransferPosted) { d.PayeeCustomerID = "" }},
		{"just below a large amount", 999_99, func(*events.TransferPosted) {}},
		{"from an accomplice", 4_000_00, func(d *events.TransferPosted) {
			d.PayerCustomerID, d.PayeeCustomerID = d.PayeeCustomerID, d.PayerCustomerID
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t)
			for n := range 100 { // the quotas of a minute and of a day
				if n%10 == 0 {
					w.Advance(time.Minute)
				}
				cheap := w.posted()
				cheap.AmountFen, cheap.PostedAt = tt.cheap, w.Clock.Now()
				tt.change(&cheap)
				w.deliver(t, w.event(t, cheap), http.StatusAccepted)
				if n == 9 || n == 99 {
					w.wantTextAbout(t, 4_000_00+money.Fen(n))
				}
			}
		})
	}
}

// wantTextAbout posts a payment to another customer, and fails the test unless the payer
// gets a text about it.
func (w fixture) wantTextAbout(t *testing.T, amount money.Fen) {
	t.Helper()
	large := w.posted()
	large.AmountFen, large.PostedAt = amount, w.Clock.Now()
	w.deliver(t, w.event(t, large), http.StatusAccepted)
	if got := w.texts(w.Payer); len(got) == 0 || !strings.Contains(got[0], "转账支出"+amount.Yuan()+"元") {
		t.Errorf("the payer has no text about %s: %q", amount.Yuan(), got[:min(1, len(got))])
	}
}

// Each size of a payment to another customer counts alone, within the same bounds. So one
// customer's payments can't use up the bank's texts.
func TestEachSizeOfPaymentsHasAMaximumOfNotices(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	want := 0
	for _, amounts := range [][2]money.Fen{
		{1, 99_99}, {100_00, 999_99}, {1_000_00, 9_999_99}, {10_000_00, 99_999_999_99},
	} {
		for n := range 12 {
			out := w.posted()
			out.AmountFen = amounts[n%2]
			w.deliver(t, w.event(t, out), http.StatusAccepted)
		}
		if want += 10; len(w.texts(w.Payer)) != want {
			t.Fatalf("%d texts about payments up to %s, want %d", len(w.texts(w.Payer)), amounts[1].Yuan(), want)
		}
	}
}

// Notices have their own part of the budget of texts. When the part of a minute is used
// up they come again for ten seconds. After that, or when the part of the day is used up,
// they are recorded as refused. So the event is never a dead letter.
func TestTheBudgetOfNotices(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	use := func(span string, at time.Time, notices int) {
		w.Exec(t, `INSERT INTO sms_use (span, starts_at, codes, notices) VALUES ($1, $2, 0, $3)
ON CONFLICT (span, starts_at) DO UPDATE SET notices = $3`, span, at, notices)
	}
	day := bank.Start.Add(-10 * time.Hour)
	use("minute", bank.Start, 998)
	w.deliver(t, w.event(t, w.posted()), http.StatusAccepted)
	late := w.event(t, w.posted())
	w.deliver(t, late, http.StatusServiceUnavailable)
	w.Advance(time.Minute)
	w.deliver(t, late, http.StatusAccepted)
	w.wantCounts(t, 2, 2)

	use("minute", bank.Start.Add(time.Minute), 1000)
	lost := w.posted()
	lost.PostedAt = bank.Start.Add(time.Minute)
	event := w.event(t, lost)
	w.deliver(t, event, http.StatusServiceUnavailable)
	w.Advance(9 * time.Second)
	w.deliver(t, event, http.StatusServiceUnavailable)
	w.Advance(time.Second)
	w.deliver(t, event, http.StatusAccepted)
	use("day", day, 300_000)
	w.deliver(t, w.event(t, w.posted()), http.StatusAccepted)
	if got := len(w.texts(w.Payer)) + len(w.texts(w.Payee)); got != 4 || len(w.inbox(t, w.Payer)) != 4 || len(w.inbox(t, w.Payee)) != 4 {
		t.Errorf("%d texts, want 4; and four messages for each", got)
	}
	var reasons []string
	for _, r := range w.refusals(t) {
		reasons = append(reasons, r.Reason)
	}
	minute, whole := "the minute's budget of texts is used up", "the day's budget of texts is used up"
	if diff := cmp.Diff([]string{minute, minute, whole, whole}, reasons); diff != "" {
		t.Errorf("refusals recorded (-want +got):\n%s", diff)
	}
}
