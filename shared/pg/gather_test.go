package pg_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/pgtest"
)

// rows is a note that goes together with others.
func rows(id int, text string) pg.Statement {
	s := note(id, text)
	s.Rows = "INSERT INTO note SELECT * FROM unnest($1::int[], $2::text[]) ORDER BY 1"
	return s
}

// held is a desk whose workers are all held up: what comes now is gathered.
type held struct {
	desk
	release func()
}

const busy = 9000 // and the next two: notes that somebody else is writing

func newHeld(t *testing.T, work func(ctx context.Context, d desk, id int) error) held {
	t.Helper()
	d := newDesk(t)
	holder := begin(t, d)
	exec(t, holder, fmt.Sprintf("INSERT INTO note SELECT generate_series(%d, %d)", busy, busy+2))
	var workers sync.WaitGroup
	for n := range 2 {
		workers.Go(func() {
			if err := work(context.WithoutCancel(t.Context()), d, busy+n); err != nil {
				t.Error(err)
			}
		})
	}
	pgtest.AwaitLocks(t, d.DB, 2)
	release := sync.OnceFunc(func() {
		if err := holder.Rollback(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		workers.Wait()
	})
	t.Cleanup(release)
	return held{d, release}
}

func heldCommits(t *testing.T) held {
	t.Helper()
	return newHeld(t, func(ctx context.Context, d desk, id int) error { return d.Commit(ctx, unit(rows(id, "busy"))) })
}

func heldQuestions(t *testing.T) held {
	t.Helper()
	return newHeld(t, func(ctx context.Context, d desk, id int) error {
		var batch pgx.Batch
		batch.Queue("INSERT INTO note VALUES ($1, 'busy')", id)
		return d.QueryBatch(ctx, &batch)
	})
}

// atOnce does something many times at once and returns the results.
func atOnce(many int, do func(i int) error) []error {
	results := make([]error, many)
	var group sync.WaitGroup
	for i := range many {
		group.Go(func() { results[i] = do(i) })
	}
	group.Wait()
	return results
}

// transactions counts those that wrote the notes below the busy ones.
func (d desk) transactions(t *testing.T) int {
	t.Helper()
	return d.int(t, fmt.Sprintf("SELECT count(DISTINCT xmin::text) FROM note WHERE id < %d", busy))
}

func TestManyAtOnceCommitTogether(t *testing.T) {
	t.Parallel()
	d := heldCommits(t)
	const many = 100
	for i, err := range atOnce(many, func(i int) error { return d.Commit(t.Context(), unit(rows(i, fmt.Sprint(i)))) }) {
		if err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	if n := d.int(t, "SELECT count(*) FROM note WHERE text = id::text"); n != many {
		t.Errorf("%d notes are as they were written, want %d", n, many)
	}
	if n := d.transactions(t); n > many/4 || n < many/32 {
		t.Errorf("%d transactions for %d units", n, many)
	}
	d.release()
	if n := d.notes(t); n != many+2 {
		t.Errorf("%d notes, with those that waited, want %d", n, many+2)
	}
	if callers, groups := d.callers(t); callers != many+2 || groups > many/4+2 {
		t.Errorf("the metric says %d callers in %d transactions", callers, groups)
	}
}

// callers reads the metric of units: how many callers had how many transactions.
func (d desk) callers(t *testing.T) (callers, transactions int) {
	t.Helper()
	registry := prometheus.NewRegistry()
	d.Observe(registry)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "tidebank_db_callers" && m.GetLabel()[0].GetValue() == "unit" {
				return int(m.GetHistogram().GetSampleSum()), int(m.GetHistogram().GetSampleCount())
			}
		}
	}
	t.Fatal("no such metric")
	return 0, 0
}

// Who can't go with others has a refusal of their own, and fails nobody else.
func TestEachOfManyIsRefusedAlone(t *testing.T) {
	t.Parallel()
	d := heldCommits(t)
	d.exec(t, "INSERT INTO note VALUES (3, 'was there')")
	once, short := bankerr.New(bankerr.Refused, "ONCE"), bankerr.New(bankerr.Refused, "SHORT")
	want := map[int]error{3: once, 5: short}
	results := atOnce(20, func(i int) error {
		s := rows(i, "fits")
		if i == 5 {
			s = rows(i, strings.Repeat("too long", 9))
		}
		s.Refuse = map[string]error{"note_once": once, "note_short": short}
		return d.Commit(t.Context(), unit(s))
	})
	for i, err := range results {
		if !errors.Is(err, want[i]) || (err == nil) != (want[i] == nil) {
			t.Errorf("%d: %v, want %v", i, err, want[i])
		}
	}
	if n := d.int(t, "SELECT count(*) FROM note WHERE text = 'fits'"); n != 18 {
		t.Errorf("%d notes, want 18", n)
	}
}

