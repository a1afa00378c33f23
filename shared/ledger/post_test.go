package ledger_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

func TestPostWritesTwoOppositeEntries(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	payer, payee := b.funded(t, 1_000), b.funded(t, 50)
	p := b.posting(payer, payee, 300)
	check.Must(t, b.commit(p))
	for _, side := range []struct {
		name    string
		account uuid.UUID
		want    ledger.Entry
	}{
		{"payer", payer, ledger.Entry{Number: 2, Amount: -300, BalanceAfter: 700, Counterparty: "*四", Summary: "转出"}},
		{"payee", payee, ledger.Entry{Number: 2, Amount: 300, BalanceAfter: 350, Counterparty: "*小明", Summary: "转入"}},
	} {
		got := b.entries(t, ledger.EntryQuery{AccountID: side.account})
		i := 0
		for i < len(got) && got[i].PostingID != p.ID {
			i++
		}
		if i == len(got) {
			t.Fatalf("%s: no entry of the posting among %+v", side.name, got)
		}
		side.want.PostingID, side.want.PostedAt = p.ID, got[i].PostedAt
		if got[i] != side.want || !got[i].PostedAt.Equal(opened) {
			t.Errorf("%s: %+v, want %+v at %v", side.name, got[i], side.want, opened)
		}
	}
	b.sound(t)
}

func TestPostRefuses(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	rich, poor := b.funded(t, 1_000), b.account(t, "class2")
	partlyHeld, full := b.funded(t, 1_000), b.funded(t, 1_000)
	check.Exec(t, b.db.Pool(), "UPDATE account SET held = 400 WHERE id = $1", partlyHeld)
	states := map[string]uuid.UUID{}
	for _, state := range []string{"lost", "frozen", "closed"} {
		states[state] = b.funded(t, 1_000)
		check.Exec(t, b.db.Pool(), "UPDATE account SET state = $2 WHERE id = $1", states[state], state)
	}
	shut := b.account(t, "internal")
	check.Exec(t, b.db.Pool(), "UPDATE account SET state = 'closed' WHERE id = $1", shut)
	internal := b.posting(rich, shut, 1)
	internal.Internal = true
	misused := b.posting(rich, full, 1)
	misused.Internal = true
	for _, tt := range []struct {
		name    string
		posting ledger.Posting
		want    error
	}{
		{"one fen too much", b.posting(rich, poor, 1_001), ledger.ErrFundsInsufficient},
		{"one fen from nothing", b.posting(poor, rich, 1), ledger.ErrFundsInsufficient},
		{"one fen of what is held", b.posting(partlyHeld, rich, 601), ledger.ErrFundsInsufficient},
		{"too much to the bank", b.posting(rich, b.bank, 1_001), ledger.ErrFundsInsufficient},
		{"held, to the bank", b.posting(partlyHeld, b.bank, 601), ledger.ErrFundsInsufficient},
		{"same account", b.posting(rich, rich, 1), ledger.ErrSameAccount},
		{"the bank to itself", b.posting(b.bank, b.bank, 1), ledger.ErrSameAccount},
		{"lost payer", b.posting(states["lost"], rich, 1), ledger.ErrAccountClosed},
		{"frozen payee", b.posting(rich, states["frozen"], 1), ledger.ErrAccountClosed},
		{"closed payer", b.posting(states["closed"], rich, 1), ledger.ErrAccountClosed},
		{"closed payee", b.posting(rich, states["closed"], 1), ledger.ErrAccountClosed},
		{"closed payee, of the bank", b.posting(b.bank, states["closed"], 1), ledger.ErrAccountClosed},
		{"closed, and too much", b.posting(rich, states["closed"], 1_001), ledger.ErrAccountClosed},
		{"no such payer", b.posting(uuid.New(), rich, 1), ledger.ErrAccountClosed},
		{"no such payee", b.posting(rich, uuid.New(), 1), ledger.ErrAccountClosed},
		{"no such payee, of the bank", b.posting(b.bank, uuid.New(), 1), ledger.ErrAccountClosed},
		{"closed internal account", internal, ledger.ErrAccountClosed},
		{"internal without an internal account", misused, ledger.ErrAccountClosed},
	} {
		before := b.verify(t)
		if err := b.commit(tt.posting); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		if after := b.verify(t); after != before || !after.Sound() {
			t.Errorf("%s: the ledger went from %+v to %+v", tt.name, before, after)
		}
	}
}

