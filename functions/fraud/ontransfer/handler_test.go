package ontransfer_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	handler "github.com/openfaas/templates-sdk/go-http"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions/fraud"
	fraudontransfer "github.com/tidebank/tidebank/functions/fraud/ontransfer"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

type fixture struct{ bank.Pair }

func newFixture(t *testing.T) fixture {
	t.Helper()
	return fixture{bank.NewPair(t, 10_000_00)}
}

// paid writes a transfer as transfer-confirm leaves it and returns its event.
func (w fixture) paid(t *testing.T, at time.Time, amount money.Fen, change ...func(*events.TransferPosted)) cloudevent.Event {
	t.Helper()
	id := uuid.NewString()
	data := events.TransferPosted{
		TransferID: id, PayerCustomerID: w.Payer.ID.String(), PayeeCustomerID: w.Payee.ID.String(),
		CreditAccountID: w.Payee.AccountIDs[0].String(), AmountFen: amount, PostedAt: at,
	}
	for _, c := range change {
		c(&data)
	}
	w.Exec(t, `
INSERT INTO transfer (id, customer_id, intent_id, debit_id, credit_id, amount, detail_ct, posted_at)
VALUES ($1, $2, $1, $3, $4, $5, '', $6)`, id, data.PayerCustomerID, w.Payer.AccountIDs[0], data.CreditAccountID, amount, at)
	return w.Event(t, id, events.TypeTransferPosted, id, data)
}

func (w fixture) own(d *events.TransferPosted) {
	d.Own, d.PayeeCustomerID, d.CreditAccountID = true, d.PayerCustomerID, w.Payer.AccountIDs[1].String()
}

func newPayee(d *events.TransferPosted) { d.NewPayee = true }

// burst writes so many transfers of 1.00, a second apart, and delivers none.
func (w fixture) burst(t *testing.T, transfers int, from time.Time) {
	t.Helper()
	for i := range transfers {
		w.paid(t, from.Add(time.Duration(i)*time.Second), 1_00)
	}
}

func (w fixture) deliver(t *testing.T, list ...cloudevent.Event) {
	t.Helper()
	for _, e := range list {
		if got := w.Deliver(t, fraudontransfer.Function, e); got != http.StatusAccepted {
			t.Fatalf("delivery answered %d: %s", got, w.Log)
		}
	}
}

type scored struct {
	Score   int
	Reasons []string
}

// scores are the stored scores by event.
func (w fixture) scores(t *testing.T) map[string]scored {
	t.Helper()
	list := map[string]scored{}
	for _, id := range check.Column[string](t, w.Host.DB.Pool(), "SELECT event_id FROM fraud_score") {
		list[id] = scored{
			w.Count(t, "SELECT score FROM fraud_score WHERE event_id = $1", id),
			check.Value[[]string](t, w.Host.DB.Pool(), "SELECT reasons FROM fraud_score WHERE event_id = $1", id),
		}
	}
	return list
}

func (w fixture) wantGrade(t *testing.T, want risk.Grade) {
	t.Helper()
	got := risk.Grade(w.Count(t, "SELECT risk_grade FROM customer WHERE id = $1", w.Payer.ID))
	if got != want {
		t.Fatalf("grade %d, want %d", got, want)
	}
}

func TestScoreGradeAndEventCommitTogether(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	night := time.Date(2026, 11, 23, 4, 59, 0, 0, clock.Shanghai)
	e := w.paid(t, night, fraud.VeryLargeAmount, newPayee)
	w.deliver(t, e)
	reasons := []string{fraud.ReasonHourAmount, fraud.ReasonNewPayee, fraud.ReasonLarge, fraud.ReasonVeryLarge, fraud.ReasonNight}
	if diff := cmp.Diff(map[string]scored{e.ID: {75, reasons}}, w.scores(t)); diff != "" {
		t.Errorf("scores (-want +got):\n%s", diff)
	}
	w.wantGrade(t, risk.GradeRaised)
	told := w.Outbox(t, events.TypeFraudScored)
	if len(told) != 1 || told[0].Subject != e.Subject || told[0].CustomerHash != events.CustomerHash(w.Payer.ID) {
		t.Fatalf("events %+v", told)
	}
	want := []events.FraudScored{{
		TransferID: e.Subject, CustomerID: w.Payer.ID.String(), Score: 75, Grade: int(risk.GradeRaised), Reasons: reasons,
	}}
	if diff := cmp.Diff(want, bank.Told[events.FraudScored](t, w.Bank, events.TypeFraudScored)); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
}

