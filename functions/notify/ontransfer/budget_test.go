package ontransfer_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/test/bank"
)

// One phone gets ten notices of a kind in a minute and a hundred in 24 hours. The others
// are in the inbox only, and are counted. The event is done. Payments to a customer do not
// use up the notices of what leaves the account.
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