// A row that somebody holds keeps its own unit waiting, and no other.
func TestALockHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	d := heldCommits(t)
	results := make(chan error, 1)
	others := atOnce(10, func(i int) error {
		if i == 7 {
			go func() { results <- d.Commit(t.Context(), unit(rows(busy+2, "free"))) }()
			return nil
		}
		return d.Commit(t.Context(), unit(rows(i, "free")))
	})
	for i, err := range others {
		if err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	select {
	case err := <-results:
		t.Errorf("did not wait: %v", err)
	default:
	}
	d.release()
	if err := <-results; err != nil {
		t.Error(err)
	}
	if n := d.int(t, "SELECT count(*) FROM note WHERE text = 'free'"); n != 10 {
		t.Errorf("%d notes, want 10", n)
	}
}

// Only units that differ in nothing but values go together; what has no Rows, or
// reads an answer, goes by itself.
func TestOnlyTheAlikeGoTogether(t *testing.T) {
	t.Parallel()
	d := heldCommits(t)
	d.exec(t, "CREATE TABLE other (id int)")
	other := func(id any) pg.Statement {
		return pg.Statement{
			SQL: "INSERT INTO other VALUES ($1)", Rows: "INSERT INTO other SELECT unnest($1::int[])", Args: []any{id},
		}
	}
	var read [60]int
	results := atOnce(len(read), func(i int) error {
		switch i % 5 {
		case 0:
			return d.Commit(t.Context(), unit(rows(i, "alone")))
		case 1:
			return d.Commit(t.Context(), unit(rows(i, "with another"), other(i)))
		case 2:
			return d.Commit(t.Context(), unit(rows(i, "with nothing"), other(nil)))
		case 3:
			return d.Commit(t.Context(), unit(rows(i, "of another type"), other(int64(i))))
		}
		s := rows(i, "read")
		s.SQL += " RETURNING id"
		s.Scan = func(row pgx.Row) error { return row.Scan(&read[i]) }
		return d.Commit(t.Context(), unit(s))
	})
	for i, err := range results {
		if err != nil || i%5 == 4 && read[i] != i {
			t.Errorf("%d: read %d, %v", i, read[i], err)
		}
	}
	if n := d.int(t, "SELECT count(*) FROM note WHERE id < 9000"); n != len(read) {
		t.Errorf("%d notes, want %d", n, len(read))
	}
	if n := d.int(t, "SELECT count(*) FROM other o JOIN note n USING (id)"); n != 24 {
		t.Errorf("%d others, want 24", n)
	}
	if n := d.int(t, "SELECT count(*) FROM other WHERE id IS NULL"); n != 12 {
		t.Errorf("%d empty others, want 12", n)
	}
}

