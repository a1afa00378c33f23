package detail_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions/account"
	accountdetail "github.com/tidebank/tidebank/functions/account/detail"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/mask"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

type fixture struct{ bank.Pair }

func newFixture(t *testing.T) fixture {
	t.Helper()
	return fixture{bank.NewPair(t, 1_234_56)}
}

func (w fixture) ask(t *testing.T, id uuid.UUID) bank.Reply {
	t.Helper()
	return w.Phone.Call(t, accountdetail.Function, "", map[string]any{"account_id": id})
}

func TestOwnAccount(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ACCT-001.1")
	w := newFixture(t)
	var got account.View
	w.ask(t, w.Payer.AccountIDs[0]).Into(t, &got)
	want := account.View{
		AccountID: w.Payer.AccountIDs[0], Kind: "debit", State: "open", NumberMasked: mask.Account(w.Payer.Accounts[0].No),
		PayeeCode: ledger.PayeeCode(ledger.NumberIndex(w.Host.Keys, w.Payer.Accounts[0].No)),
		Balance:   1_234_56, Available: 1_234_56, OpenedAt: bank.Start,
	}
	same := cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Errorf("account (-want +got):\n%s", diff)
	}
	if zone := got.OpenedAt.Format("-07:00"); zone != "+08:00" {
		t.Errorf("opened at a time in zone %s", zone)
	}
}

// The accounts differ in nothing that a caller can see, and the asking of either
// is on record.
func TestForeignAndNoAccountAreOneAnswer(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ACCT-001.2")
	w := newFixture(t)
	foreign, none := w.ask(t, w.Payee.AccountIDs[0]), w.ask(t, uuid.New())
	foreign.Want(t, "OBJECT_NOT_FOUND")
	bank.WantSame(t, "a foreign account", foreign, none)
	if diff := cmp.Diff(foreign.Header, none.Header); diff != "" {
		t.Errorf("headers differ (-foreign +none):\n%s", diff)
	}
	records := bank.Told[events.AccessRecorded](t, w.Bank, events.TypeAccessRecorded)
	if len(records) != 2 {
		t.Fatalf("%d access records, want 2", len(records))
	}
	for _, got := range records {
		got.Trace = ""
		want := events.AccessRecorded{
			Function: "account-detail", Outcome: "OBJECT_NOT_FOUND", CustomerID: w.Payer.ID.String(),
			DeviceID: w.Phone.ID, IP: w.Phone.IP, Category: "read",
		}
		got.Reason = want.Reason
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("access record (-want +got):\n%s", diff)
		}
	}
}

// Alternating calls and medians keep the machine's noise out; a difference in
// work, such as a second query, would show as a factor.
func TestForeignAndNoAccountTakeAsLong(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	const rounds, tries, factor = 60, 4, 1.4
	median := func(list []time.Duration) float64 {
		slices.Sort(list)
		return float64(list[len(list)/2])
	}
	var ratio float64
	for range tries {
		var foreign, none []time.Duration
		for range rounds {
			begin := time.Now()
			w.ask(t, w.Payee.AccountIDs[0])
			middle := time.Now()
			w.ask(t, uuid.New())
			foreign, none = append(foreign, middle.Sub(begin)), append(none, time.Since(middle))
		}
		if ratio = median(foreign) / median(none); ratio < factor && ratio > 1/factor {
			return
		}
	}
	t.Fatalf("a foreign account takes %.2f times as long as none", ratio)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	id := w.Payer.AccountIDs[0].String()
	for _, tt := range []struct{ name, body, want string }{
		{"own", `{"account_id":"` + id + `"}`, ""},
		{"nothing", `{}`, "INPUT_INVALID"},
		{"no uuid", `{"account_id":"1 OR 1=1"}`, "INPUT_INVALID"},
		{"number", `{"account_id":7}`, "INPUT_INVALID"},
		{"unknown field", `{"account_id":"` + id + `","customer_id":"` + w.Payee.ID.String() + `"}`, "INPUT_INVALID"},
		{"two values", `{"account_id":"` + id + `"}{}`, "INPUT_INVALID"},
		{"internal account", `{"account_id":"` + seed.Opening.String() + `"}`, "OBJECT_NOT_FOUND"},
	} {
		frame := w.Phone.FrameAt(t, accountdetail.Function, w.Clock.Now(), []byte(`{"idempotency_key":"","request":`+tt.body+`}`))
		if got := w.Phone.Send(t, accountdetail.Function, frame); got.Code != tt.want {
			t.Errorf("%s: %d %q, want %q", tt.name, got.Status, got.Code, tt.want)
		}
	}
	stranger := w.Device(t, "stranger").Call(t, accountdetail.Function, "", map[string]any{"account_id": id})
	if stranger.Want(t, "SESSION_REQUIRED"); stranger.Status != http.StatusUnauthorized {
		t.Errorf("a stranger got %d", stranger.Status)
	}
}

func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.Host.DB = pgtest.Broken(t)
	w.ask(t, w.Payer.AccountIDs[0]).Want(t, "SERVICE_UNAVAILABLE")
}
