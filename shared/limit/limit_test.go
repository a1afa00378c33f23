package limit_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/limit"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

const (
	sms   = limit.TransferSMS
	token = limit.Kind("transfer.token")
	most  = money.Fen(5_000_000)
)

var monday = clock.BusinessDay(time.Date(2026, 11, 23, 10, 0, 0, 0, clock.Shanghai))

// fixture counts limits in a database.
type fixture struct{ *pg.DB }

func newFixture(t *testing.T) fixture {
	t.Helper()
	return fixture{pgtest.New(t)}
}

// use commits a unit that does nothing else.
func (d fixture) use(t check.Failer, customer uuid.UUID, kind limit.Kind, day time.Time, amount, most money.Fen) error {
	t.Helper()
	var unit pg.Unit
	limit.Use(&unit, customer, kind, day, amount, most)
	return d.Commit(context.Background(), &unit)
}

func (d fixture) used(t check.Failer, customer uuid.UUID, kind limit.Kind, day time.Time) money.Fen {
	t.Helper()
	s, err := limit.Get(context.Background(), d.Reader(), customer, kind, day)
	check.Must(t, err)
	return s.Used
}

// policy puts a figure into force on a day.
func (d fixture) policy(t *testing.T, kind, from string, figure money.Fen) {
	t.Helper()
	check.Exec(t, d.Pool(), "INSERT INTO policy (name, valid_from, value) VALUES ($1, $2::text::date, $3)",
		string(kind)+".day_cap", from, figure)
}

func TestUseUpToTheCap(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	for _, tt := range []struct {
		name    string
		cap     money.Fen
		amounts []money.Fen
		refused []bool
		used    money.Fen
	}{
		{"the cap at once", most, []money.Fen{most, 1}, []bool{false, true}, most},
		{"one below the cap", most, []money.Fen{most - 1, 2, 1, 1}, []bool{false, true, false, true}, most},
		{"one above the cap", most, []money.Fen{most + 1, most}, []bool{true, false}, most},
		{"two that add up to it", most, []money.Fen{1, most - 1}, []bool{false, false}, most},
		{"two that add up above it", most, []money.Fen{1, most}, []bool{false, true}, 1},
		{"no cap at all", 0, []money.Fen{1}, []bool{true}, 0},
		{"a cap below nothing", -1, []money.Fen{1}, []bool{true}, 0},
		{"all there is", most, []money.Fen{math.MaxInt64, 1, math.MaxInt64, most}, []bool{true, false, true, true}, 1},
		{"all there is, allowed", math.MaxInt64, []money.Fen{math.MaxInt64, 1, math.MaxInt64}, []bool{false, true, true}, math.MaxInt64},
		{
			"one and all there is", math.MaxInt64,
			[]money.Fen{1, math.MaxInt64, math.MaxInt64 - 1},
			[]bool{false, true, false},
			math.MaxInt64,
		},
	} {
		customer := uuid.New()
		for i, amount := range tt.amounts {
			err := d.use(t, customer, sms, monday, amount, tt.cap)
			if tt.refused[i] != errors.Is(err, limit.ErrExceeded) || !tt.refused[i] && err != nil {
				t.Errorf("%s: use %d of %d fen: %v, refused should be %v", tt.name, i, amount, err, tt.refused[i])
			}
		}
		if got := d.used(t, customer, sms, monday); got != tt.used {
			t.Errorf("%s: %d fen are used, want %d", tt.name, got, tt.used)
		}
	}
}

// A use counts for its customer, kind and day only.
func TestUsesAreApart(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	wang, li := uuid.New(), uuid.New()
	for _, use := range []struct {
		who  uuid.UUID
		kind limit.Kind
		day  time.Time
	}{
		{wang, sms, monday},
		{wang, sms, monday.AddDate(0, 0, 1)},
		{wang, sms, monday.AddDate(0, 0, -1)},
		{wang, token, monday},
		{li, sms, monday},
	} {
		if err := d.use(t, use.who, use.kind, use.day, most, most); err != nil {
			t.Errorf("%+v: %v", use, err)
		}
		if err := d.use(t, use.who, use.kind, use.day, 1, most); !errors.Is(err, limit.ErrExceeded) {
			t.Errorf("%+v, a fen more: %v", use, err)
		}
	}
}

