package pg_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// rows is a note that a group can write.
func rows(id int, text string) pg.Statement {
	s := note(id, text)
	s.Rows = "INSERT INTO note SELECT * FROM unnest($1::int[], $2::text[]) ORDER BY 1"
	return s
}

// held is a fixture whose workers all wait for a lock: callers who come now form groups.
type held struct {
	fixture
	release func()
}

const busy = 9000 // another session is writing this note and the next two

func newHeld(t *testing.T, work func(ctx context.Context, d fixture, id int) error) held {
	t.Helper()
	d := newFixture(t)
	holder := begin(t, d)
	check.Exec(t, holder, fmt.Sprintf("INSERT INTO note SELECT generate_series(%d, %d)", busy, busy+2))
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
	return newHeld(t, func(ctx context.Context, d fixture, id int) error { return d.Commit(ctx, unit(rows(id, "busy"))) })
}

// transactions counts those that wrote the notes below the busy ones.
func (d fixture) transactions(t *testing.T) int {
	t.Helper()
	return check.Count(t, d.Pool(), fmt.Sprintf("SELECT count(DISTINCT xmin::text) FROM note WHERE id < %d", busy))
}

func TestConcurrentUnitsShareTransactions(t *testing.T) {
	t.Parallel()
	d := heldCommits(t)
	const many = 100
	for i, err := range check.AtOnce(many, func(i int) error { return d.Commit(t.Context(), unit(rows(i, fmt.Sprint(i)))) }) {
		if err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	if n := check.Count(t, d.Pool(), "SELECT count(*) FROM note WHERE text = id::text"); n != many {
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
	if n := d.ungrouped(t); len(n) != 0 {
		t.Errorf("the metric says that %v were committed alone", n)
	}
}

// A unit that can't join a group is counted, under its first such statement.
func TestUngroupedUnitsAreCounted(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	named, read, call := note(2, "b"), rows(3, "c"), pg.Statement{Call: "pg_advisory_xact_lock", Args: []any{1}}
	named.SQL = "-- note.insert\n" + named.SQL
	read.SQL = "-- note.read\n" + read.SQL + " RETURNING id"
	read.Scan = func(row pgx.Row) error { return row.Scan(new(int)) }
	for _, u := range []*pg.Unit{unit(rows(1, "a")), unit(named), unit(read), unit(rows(4, "d"), call, note(5, "e"))} {
		if err := d.Commit(t.Context(), u); err != nil {
			t.Error(err)
		}
	}
	want := map[string]int{"note.insert": 1, "note.read": 1, "pg_advisory_xact_lock": 1}
	if got := d.ungrouped(t); !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
}

// callers reads the metric of units: how many callers had how many transactions.
func (d fixture) callers(t *testing.T) (callers, transactions int) {
	t.Helper()
	families, err := d.observed().Gather()
	check.Must(t, err)
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

// ungrouped reads how many units were committed alone, by statement.
func (d fixture) ungrouped(t *testing.T) map[string]int {
	t.Helper()
	families, err := d.observed().Gather()
	check.Must(t, err)
	counts := map[string]int{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "tidebank_db_units_ungrouped_total" {
				counts[m.GetLabel()[0].GetValue()] = int(m.GetCounter().GetValue())
			}
		}
	}
	return counts
}

func (d fixture) observed() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	d.Observe(registry)
	return registry
}

// A unit that PostgreSQL refuses gets its own refusal, and fails no other unit.
func TestAGroupIsSplitWhenRefused(t *testing.T) {
	t.Parallel()
	d := heldCommits(t)
	check.Exec(t, d.Pool(), "INSERT INTO note VALUES (3, 'was there')")
	once, short := bankerr.New(bankerr.Refused, "ONCE"), bankerr.New(bankerr.Refused, "SHORT")
	want := map[int]error{3: once, 5: short}
	results := check.AtOnce(20, func(i int) error {
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
	if n := check.Count(t, d.Pool(), "SELECT count(*) FROM note WHERE text = 'fits'"); n != 18 {
		t.Errorf("%d notes, want 18", n)
	}
}

// A locked row blocks the unit that needs it, and no other unit.
func TestALockBlocksNoOtherUnit(t *testing.T) {
	t.Parallel()
	d := heldCommits(t)
	results := make(chan error, 1)
	others := check.AtOnce(10, func(i int) error {
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
	if n := check.Count(t, d.Pool(), "SELECT count(*) FROM note WHERE text = 'free'"); n != 10 {
		t.Errorf("%d notes, want 10", n)
	}
}

// Only units of one shape share a transaction. A unit without Rows, with a nil or
// with Scan is committed alone.
func TestOnlyCompatibleUnitsShareATransaction(t *testing.T) {
	t.Parallel()
	d := heldCommits(t)
	check.Exec(t, d.Pool(), "CREATE TABLE other (id int)")
	other := func(id any) pg.Statement {
		return pg.Statement{
			SQL: "INSERT INTO other VALUES ($1)", Rows: "INSERT INTO other SELECT unnest($1::int[])", Args: []any{id},
		}
	}
	var read [60]int
	results := check.AtOnce(len(read), func(i int) error {
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
	if n := check.Count(t, d.Pool(), "SELECT count(*) FROM note WHERE id < 9000"); n != len(read) {
		t.Errorf("%d notes, want %d", n, len(read))
	}
	if n := check.Count(t, d.Pool(), "SELECT count(*) FROM other o JOIN note n USING (id)"); n != 24 {
		t.Errorf("%d others, want 24", n)
	}
	if n := check.Count(t, d.Pool(), "SELECT count(*) FROM other WHERE id IS NULL"); n != 12 {
		t.Errorf("%d empty others, want 12", n)
	}
}

// The unit of a caller who leaves before a worker took it is not committed.
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
	if n := check.Count(t, d.Pool(), "SELECT count(*) FROM note WHERE id = 1"); n != 0 {
		t.Error("the unit of a caller who had left was committed")
	}
}

// When the connection breaks, the fate of a group's units is unknown: all callers get
// SERVICE_UNAVAILABLE, and no unit is sent again.
func TestALostConnectionFailsTheWholeGroup(t *testing.T) {
	t.Parallel()
	d := heldCommits(t)
	lost := pg.Statement{
		SQL:  "SELECT nextval('tries') WHERE $1 > 0",
		Rows: "SELECT nextval('tries'), pg_terminate_backend(pg_backend_pid()) WHERE cardinality($1::int[]) > 1", Args: []any{1},
	}
	results := check.AtOnce(10, func(i int) error { return d.Commit(t.Context(), unit(rows(i, "x"), lost)) })
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
	listener := listen(t, d.fixture)
	for i, err := range check.AtOnce(20, func(i int) error {
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
