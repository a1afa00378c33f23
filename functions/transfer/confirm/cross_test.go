package confirm_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	transferconfirm "github.com/tidebank/tidebank/functions/transfer/confirm"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// side is one of two customers who pay each other.
type side struct {
	*bank.Device
	who    seed.Customer
	each   money.Fen
	orders []stepup.Confirmation
	posted atomic.Int64
}

// Two customers pay each other at once, again and again. One pays more than is left,
// so that some orders are refused. Each order is posted, or refused and nothing moves, and PostgreSQL meets no
// deadlock.
func TestCrossTransfersDoNotDeadlock(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AVAIL-012.2", "AVAIL-012.3")
	const orders, balance = 40, 150_00
	db, url := pgtest.NewURL(t)
	b := bank.On(t, db)
	sides := []*side{{who: b.Customer(t, "王小明", balance), each: 20_00}, {who: b.Customer(t, "李四", balance), each: 10_00}}
	for i, s := range sides {
		s.Device = b.Device(t, fmt.Sprint("phone", i))
		s.LoginAs(t, s.who)
		s.prepare(t, fixture{bank.Pair{Bank: b, Phone: s.Device, Payer: s.who, Payee: sides[1-i].who}}, orders)
	}
	// A pause between the locks of a transfer's two accounts, and a server that looks
	// for deadlocks at once: if there can be one, it is met and counted.
	b.Exec(t, `
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = ''5ms''', current_database()); END $$;
CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.003); RETURN NULL; END $$;
CREATE TRIGGER account_pause AFTER UPDATE ON account FOR EACH ROW EXECUTE FUNCTION pause()`)
	instances, leave := twoInstances(t, b, url)
	var wait sync.WaitGroup
	for n := range orders {
		for i, s := range sides {
			wait.Go(func() {
				frame := s.Frame(t, transferconfirm.Function, fmt.Sprint("key", n), s.orders[n])
				if reply := s.SendTo(t, instances[(n+i)%2], transferconfirm.Function, frame); reply.Code == "" {
					s.posted.Add(1)
				} else if reply.Code != "FUNDS_INSUFFICIENT" {
					t.Errorf("an order was refused: %s", reply.Code)
				}
			})
		}
	}
	wait.Wait()
	for i, s := range sides {
		paid, got := s.posted.Load(), sides[1-i].posted.Load()
		want := balance + sides[1-i].each*money.Fen(got) - s.each*money.Fen(paid)
		if has := b.Balance(t, s.who.AccountIDs[0]); has != want {
			t.Errorf("%s has %s after paying %d times and being paid %d times", s.who.Name, has.Yuan(), paid, got)
		}
		if paid == 0 {
			t.Errorf("%s paid nothing", s.who.Name)
		}
	}
	if sides[0].posted.Load() == orders {
		t.Error("no order was refused")
	}
	b.Sound(t)
	leave() // each connection hands in its figures when it ends
	if got := deadlocks(t, url); got != 0 {
		t.Errorf("PostgreSQL met %d deadlocks", got)
	}
}

// prepare fixes the side's orders.
func (s *side) prepare(t *testing.T, w fixture, orders int) {
	t.Helper()
	for range orders {
		s.orders = append(s.orders, w.proofs(t, w.prepare(t, s.each)))
	}
}

// deadlocks is how many PostgreSQL has met in a database.
func deadlocks(t *testing.T, url string) int {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	check.Must(t, err)
	defer conn.Close(ctx)
	return check.Count(t, conn, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
}