// A caller who leaves before the work was taken up has not had it done.
func TestLeavingTheQueue(t *testing.T) {
	t.Parallel()
	d := heldCommits(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Commit(ctx, unit(rows(1, "gone"))); !errors.Is(err, context.Canceled) {
		t.Errorf("left with %v", err)
	}
	if err := d.Commit(t.Context(), unit(rows(2, "stays"))); err != nil {
		t.Error(err)
	}
	d.release()
	if n := d.int(t, "SELECT count(*) FROM note WHERE id = 1"); n != 0 {
		t.Error("the unit of a caller who had left was committed")
	}
}

// When the connection is lost nobody knows what became of the units: that is what
// all are told, and nothing is tried again.
func TestALostConnectionIsEverybodysUnknown(t *testing.T) {
	t.Parallel()
	d := heldCommits(t)
	lost := pg.Statement{
		SQL:  "SELECT nextval('tries') WHERE $1 > 0",
		Rows: "SELECT nextval('tries'), pg_terminate_backend(pg_backend_pid()) WHERE cardinality($1::int[]) > 1", Args: []any{1},
	}
	results := atOnce(10, func(i int) error { return d.Commit(t.Context(), unit(rows(i, "x"), lost)) })
	unknown := 0
	for i, err := range results {
		if err != nil {
			unknown++
		}
		if err != nil && !errors.Is(err, bankerr.ErrUnavailable) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if n := d.transactions(t); unknown < 2 || n != 10-unknown {
		t.Errorf("%d units of which nothing is known; %d others", unknown, n)
	}
}

// Units that commit together notify as a unit does that commits alone.
func TestManyAtOnceNotify(t *testing.T) {
	t.Parallel()
	d := heldCommits(t)
	listener := listen(t, d.desk)
	for i, err := range atOnce(20, func(i int) error {
		s := rows(i, "x")
		s.Notify = channel
		return d.Commit(t.Context(), unit(s))
	}) {
		if err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	if n := d.transactions(t); n == 20 {
		t.Error("no two units shared a transaction")
	}
	if _, err := listener.WaitForNotification(t.Context()); err != nil {
		t.Error(err)
	}
}

func ask(read func(sql string, args ...any) *pgx.QueuedQuery, id int, into *int) {
	read("SELECT $1::int * 2 / CASE WHEN $1::int = 7 THEN 0 ELSE 1 END", id).QueryRow(func(row pgx.Row) error { return row.Scan(into) })
}

// Everybody reads their own answer, and who asks nonsense spoils nobody else's.
func TestManyAskAtOnce(t *testing.T) {
	t.Parallel()
	d := heldQuestions(t)
	const many = 100
	var answers [many][2]int
	results := atOnce(many, func(i int) error {
		var batch pgx.Batch
		batch.Queue("INSERT INTO note VALUES ($1, 'asked')", i)
		ask(batch.Queue, i, &answers[i][0])
		ask(batch.Queue, i+1000, &answers[i][1])
		return d.QueryBatch(t.Context(), &batch)
	})
	for i, err := range results {
		if (err == nil) == (i == 7) || err == nil && answers[i] != [2]int{2 * i, 2 * (i + 1000)} {
			t.Errorf("%d: %v, %v", i, answers[i], err)
		}
	}
	if n := d.int(t, "SELECT count(*) FROM note WHERE text = 'asked'"); n != many-1 {
		t.Errorf("%d questions left their note, want %d", n, many-1)
	}
	if n := d.transactions(t); n > many*3/4 {
		t.Errorf("%d transactions for %d questions", n, many)
	}
}

// A failure that its own function hides undoes the group, and the others learn it.
func TestAHiddenFailure(t *testing.T) {
	t.Parallel()
	d := heldQuestions(t)
	results := atOnce(2, func(i int) error {
		var batch pgx.Batch
		batch.Queue("INSERT INTO note VALUES ($1, 'asked')", i)
		batch.Queue("SELECT 1 / (1 - $1::int)", i).QueryRow(func(row pgx.Row) error {
			var n int
			_ = row.Scan(&n)
			return nil
		})
		return d.QueryBatch(t.Context(), &batch)
	})
	if n := d.int(t, "SELECT count(*) FROM note WHERE id = 0"); results[0] != nil || n != 1 {
		t.Errorf("told %v, with %d notes", results[0], n)
	}
}

// What a caller's own function makes of its answer concerns that caller alone.
func TestFunctionsThatFail(t *testing.T) {
	t.Parallel()
	d := heldQuestions(t)
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
	results := atOnce(many, func(i int) error {
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
	if n := d.int(t, "SELECT count(*) FROM note WHERE text = 'asked'"); n != many {
		t.Errorf("%d questions left their note, want %d", n, many)
	}
}

func TestLeavingWhileAsking(t *testing.T) {
	t.Parallel()
	d := heldQuestions(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	answer := 0
	var batch pgx.Batch
	ask(batch.Queue, 1, &answer)
	if err := d.QueryBatch(ctx, &batch); !errors.Is(err, bankerr.ErrUnavailable) || answer != 0 {
		t.Errorf("read %d, %v", answer, err)
	}
}

func TestAskWithoutADatabase(t *testing.T) {
	t.Parallel()
	var batch pgx.Batch
	batch.Queue("SELECT 1")
	if err := pgtest.Broken(t).QueryBatch(t.Context(), &batch); !errors.Is(err, bankerr.ErrUnavailable) {
		t.Errorf("%v, want SERVICE_UNAVAILABLE", err)
	}
}
