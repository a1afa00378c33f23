package stepup

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/risk"
)

const (
	sqlRules = `-- stepup_rule.load
SELECT operation, scene, device = 'bound', grade, up_to, combinations, valid_from
  FROM stepup_rule WHERE valid_from <= $1 ORDER BY valid_from`

	sqlCaps = `-- stepup_cap.load
SELECT method, per_transfer, per_day, valid_from FROM stepup_cap WHERE valid_from <= $1 ORDER BY valid_from`
)

const (
	tableFresh = 30 * time.Second // a process reads the table anew after this time
	tableStale = 5 * time.Minute  // while it can't be read, its last rows are good for so long
	tableWait  = time.Second      // bounds one reading
)

// Table reads the rules and caps from the database, and keeps them for half a minute. If
// they can't be read, it keeps the last ones for five minutes, and then returns the error
// of the database. It is safe for concurrent use.
type Table struct {
	db    pg.Reader
	clock clock.Clock
	turn  chan struct{} // one caller reads at a time

	mu   sync.Mutex // guards rows
	rows *tableRows
}

// NewTable returns a table that reads nothing yet.
func NewTable(db pg.Reader, c clock.Clock) *Table {
	return &Table{db: db, clock: c, turn: make(chan struct{}, 1)}
}

// tableRows are the rows that are in force or come into force within tableStale. The
// earlier rows stand first.
type tableRows struct {
	read  time.Time
	rules []datedRule
	caps  []datedCap
}

type datedRule struct {
	rule
	from time.Time
}

type datedCap struct {
	method Factor
	cap    Cap
	from   time.Time
}

// Matrix returns what is in force now.
func (t *Table) Matrix(ctx context.Context) (Matrix, error) {
	now := t.clock.Now()
	if held := t.keptRows(); held.within(now, tableFresh) {
		return held.at(now), nil
	}
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return Matrix{}, bankerr.ErrUnavailable.Because(ctx.Err())
	}
	held := t.keptRows()
	if held.within(now, tableFresh) { // another caller has read them
		return held.at(now), nil
	}
	fresh, err := t.readRows(ctx, now)
	switch {
	case err == nil:
		t.keepRows(fresh)
		return fresh.at(now), nil
	case held.within(now, tableStale):
		return held.at(now), nil
	default:
		return Matrix{}, err
	}
}

func (t *Table) keptRows() *tableRows {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rows
}

func (t *Table) keepRows(fresh *tableRows) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows = fresh
}

func (t *Table) readRows(ctx context.Context, now time.Time) (*tableRows, error) {
	ctx, cancel := context.WithTimeout(ctx, tableWait)
	defer cancel()
	fresh := &tableRows{read: now}
	var batch pgx.Batch
	until := now.Add(tableStale)
	batch.Queue(sqlRules, until).Query(func(rows pgx.Rows) (err error) {
		fresh.rules, err = pgx.CollectRows(rows, scanRule)
		return err //nolint:wrapcheck // the batch's error is wrapped below
	})
	batch.Queue(sqlCaps, until).Query(func(rows pgx.Rows) (err error) {
		fresh.caps, err = pgx.CollectRows(rows, scanCap)
		return err //nolint:wrapcheck // likewise
	})
	if err := t.db.Batch(ctx, &batch); err != nil {
		return nil, fmt.Errorf("matrix of step-up: %w", err)
	}
	return fresh, nil
}

func scanRule(row pgx.CollectableRow) (r datedRule, err error) {
	var words []string
	err = row.Scan(&r.operation, &r.scene, &r.bound, &r.grade, &r.upTo, &words, &r.from)
	r.combinations = parse(words)
	return r, err //nolint:wrapcheck // the caller wraps it
}

func scanCap(row pgx.CollectableRow) (c datedCap, err error) {
	err = row.Scan(&c.method, &c.cap.PerTransfer, &c.cap.PerDay, &c.from)
	return c, err //nolint:wrapcheck // the caller wraps it
}

func (r *tableRows) within(now time.Time, age time.Duration) bool {
	return r != nil && now.Sub(r.read) < age && !now.Before(r.read)
}

// at returns the rows in force: of each cell and method, the last one whose time has come.
func (r *tableRows) at(now time.Time) Matrix {
	type cell struct {
		operation, scene string
		bound            bool
		grade            risk.Grade
		upTo             money.Fen
	}
	m := Matrix{caps: make(map[Factor]Cap)}
	rules := make(map[cell]rule)
	for _, dated := range r.rules {
		if !dated.from.After(now) {
			rules[cell{dated.operation, dated.scene, dated.bound, dated.grade, dated.upTo}] = dated.rule
		}
	}
	for _, found := range rules {
		m.rules = append(m.rules, found)
	}
	slices.SortFunc(m.rules, func(a, b rule) int {
		return cmp.Or(cmp.Compare(a.operation, b.operation), cmp.Compare(a.scene, b.scene), cmp.Compare(a.grade, b.grade),
			cmp.Compare(a.device(), b.device()), cmp.Compare(a.upTo, b.upTo))
	})
	for _, dated := range r.caps {
		if !dated.from.After(now) {
			m.caps[dated.method] = dated.cap
		}
	}
	return m
}

func (r rule) device() string {
	if r.bound {
		return "bound"
	}
	return "unbound"
}
