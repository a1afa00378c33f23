package optionset_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/client"
	identityoptionlist "github.com/tidebank/tidebank/functions/identity/optionlist"
	identityoptionset "github.com/tidebank/tidebank/functions/identity/optionset"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/option"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

const large money.Fen = 200_000_00 // the policy figure transfer.large_above

// fixture is a customer with a token, which confirms large transfers.
type fixture struct {
	bank.Pair
	held client.Token
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	p := bank.NewPair(t, 900_000_00)
	return fixture{p, p.Token(t)}
}

// uses are the uses of the options.
var uses = map[option.Name]func(*testing.T, bank.Pair) bank.Reply{
	option.LargeTransfer: func(t *testing.T, p bank.Pair) bank.Reply {
		t.Helper()
		return p.Phone.Call(t, transferprepare.Function, "", p.ToPayee(large+1))
	},
}

func (w fixture) set(t *testing.T, request map[string]any) bank.Reply {
	t.Helper()
	return w.Phone.Call(t, identityoptionset.Function, "", request)
}

func listed(t *testing.T, d *bank.Device) []identityoptionlist.Option {
	t.Helper()
	var list identityoptionlist.Response
	d.Call(t, identityoptionlist.Function, "", struct{}{}).Into(t, &list)
	return req.AtLeast(t, 1, list.Options)
}

// Each risky option is off for a new customer, and its use is refused.
func TestOptionsAreOffAtFirst(t *testing.T) {
	t.Parallel()
	req.Covers(t, "RISK-004.1")
	w := newFixture(t)
	list := listed(t, w.Phone)
	if len(list) != len(option.All()) {
		t.Errorf("%d options are listed, want %d", len(list), len(option.All()))
	}
	for _, o := range list {
		if o.On || o.ChangedAt != nil || o.Title == "" || o.Warning == "" {
			t.Errorf("%+v", o)
		}
		use := uses[o.Option]
		if use == nil {
			t.Fatalf("the test uses no %s", o.Option)
		}
		use(t, w.Pair).Want(t, "OPTION_OFF")
	}
	// What is not risky needs no option.
	w.Prepare(t, w.ToPayee(large))
	w.Prepare(t, w.ToOwn(large+1))
}

// Without the acknowledgement of the option's own warning, the option stays off.
func TestSwitchingOnNeedsTheAcknowledgement(t *testing.T) {
	t.Parallel()
	req.Covers(t, "RISK-004.2")
	w := newFixture(t)
	for _, o := range req.AtLeast(t, 1, option.All()) {
		for name, acknowledged := range map[string]any{
			"of another text": sm.Digest([]byte(o.Warning + "。")), "of the title": sm.Digest([]byte(o.Title)),
			"changed": check.Flip(o.Digest(), -1),
			"cut":     o.Digest()[:16], "of zeros": make([]byte, 32),
		} {
			got := w.set(t, map[string]any{"option": o.Name, "on": true, "acknowledged": acknowledged})
			if got.Code != "WARNING_UNACKNOWLEDGED" {
				t.Errorf("%s: an acknowledgement %s: %q", o.Name, name, got.Code)
			}
		}
		w.set(t, map[string]any{"option": o.Name, "on": true}).Want(t, "WARNING_UNACKNOWLEDGED")
		w.set(t, map[string]any{"option": o.Name, "acknowledged": o.Digest()}).Want(t, "INPUT_INVALID")
		uses[o.Name](t, w.Pair).Want(t, "OPTION_OFF")
	}
	w.set(t, map[string]any{"option": "free_money", "on": true}).Want(t, "INPUT_INVALID")
	if n := w.Count(t, "SELECT count(*) FROM option_change"); n != 0 {
		t.Errorf("%d changes are stored", n)
	}
}

// An option that the customer has switched on after the warning can be used, for this customer
// only. The bank keeps the acknowledged text, the device and the time. Switched off again, its
// use is refused.
func TestAnAcknowledgedOptionIsUsed(t *testing.T) {
	t.Parallel()
	req.Covers(t, "RISK-004.3")
	w := newFixture(t)
	for _, o := range listed(t, w.Phone) {
		w.Advance(time.Minute)
		var reply identityoptionset.Response
		w.set(t, map[string]any{"option": o.Option, "on": true, "acknowledged": o.Digest}).Into(t, &reply)
		if reply.Option != o.Option || !reply.On || !reply.ChangedAt.Equal(w.Clock.Now()) {
			t.Errorf("the reply is %+v", reply)
		}
		uses[o.Option](t, w.Pair).Want(t, "")
	}
	in := w.Prepare(t, w.ToPayee(large+1))
	w.Confirm(t, stepup.Confirmation{
		IntentID: in.IntentID, Proofs: []stepup.Proof{w.Signed(t, in), bank.Responded(w.held, in.Text)},
	}).Want(t, "")
	if got := w.Balance(t, w.Payee.AccountIDs[0]); got != large+1 {
		t.Errorf("%s arrived", got.Yuan())
	}
	type row struct {
		Name     option.Name
		On       bool
		Warning  string
		DeviceID string
		At       time.Time
	}
	stored := func() []row {
		rows, err := w.Host.DB.Pool().Query(t.Context(), `
SELECT option, switched_on, warning, device_id, changed_at FROM option_change WHERE customer_id = $1 ORDER BY changed_at, id`, w.Payer.ID)
		check.Must(t, err)
		list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
		check.Must(t, err)
		return list
	}
	same := cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })
	on := row{option.LargeTransfer, true, option.All()[0].Warning, w.Phone.ID, w.Clock.Now()}
	if diff := cmp.Diff([]row{on}, stored(), same); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}

	other := bank.Pair{Bank: w.Bank, Phone: w.Device(t, "phone-of-li"), Payer: w.Payee, Payee: w.Payer}
	other.Phone.LoginAs(t, w.Payee)
	for _, o := range listed(t, other.Phone) {
		if o.On {
			t.Errorf("another customer has %s", o.Option)
		}
	}
	w.Advance(time.Minute)
	w.set(t, map[string]any{"option": option.LargeTransfer, "on": false}).Want(t, "")
	uses[option.LargeTransfer](t, w.Pair).Want(t, "OPTION_OFF")
	off := row{option.LargeTransfer, false, "", w.Phone.ID, w.Clock.Now()}
	if diff := cmp.Diff([]row{on, off}, stored(), same); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	if o := listed(t, w.Phone)[0]; o.On || o.ChangedAt == nil || !o.ChangedAt.Equal(w.Clock.Now()) {
		t.Errorf("%+v", o)
	}
}

func TestOptionsNeedASessionAndTheDatabase(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	off := map[string]any{"option": option.LargeTransfer, "on": false}
	w.Device(t, "stranger").Call(t, identityoptionset.Function, "", off).Want(t, "SESSION_REQUIRED")
	w.Device(t, "stranger").Call(t, identityoptionlist.Function, "", struct{}{}).Want(t, "SESSION_REQUIRED")
	down := bank.On(t, pgtest.Broken(t))
	d := down.Device(t, "phone-of-wang")
	check.Must(t, down.Host.Sessions.Start(t.Context(), d.Channel, w.Payer.ID))
	d.Call(t, identityoptionset.Function, "", off).Want(t, "SERVICE_UNAVAILABLE")
	d.Call(t, identityoptionlist.Function, "", struct{}{}).Want(t, "SERVICE_UNAVAILABLE")
}