// The window is the hour, or the day, that ends with the transfer. Transfers before
// the window or after the transfer do not count.
func TestWindows(t *testing.T) {
	t.Parallel()
	at := bank.Start
	for _, tt := range []struct {
		name   string
		from   time.Time
		amount money.Fen
		want   []string
	}{
		{"an hour ago", at.Add(-time.Hour), fraud.MuchInAnHour, []string{}},
		{"within the hour", at.Add(-time.Hour + time.Microsecond), fraud.MuchInAnHour, []string{fraud.ReasonHourAmount}},
		{"later", at.Add(time.Microsecond), fraud.MuchInAnHour, []string{}},
		{"a day ago", at.Add(-24 * time.Hour), fraud.MuchInADay, []string{}},
		{"within the day", at.Add(-24*time.Hour + time.Microsecond), fraud.MuchInADay, []string{fraud.ReasonDayAmount}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t)
			w.paid(t, tt.from, tt.amount)
			e := w.paid(t, at, 1)
			w.deliver(t, e)
			if diff := cmp.Diff(tt.want, w.scores(t)[e.ID].Reasons); diff != "" {
				t.Errorf("reasons (-want +got):\n%s", diff)
			}
		})
	}
}

// Six events reach two instances at once and in no order: the sixth transfer, and
// no other, is one too many, and each is scored once.
func TestOneTooManyIsSeenWhicheverInstanceSeesIt(t *testing.T) {
	t.Parallel()
	req.Covers(t, "FRAUD-018.2")
	w := newFixture(t)
	var list []cloudevent.Event
	for i := range fraud.ManyInAnHour + 1 {
		list = append(list, w.paid(t, bank.Start.Add(time.Duration(i)*time.Minute), 1_00))
	}
	deliverAtOnce(t, list, w.Instance(t, fraudontransfer.Function), w.Instance(t, fraudontransfer.Function))
	want := map[string]scored{}
	for i, e := range list {
		want[e.ID] = scored{0, []string{}}
		if i == fraud.ManyInAnHour {
			want[e.ID] = scored{30, []string{fraud.ReasonHourCount}}
		}
	}
	if diff := cmp.Diff(want, w.scores(t)); diff != "" {
		t.Errorf("scores (-want +got):\n%s", diff)
	}
	if got := len(w.Outbox(t, events.TypeFraudScored)); got != len(list) {
		t.Errorf("%d events, want %d", got, len(list))
	}
	// A new payee raises the score too.
	e := w.paid(t, bank.Start.Add(10*time.Minute), 1_00, newPayee)
	w.deliver(t, e)
	if diff := cmp.Diff(scored{45, []string{fraud.ReasonHourCount, fraud.ReasonNewPayee}}, w.scores(t)[e.ID]); diff != "" {
		t.Errorf("score of a new payee (-want +got):\n%s", diff)
	}
}

// deliverAtOnce delivers all events at the same time, to each instance.
func deliverAtOnce(t *testing.T, list []cloudevent.Event, instances ...handler.FunctionHandler) {
	t.Helper()
	for _, got := range check.AtOnce(len(list)*len(instances), func(i int) int {
		return bank.DeliverTo(t, instances[i/len(list)], list[i%len(list)])
	}) {
		if got != http.StatusAccepted {
			t.Errorf("delivery answered %d", got)
		}
	}
}

// orders are all orders of three.
var orders = [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}

// A raised, then a low transfer to somebody else, then one between own accounts:
// the low one decides in any order of the events.
func TestOrderOfArrivalChangesNothing(t *testing.T) {
	t.Parallel()
	req.Covers(t, "FRAUD-018.3")
	for _, order := range orders {
		w := newFixture(t)
		w.burst(t, fraud.BurstInAnHour, bank.Start.Add(-30*time.Minute))
		list := []cloudevent.Event{
			w.paid(t, bank.Start, 1_00), w.paid(t, bank.Start.Add(3*time.Hour), 1_00),
			w.paid(t, bank.Start.Add(4*time.Hour), 1_00, w.own),
		}
		for _, i := range order {
			w.deliver(t, list[i], list[i])
		}
		want := map[string]scored{
			list[0].ID: {60, []string{fraud.ReasonHourCount, fraud.ReasonHourBurst}}, list[1].ID: {0, []string{}},
			list[2].ID: {0, []string{fraud.ReasonOwnAccounts}},
		}
		if diff := cmp.Diff(want, w.scores(t)); diff != "" {
			t.Errorf("%v: scores (-want +got):\n%s", order, diff)
		}
		if got := len(w.Outbox(t, events.TypeFraudScored)); got != 3 {
			t.Errorf("%v: %d events, want 3", order, got)
		}
		w.wantGrade(t, risk.GradeNormal)
	}
}

