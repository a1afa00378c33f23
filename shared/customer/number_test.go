package customer_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/pgtest"
)

// A change that has read a number which another change has replaced is refused, so that no
// earlier number is left out. Each change knows the number before it.
func TestAChangeOfANumberThatIsNoLonger(t *testing.T) {
	t.Parallel()
	made := seed.Made("王小明", 1)
	first, second, third := made.Phone, seed.Made("", 2).Phone, seed.Made("", 3).Phone
	db, ring, ctx := pgtest.New(t), keytest.New(t), t.Context()
	id, now := uuid.New(), time.Now()
	pgtest.Commit(t, db, func(u *pg.Unit) error {
		return customer.Insert(ctx, u, ring, customer.Record{
			ID: id, Name: made.Name, Phone: made.Phone, IDNo: made.IDNo, CreatedAt: now,
		})
	})
	read := func() (s customer.Sealed) {
		var batch pgx.Batch
		s.QueueSealed(&batch, id)
		check.Must(t, db.Reader().Batch(ctx, &batch))
		return s
	}
	stale := errors.New("stale")
	set := func(s customer.Sealed, change uuid.UUID, number string) error {
		var unit pg.Unit
		check.Must(t, s.SetPhone(ctx, &unit, ring, customer.NewNumber{Change: change, Phone: number, At: now}, stale))
		return db.Commit(ctx, &unit)
	}
	one, two := read(), read()
	changes := []uuid.UUID{uuid.New(), uuid.New(), uuid.New()}
	check.Must(t, set(one, changes[0], second))
	if err := set(two, changes[1], third); !errors.Is(err, stale) {
		t.Errorf("the second change of one number: %v", err)
	}
	check.Must(t, set(read(), changes[2], third))
	for i, want := range []string{first, "", second} {
		got, err := customer.FormerPhone(ctx, db.Reader(), ring, id, changes[i])
		if got != want || (want == "") != errors.Is(err, bankerr.ErrNotFound) {
			t.Errorf("before change %d: %q, %v, want %q", i, got, err, want)
		}
	}
	if got, err := customer.Phone(ctx, db.Reader(), ring, id); err != nil || got != third {
		t.Errorf("the number is %q, %v", got, err)
	}
	if _, err := customer.FormerPhone(ctx, db.Reader(), ring, uuid.New(), changes[0]); !errors.Is(err, bankerr.ErrNotFound) {
		t.Errorf("another customer's change: %v", err)
	}
}