// The bank's day begins at midnight in Shanghai, whatever the zone of the instant.
func TestADayIsShanghais(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	customer := uuid.New()
	midnight := time.Date(2026, 11, 24, 0, 0, 0, 0, clock.Shanghai)
	for _, tt := range []struct {
		at   time.Time
		want error
	}{
		{midnight.Add(-24 * time.Hour), nil},
		{midnight.Add(-time.Nanosecond), limit.ErrExceeded},
		{midnight.Add(-time.Nanosecond).UTC(), limit.ErrExceeded},
		{midnight, nil},
		{midnight.UTC(), limit.ErrExceeded},
		{midnight.Add(8 * time.Hour).UTC(), limit.ErrExceeded}, // midnight in London
		{midnight.Add(24*time.Hour - time.Nanosecond), limit.ErrExceeded},
		{midnight.Add(24 * time.Hour), nil},
	} {
		if err := d.use(t, customer, sms, clock.BusinessDay(tt.at), most, most); !errors.Is(err, tt.want) {
			t.Errorf("at %v: %v, want %v", tt.at, err, tt.want)
		}
	}
}

// A cap that was lowered during the day counts for all later uses.
func TestACapThatWasLowered(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	customer := uuid.New()
	check.Must(t, d.use(t, customer, sms, monday, 300, 1000))
	for _, tt := range []struct {
		amount, cap money.Fen
		want        error
	}{{1, 300, limit.ErrExceeded}, {1, 200, limit.ErrExceeded}, {1, 301, nil}} {
		if err := d.use(t, customer, sms, monday, tt.amount, tt.cap); !errors.Is(err, tt.want) {
			t.Errorf("%d more under a cap of %d: %v, want %v", tt.amount, tt.cap, err, tt.want)
		}
	}
}

// A use is part of its unit: if the unit fails, the use is undone; if the use is
// refused, the unit fails.
func TestUseIsPartOfItsUnit(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	d.policy(t, string(token), "2026-01-02", most)
	customer := uuid.New()
	commit := func(fill func(u *pg.Unit)) error {
		var unit pg.Unit
		fill(&unit)
		return d.Commit(t.Context(), &unit)
	}
	err := commit(func(u *pg.Unit) {
		limit.Use(u, customer, sms, monday, 1, most)
		u.Add(pg.Statement{SQL: "SELECT 1/0"})
	})
	if used := d.used(t, customer, sms, monday); err == nil || used != 0 {
		t.Errorf("a unit that failed: %v, and %d fen are used", err, used)
	}
	err = commit(func(u *pg.Unit) {
		limit.Use(u, customer, token, monday, most, most)
		limit.Use(u, customer, sms, monday, most, most)
		limit.Use(u, customer, sms, monday, 1, most)
	})
	if used := d.used(t, customer, token, monday); !errors.Is(err, limit.ErrExceeded) || used != 0 {
		t.Errorf("a unit above the cap: %v, and %d fen are used of the other kind", err, used)
	}
	err = commit(func(u *pg.Unit) {
		limit.Use(u, customer, sms, monday, most-1, most)
		limit.Use(u, customer, sms, monday, 1, most)
	})
	if used := d.used(t, customer, sms, monday); err != nil || used != most {
		t.Errorf("a unit up to the cap: %v, and %d fen are used", err, used)
	}
}

// Concurrent units use one limit, and some of them fail. The usage is the sum of what
// was accepted, and at most the cap. A use is refused only if it does not fit.
func TestUsesAtOnce(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	rapid.Check(t, func(t *rapid.T) {
		type result struct {
			amount money.Fen
			err    error
		}
		const top = money.Fen(1000)
		customer := uuid.New()
		amounts := rapid.SliceOfN(rapid.Int64Range(1, 600), 2, 16).Draw(t, "amounts")
		broken := rapid.SliceOfN(rapid.Bool(), len(amounts), len(amounts)).Draw(t, "broken")
		results := make([]result, len(amounts))
		open := make(chan struct{})
		var done sync.WaitGroup
		for i, fen := range amounts {
			var unit pg.Unit
			limit.Use(&unit, customer, sms, monday, money.Fen(fen), top)
			if broken[i] {
				unit.Add(pg.Statement{SQL: "SELECT 1/0"})
			}
			done.Go(func() {
				<-open
				results[i] = result{money.Fen(fen), d.Commit(t.Context(), &unit)}
			})
		}
		close(open)
		done.Wait()
		var accepted money.Fen
		for i, r := range results {
			if r.err == nil {
				accepted += r.amount
			}
			if (r.err == nil || !errors.Is(r.err, limit.ErrExceeded)) && (r.err != nil) != broken[i] {
				t.Errorf("%d fen, broken %v: %v", r.amount, broken[i], r.err)
			}
		}
		used := d.used(t, customer, sms, monday)
		if used != accepted || used > top {
			t.Errorf("%d fen are used and %d were accepted under a cap of %d", used, accepted, top)
		}
		for i, r := range results {
			if errors.Is(r.err, limit.ErrExceeded) && r.amount <= top-used {
				t.Errorf("use %d of %d fen was refused, and %d are free", i, r.amount, top-used)
			}
		}
	})
}

