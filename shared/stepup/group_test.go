package stepup_test

import (
	"context"
	"sync"
	"testing"

	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// Confirmations with a trade password commit in one group when all workers are busy.
func TestPasswordsCommitInOneGroup(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	people := []phone{d.phone(t), d.phone(t)}
	proven := make([]*stepup.Verified, len(people))
	for i, p := range people {
		evidence, err := p.confirm(t, p.intent(t, passwordOnly), p.password(t, tradePassword))
		check.Must(t, err)
		proven[i] = evidence
	}
	release := d.holdWorkers(t)
	var done sync.WaitGroup
	for _, evidence := range proven {
		done.Go(func() {
			if err := d.consume(t, evidence); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait() // a further worker commits them
	release()
	for _, p := range people {
		if n := p.failures(t); n != 0 {
			t.Errorf("%d failures stand after the confirmation", n)
		}
	}
	for _, table := range []string{"credential", "intent"} {
		transactions := check.Count(t, d.db.Pool(), "SELECT count(DISTINCT xmin::text) FROM "+table+
			" WHERE customer_id IN ($1, $2)", people[0].customer, people[1].customer)
		if transactions != 1 {
			t.Errorf("the rows of %s were written by %d transactions, want 1", table, transactions)
		}
	}
}

// holdWorkers keeps the workers that commit busy with a lock until release.
func (d fixture) holdWorkers(t *testing.T) (release func()) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	tx, err := d.db.Pool().Begin(ctx)
	check.Must(t, err)
	check.Exec(t, tx, "LOCK TABLE message IN ACCESS EXCLUSIVE MODE")
	var busy sync.WaitGroup
	for range 2 {
		busy.Go(func() {
			var unit pg.Unit
			unit.Add(pg.Statement{SQL: "DELETE FROM message", Rows: "DELETE FROM message"})
			if err := d.db.Commit(ctx, &unit); err != nil {
				t.Error(err)
			}
		})
	}
	pgtest.AwaitLocks(t, d.db, 2)
	return func() {
		check.Must(t, tx.Rollback(ctx))
		busy.Wait()
	}
}