// A posting that no caller may ask for moves no money.
func TestPostRefusesNonsense(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	payer, payee := b.funded(t, 1_000), b.funded(t, 1_000)
	done := b.posting(payer, payee, 1)
	check.Must(t, b.commit(done))
	again := done
	again.Amount = 2
	for name, p := range map[string]ledger.Posting{
		"nothing": b.posting(payer, payee, 0), "less than nothing": b.posting(payer, payee, -1),
		"less than nothing, of the bank": b.posting(b.bank, payee, -1), "a posting's id again": again,
		"the lowest figure": b.posting(payer, payee, math.MinInt64),
	} {
		if err := b.commit(p); err == nil {
			t.Errorf("%s was posted", name)
		}
	}
	if got := b.balance(t, payer) + b.balance(t, payee); got != 2_000 || b.balance(t, payer) != 999 {
		t.Errorf("payer %d, both %d", b.balance(t, payer), got)
	}
	b.sound(t)
}

func TestPostNearTheGreatestFigure(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	full, other := b.funded(t, math.MaxInt64-1), b.funded(t, 1_000)
	for name, p := range map[string]ledger.Posting{
		"from a customer": b.posting(other, full, 2), "from the bank": b.posting(b.bank, full, 2),
		"the greatest figure": b.posting(other, full, math.MaxInt64),
	} {
		if err := b.commit(p); err == nil {
			t.Errorf("%s: a balance beyond int64 was posted", name)
		}
	}
	check.Must(t, b.post(other, full, 1))
	if got := b.balance(t, full); got != math.MaxInt64 {
		t.Fatalf("balance %d, want the greatest figure", got)
	}
	check.Must(t, b.post(full, b.bank, math.MaxInt64))
	if got := b.balance(t, full); got != 0 {
		t.Fatalf("balance %d, want 0", got)
	}
	b.sound(t)
}

// A unit posts all its postings or none of them.
func TestAUnitPostsAllOrNothing(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	first, second, third := b.funded(t, 100), b.account(t, "debit"), b.account(t, "debit")
	err := b.commit(b.posting(first, second, 100), b.posting(second, third, 101))
	if !errors.Is(err, ledger.ErrFundsInsufficient) {
		t.Fatalf("%v, want %v", err, ledger.ErrFundsInsufficient)
	}
	if got := b.balance(t, first); got != 100 {
		t.Fatalf("the first posting stands: %d left", got)
	}
	check.Must(t, b.commit(b.posting(first, second, 100), b.posting(second, third, 100)))
	if got := b.balance(t, third); got != 100 {
		t.Fatalf("%d arrived, want 100", got)
	}
	b.sound(t)
}

// Many concurrent transfers between few accounts go in opposite directions. Each is
// posted, or is refused for too little money; no deadlock occurs. With enough money,
// the transfers are committed in groups.
func TestOppositeTransfersAtOnce(t *testing.T) {
	t.Parallel()
	for _, funds := range []money.Fen{500, 5_000_000} {
		first, url := pgtest.NewURL(t)
		first.Close()
		// PostgreSQL finds a deadlock at once, before the lock's time-out ends it.
		db, err := pg.Open(t.Context(), pg.Config{URL: url + "&deadlock_timeout=5ms", MaxConns: 16})
		check.Must(t, err)
		b := newFixture(t)
		b.db = db
		b.bank = b.account(t, "internal")
		accounts := []uuid.UUID{b.funded(t, funds), b.funded(t, funds), b.funded(t, funds), b.funded(t, funds)}
		if funds == 500 {
			accounts[0] = b.bank
		}
		var tasks sync.WaitGroup
		for worker := range uint64(24) {
			tasks.Go(func() {
				random := rand.New(rand.NewPCG(worker, 7))
				for range 25 {
					pair := random.Perm(len(accounts))
					err := b.post(accounts[pair[0]], accounts[pair[1]], money.Fen(1+random.Int64N(200)))
					if err != nil && (funds > 500 || !errors.Is(err, ledger.ErrFundsInsufficient)) {
						t.Error(err)
					}
				}
			})
		}
		tasks.Wait()
		b.sound(t)
		b.db.Close() // so that the connections' statistics are written
		if n := deadlocks(t, url); n != 0 {
			t.Errorf("PostgreSQL broke %d deadlocks", n)
		}
	}
}

// deadlocks waits until no other session uses the database, and returns how many
// deadlocks it has seen.
func deadlocks(t *testing.T, url string) int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	check.Must(t, err)
	defer conn.Close(ctx)
	const sql = `
SELECT deadlocks, (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid())
  FROM pg_stat_database WHERE datname = current_database()`
	for {
		var n, others int64
		check.Must(t, conn.QueryRow(ctx, sql).Scan(&n, &others))
		if others == 0 {
			return n
		}
	}
}