// Delivered at the same moment, too, the later transfer decides.
func TestGradesTakeTurns(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	instance := w.Instance(t, fraudontransfer.Function)
	for day := range 15 {
		night := time.Date(2026, 11, 1+day, 4, 0, 0, 0, clock.Shanghai)
		raised, low := w.paid(t, night, fraud.VeryLargeAmount, newPayee), w.paid(t, night.Add(8*time.Hour), 1_00)
		deliverAtOnce(t, []cloudevent.Event{low, raised}, instance)
		w.wantGrade(t, risk.GradeNormal)
	}
}

func TestRaisedStaysUntilALaterTransferScoresLow(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.burst(t, fraud.BurstInAnHour, bank.Start.Add(-30*time.Minute))
	w.deliver(t, w.paid(t, bank.Start, 1_00))
	w.wantGrade(t, risk.GradeRaised)
	w.deliver(t, w.paid(t, bank.Start.Add(-2*time.Hour), 1_00)) // earlier, and low
	w.wantGrade(t, risk.GradeRaised)
	w.deliver(t, w.paid(t, bank.Start.Add(2*time.Hour), 1_00, w.own))
	w.wantGrade(t, risk.GradeRaised)
	w.deliver(t, w.paid(t, bank.Start.Add(2*time.Hour), 1_00))
	w.wantGrade(t, risk.GradeNormal)
}

func TestHighStays(t *testing.T) {
	t.Parallel()
	for _, reverse := range []bool{false, true} {
		w := newFixture(t)
		w.burst(t, fraud.BurstInAnHour, bank.Start.Add(-30*time.Minute))
		list := []cloudevent.Event{
			w.paid(t, bank.Start, fraud.VeryLargeAmount, newPayee), w.paid(t, bank.Start.Add(3*time.Hour), 1_00),
		}
		if reverse {
			list[0], list[1] = list[1], list[0]
		}
		w.deliver(t, list...)
		w.wantGrade(t, risk.GradeHigh)
	}
}

func TestOwnAccountsNeitherCountNorGrade(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for i := range fraud.BurstInAnHour + 5 {
		w.deliver(t, w.paid(t, bank.Start.Add(time.Duration(i)*time.Second), fraud.VeryLargeAmount, w.own))
	}
	e := w.paid(t, bank.Start.Add(time.Minute), 1_00)
	w.deliver(t, e)
	if diff := cmp.Diff(scored{0, []string{}}, w.scores(t)[e.ID]); diff != "" {
		t.Errorf("score (-want +got):\n%s", diff)
	}
	w.wantGrade(t, risk.GradeNormal)
}

// The payer's next transfer meets the grade that scoring has set.
func TestTheNextTransferMeetsTheGrade(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	request := w.ToPayee(1_00)
	combinations := func() []string { return w.Prepare(t, request).Combinations }
	if got := combinations(); len(got) < 2 {
		t.Fatalf("a normal payer may choose among %v", got)
	}
	w.burst(t, fraud.BurstInAnHour, bank.Start.Add(-30*time.Minute))
	w.deliver(t, w.paid(t, bank.Start, 1_00))
	if diff := cmp.Diff([]string{"sms_otp+device_key+trade_password"}, combinations()); diff != "" {
		t.Errorf("a raised payer's choice (-want +got):\n%s", diff)
	}
	w.deliver(t, w.paid(t, bank.Start.Add(time.Minute), fraud.VeryLargeAmount, newPayee))
	w.Phone.Call(t, transferprepare.Function, "", request).Want(t, "RISK_REFUSED")
}

func TestAPayerWhoIsGoneIsScored(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	e := w.paid(t, bank.Start, 1_00, func(d *events.TransferPosted) { d.PayerCustomerID = uuid.NewString() })
	w.deliver(t, e)
	if diff := cmp.Diff(map[string]scored{e.ID: {0, []string{}}}, w.scores(t)); diff != "" {
		t.Errorf("scores (-want +got):\n%s", diff)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	forged := w.paid(t, bank.Start, 1_00)
	forged.ID = uuid.NewString()
	for name, e := range map[string]cloudevent.Event{
		"payer": w.Event(t, uuid.NewString(), events.TypeTransferPosted, "x", events.TransferPosted{PayerCustomerID: "x"}),
		"type":  w.Event(t, uuid.NewString(), events.TypeOTPIssued, "x", struct{}{}),
		"seal":  forged,
	} {
		if got := w.Deliver(t, fraudontransfer.Function, e); got != http.StatusBadRequest {
			t.Errorf("%s: %d, want 400", name, got)
		}
	}
	if got := len(w.scores(t)) + len(w.Outbox(t, events.TypeFraudScored)); got != 0 {
		t.Errorf("%d effects", got)
	}
}

func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	e := w.paid(t, bank.Start, 1_00)
	w.Host.DB = pgtest.Broken(t)
	if got := w.Deliver(t, fraudontransfer.Function, e); got != http.StatusServiceUnavailable {
		t.Fatalf("delivery answered %d, want 503", got)
	}
}