func TestTheFigureInForce(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	customer := uuid.New()
	d.policy(t, "kind", "2026-03-01", 100)
	d.policy(t, "kind", "2026-03-10", 50)
	d.policy(t, "kind", "2026-03-05", 200)
	d.policy(t, "kind.other", "2026-03-02", 7)
	for day, want := range map[string]limit.Usage{
		"2026-03-01": {Cap: 100, Version: "2026-03-01"},
		"2026-03-04": {Cap: 100, Version: "2026-03-01"},
		"2026-03-05": {Cap: 200, Version: "2026-03-05"},
		"2026-03-09": {Cap: 200, Version: "2026-03-05", Used: 30},
		"2026-03-10": {Cap: 50, Version: "2026-03-10"},
		"2036-03-10": {Cap: 50, Version: "2026-03-10"},
	} {
		at, err := time.Parse(time.DateOnly, day)
		check.Must(t, err)
		if want.Used != 0 {
			check.Must(t, d.use(t, customer, "kind", at, want.Used, want.Cap))
		}
		got, err := limit.Get(t.Context(), d.Reader(), customer, "kind", at)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", day, err, diff)
		}
	}
	stranger, err := limit.Get(t.Context(), d.Reader(), uuid.New(), "kind", time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC))
	if err != nil || stranger.Used != 0 {
		t.Errorf("another customer: %+v, %v", stranger, err)
	}
}

// Without a figure the limit allows nothing. The error is internal: the customer did
// nothing wrong.
func TestNoFigureInForce(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	d.policy(t, "kind", "2026-03-02", 100)
	for kind, day := range map[limit.Kind]time.Time{
		"kind":    time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), // a day too early
		"unknown": monday,
		"":        monday,
		"KIND":    monday,
	} {
		s, err := limit.Get(t.Context(), d.Reader(), uuid.New(), kind, day)
		if bankerr.From(err) == nil || bankerr.From(err).Kind() != bankerr.Internal || s.Allows(1) {
			t.Errorf("%q on %v: %+v, %v", kind, day, s, err)
		}
	}
	_, err := limit.Get(t.Context(), pgtest.Broken(t).Reader(), uuid.New(), "kind", monday)
	if !errors.Is(err, bankerr.ErrUnavailable) {
		t.Errorf("without the database: %v", err)
	}
}

// The bank opens with the standard's figure: 50,000 CNY by SMS code.
func TestFiguresOfTheBank(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	got, err := limit.Get(t.Context(), d.Reader(), uuid.New(), sms, monday)
	want := limit.Usage{Cap: 5_000_000, Version: "2026-01-01"}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestUsageAllows(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		cap, used, amount money.Fen
		want              bool
	}{
		{100, 0, 100, true},
		{100, 0, 101, false},
		{100, 40, 60, true},
		{100, 40, 61, false},
		{100, 100, 1, false},
		{100, 150, 1, false}, // lowered since
		{0, 0, 1, false},
		{100, 40, math.MaxInt64, false},
		{math.MaxInt64, 1, math.MaxInt64, false},
		{math.MaxInt64, 0, math.MaxInt64, true},
	} {
		if got := (limit.Usage{Cap: tt.cap, Used: tt.used}).Allows(tt.amount); got != tt.want {
			t.Errorf("%s", fmt.Sprint(tt, " got ", got))
		}
	}
}

// A use can't give back a part of a limit.
func TestNothingIsGivenBack(t *testing.T) {
	t.Parallel()
	d, customer := newFixture(t), uuid.New()
	check.Must(t, d.use(t, customer, sms, monday, 100, most))
	for _, amount := range []money.Fen{0, -1, -100, math.MinInt64} {
		if err := d.use(t, customer, sms, monday, amount, math.MaxInt64); !errors.Is(err, limit.ErrExceeded) {
			t.Errorf("%d: %v, want LIMIT_EXCEEDED", amount, err)
		}
	}
	if got := d.used(t, customer, sms, monday); got != 100 {
		t.Errorf("%d is used, want 100", got)
	}
}
