package confirm_test

import (
	"fmt"
	"testing"

	transferconfirm "github.com/tidebank/tidebank/functions/transfer/confirm"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// cap sets the day's caps of transfers, from today on.
func (w fixture) cap(t *testing.T, amount money.Fen) {
	t.Helper()
	tag, err := w.Host.DB.Pool().Exec(t.Context(), `
INSERT INTO policy (name, valid_from, value)
SELECT DISTINCT name, '2026-11-23'::date, $1::bigint FROM policy WHERE name LIKE 'transfer.%.day_cap'`, amount)
	if err != nil || tag.RowsAffected() == 0 {
		t.Fatalf("%d caps were set, %v", tag.RowsAffected(), err)
	}
}

// pay carries a request out, with a code and a signature.
func (w fixture) pay(t *testing.T, key string, request map[string]any) {
	t.Helper()
	in := w.Prepare(t, request)
	w.Phone.Call(t, transferconfirm.Function, key, w.proofs(t, in)).Want(t, "")
}

// Of the cap of a transfer's proofs, the day's cap and the rest of it, the lowest
// decides, to the fen.
func TestTheLowestLimitDecides(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LIMIT-005.2")
	for _, tt := range []struct {
		name    string
		dayCap  money.Fen
		used    money.Fen
		most    money.Fen
		refused string
	}{
		{"the cap of the proofs", 80_000_00, 0, 50_000_00, "STEPUP_STRONGER"},
		{"the day's cap", 30_000_00, 0, 30_000_00, "LIMIT_EXCEEDED"},
		{"the rest of the day", 30_000_00, 20_000_00, 10_000_00, "LIMIT_EXCEEDED"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t, 1_000_000_00)
			w.cap(t, tt.dayCap)
			if tt.used > 0 {
				w.pay(t, "used", w.request(tt.used))
			}
			w.Phone.Call(t, transferprepare.Function, "", w.request(tt.most+1)).Want(t, tt.refused)
			w.pay(t, "most", w.request(tt.most))
			if got := w.Balance(t, w.Payee.AccountIDs[0]); got != tt.used+tt.most {
				t.Errorf("%s moved", got.Yuan())
			}
			w.Sound(t)
		})
	}
}

// A payment to others takes any two of three methods. A payment to an own account takes
// one of them.
func TestEachSceneHasItsMethods(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LIMIT-006.3")
	w := newFixture(t, 1_000_000_00)
	code := func(t *testing.T, in transferprepare.Response) stepup.Proof {
		t.Helper()
		return stepup.Proof{Factor: stepup.SMSOTP, Code: w.otp(t, in)}
	}
	signature := func(t *testing.T, in transferprepare.Response) stepup.Proof {
		t.Helper()
		return w.Signed(t, in)
	}
	password := func(t *testing.T, _ transferprepare.Response) stepup.Proof {
		t.Helper()
		return w.Known(t)
	}
	type method = func(*testing.T, transferprepare.Response) stepup.Proof
	for i, methods := range [][]method{{code, signature}, {code, password}, {signature, password}} {
		in := w.prepare(t, 1_00)
		for n, one := range methods {
			key := fmt.Sprintf("combination %d without %d", i, 1-n)
			w.Phone.Call(t, transferconfirm.Function, key, confirmation(in.IntentID, one(t, in))).Want(t, "STEPUP_STRONGER")
		}
		all := confirmation(in.IntentID, methods[0](t, in), methods[1](t, in))
		w.Phone.Call(t, transferconfirm.Function, fmt.Sprintf("combination %d", i), all).Want(t, "")
	}
	in := w.Prepare(t, w.ToOwn(1_00))
	w.Phone.Call(t, transferconfirm.Function, "own", confirmation(in.IntentID, signature(t, in))).Want(t, "")
	if got := w.Balance(t, w.Payee.AccountIDs[0]); got != 3_00 {
		t.Errorf("%s moved", got.Yuan())
	}
	w.Sound(t)
}

// Two instances, each with connections of its own, take a scene's confirms at once:
// together they let no more pass than the scene's cumulative limit.
func TestInstancesShareAScenesLimit(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LIMIT-006.4")
	db, url := pgtest.NewURL(t)
	w := fixture{bank.PairOn(t, bank.On(t, db), 1_000_000_00)}
	instances, _ := twoInstances(t, w.Bank, url)
	slowLimits(t, db)
	const orders, each, fit = 24, 100_00, 7
	w.cap(t, fit*each+each/2)
	var frames [orders][]byte
	for i := range frames {
		frames[i] = w.Phone.Frame(t, transferconfirm.Function, fmt.Sprint("key", i), w.proofs(t, w.prepare(t, each)))
	}
	replies := check.AtOnce(orders, func(i int) bank.Reply {
		return w.Phone.SendTo(t, instances[i%2], transferconfirm.Function, frames[i])
	})
	if got := bank.Won(t, replies, "LIMIT_EXCEEDED"); got != fit {
		t.Errorf("%d transfers passed, want %d", got, fit)
	}
	if got := w.Balance(t, w.Payee.AccountIDs[0]); got != fit*each {
		t.Errorf("%s moved", got.Yuan())
	}
	w.Sound(t)
}
