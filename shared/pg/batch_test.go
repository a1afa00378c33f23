package pg_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

func heldBatches(t *testing.T) held {
	t.Helper()
	return newHeld(t, func(ctx context.Context, d fixture, id int) error {
		var batch pgx.Batch
		batch.Queue("INSERT INTO note VALUES ($1, 'busy')", id)
		return d.QueryBatch(ctx, &batch)
	})
}

// queueDouble asks for twice the id, and fails for 7.
func queueDouble(queue func(sql string, args ...any) *pgx.QueuedQuery, id int, into *int) {
	queue("SELECT $1::int * 2 / CASE WHEN $1::int = 7 THEN 0 ELSE 1 END", id).QueryRow(func(row pgx.Row) error { return row.Scan(into) })
}

// Each caller reads its own answer. A batch that fails spoils no other batch.
func TestConcurrentBatchesShareTransactions(t *testing.T) {
	t.Parallel()
	d := heldBatches(t)
	const many = 100
	var answers [many][2]int
	results := check.AtOnce(many, func(i int) error {
		var batch pgx.Batch
		batch.Queue("INSERT INTO note VALUES ($1, 'asked')", i)
		queueDouble(batch.Queue, i, &answers[i][0])
		queueDouble(batch.Queue, i+1000, &answers[i][1])
		return d.QueryBatch(t.Context(), &batch)
	})
	for i, err := range results {
		if (err == nil) == (i == 7) || err == nil && answers[i] != [2]int{2 * i, 2 * (i + 1000)} {
			t.Errorf("%d: %v, %v", i, answers[i], err)
		}
	}
	if n := check.Count(t, d.Pool(), "SELECT count(*) FROM note WHERE text = 'asked'"); n != many-1 {
		t.Errorf("%d batches left their note, want %d", n, many-1)
	}
	if n := d.transactions(t); n > many*3/4 {
		t.Errorf("%d transactions for %d batches", n, many)
	}
}

// A function that hides its query's failure does not hide that the group was rolled
// back: the other batch is sent again.
func TestAHiddenFailure(t *testing.T) {
	t.Parallel()
	d := heldBatches(t)
	results := check.AtOnce(2, func(i int) error {
		var batch pgx.Batch
		batch.Queue("INSERT INTO note VALUES ($1, 'asked')", i)
		batch.Queue("SELECT 1 / (1 - $1::int)", i).QueryRow(func(row pgx.Row) error {
			var n int
			_ = row.Scan(&n)
			return nil
		})
		return d.QueryBatch(t.Context(), &batch)
	})
	if n := check.Count(t, d.Pool(), "SELECT count(*) FROM note WHERE id = 0"); results[0] != nil || n != 1 {
		t.Errorf("told %v, with %d notes", results[0], n)
	}
}

// An error or a panic of a function reaches its own caller only.
func TestFunctionsThatFail(t *testing.T) {
	t.Parallel()
	d := heldBatches(t)
	const many = 24
	own := errors.New("own")
	read := func(i int) func(pgx.Row) error {
		return func(row pgx.Row) error {
			var n int
			switch i % 4 {
			case 1:
				return own
			case 2:
				panic("own")
			}
			return row.Scan(&n) // finds no row, if i%4 is 3
		}
	}
	results := check.AtOnce(many, func(i int) error {
		var batch pgx.Batch
		batch.Queue("INSERT INTO note VALUES ($1, 'asked')", i)
		batch.Queue("SELECT 1 WHERE $1 % 4 <> 3", i).QueryRow(read(i))
		return d.QueryBatch(t.Context(), &batch)
	})
	for i, err := range results {
		good := err == nil
		switch i % 4 {
		case 1:
			good = errors.Is(err, own)
		case 2:
			good = err != nil && strings.Contains(err.Error(), "panic: own")
		case 3:
			good = errors.Is(err, pgx.ErrNoRows)
		}
		if !good {
			t.Errorf("%d: %v", i, err)
		}
	}
	if n := check.Count(t, d.Pool(), "SELECT count(*) FROM note WHERE text = 'asked'"); n != many {
		t.Errorf("%d batches left their note, want %d", n, many)
	}
}

func TestLeavingTheQueueOfBatches(t *testing.T) {
	t.Parallel()
	d := heldBatches(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	answer := 0
	var batch pgx.Batch
	queueDouble(batch.Queue, 1, &answer)
	if err := d.QueryBatch(ctx, &batch); !errors.Is(err, bankerr.ErrUnavailable) || answer != 0 {
		t.Errorf("read %d, %v", answer, err)
	}
}

func TestQueryBatchWithoutADatabase(t *testing.T) {
	t.Parallel()
	var batch pgx.Batch
	batch.Queue("SELECT 1")
	if err := pgtest.Broken(t).QueryBatch(t.Context(), &batch); !errors.Is(err, bankerr.ErrUnavailable) {
		t.Errorf("%v, want SERVICE_UNAVAILABLE", err)
	}
}
