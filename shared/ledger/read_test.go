package ledger_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/page"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// entries reads a page of an account. A zero field of the query sets no bound.
func (b fixture) entries(t rapid.TB, q ledger.EntryQuery) []ledger.Entry {
	t.Helper()
	if q.From.IsZero() {
		q.From = opened.AddDate(0, 0, -30)
	}
	if q.To.IsZero() {
		q.To = opened.AddDate(0, 0, 30)
	}
	if q.Limit == 0 {
		q.Limit = 100
	}
	list, err := ledger.Entries(context.Background(), b.db.Reader(), b.ring, q)
	check.Must(t, err)
	return list
}

func amounts(entries []ledger.Entry) []money.Fen {
	list := []money.Fen{}
	for _, e := range entries {
		list = append(list, e.Amount)
	}
	return list
}

// statement is an account with five entries, one an hour: 10000, -1, 20, -300, 4000.
func statement(t *testing.T) (b fixture, account uuid.UUID) {
	t.Helper()
	b = newFixture(t)
	account = b.account(t, "debit")
	for i, amount := range []money.Fen{10_000, -1, 20, -300, 4_000} {
		p := b.posting(b.bank, account, amount)
		if amount < 0 {
			p = b.posting(account, b.bank, -amount)
		}
		p.PostedAt = opened.Add(time.Duration(i) * time.Hour)
		check.Must(t, b.commit(p))
	}
	return b, account
}

func TestEntriesAreSelected(t *testing.T) {
	t.Parallel()
	b, account := statement(t)
	at := func(hours int) time.Time { return opened.Add(time.Duration(hours) * time.Hour) }
	for _, tt := range []struct {
		name  string
		query ledger.EntryQuery
		want  []money.Fen
	}{
		{"all, newest first", ledger.EntryQuery{}, []money.Fen{4_000, -300, 20, -1, 10_000}},
		{"another account's", ledger.EntryQuery{AccountID: uuid.New()}, []money.Fen{}},
		{"from an instant on", ledger.EntryQuery{From: at(3)}, []money.Fen{4_000, -300}},
		{"a microsecond later", ledger.EntryQuery{From: at(3).Add(time.Microsecond)}, []money.Fen{4_000}},
		{"up to an instant, without it", ledger.EntryQuery{To: at(1)}, []money.Fen{10_000}},
		{"a microsecond longer", ledger.EntryQuery{To: at(1).Add(time.Microsecond)}, []money.Fen{-1, 10_000}},
		{"in", ledger.EntryQuery{Direction: 1}, []money.Fen{4_000, 20, 10_000}},
		{"out", ledger.EntryQuery{Direction: -1}, []money.Fen{-300, -1}},
		{"at least", ledger.EntryQuery{Min: 300}, []money.Fen{4_000, -300, 10_000}},
		{"one fen more", ledger.EntryQuery{Min: 301}, []money.Fen{4_000, 10_000}},
		{"at most", ledger.EntryQuery{Max: 300}, []money.Fen{-300, 20, -1}},
		{"one fen less", ledger.EntryQuery{Max: 299}, []money.Fen{20, -1}},
		{"out between", ledger.EntryQuery{Direction: -1, Min: 2, Max: 300}, []money.Fen{-300}},
		{"a page", ledger.EntryQuery{Limit: 2}, []money.Fen{4_000, -300}},
	} {
		if tt.query.AccountID == uuid.Nil {
			tt.query.AccountID = account
		}
		if diff := cmp.Diff(tt.want, amounts(b.entries(t, tt.query))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// Pages of every size give each entry once, also when entries share an instant or
// come from a clock that is behind.
func TestPagesGiveEveryEntryOnce(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	account := b.account(t, "debit")
	const count = 11
	for i := range count {
		p := b.posting(b.bank, account, money.Fen(i+1))
		p.PostedAt = opened.Add(time.Duration(i%3) * time.Microsecond) // the clocks of three instances
		check.Must(t, b.commit(p))
	}
	all := b.entries(t, ledger.EntryQuery{AccountID: account})
	if len(all) != count {
		t.Fatalf("%d entries, want %d", len(all), count)
	}
	for size := 1; size <= count+1; size++ {
		var got []ledger.Entry
		cursor := page.Number(0)
		for {
			some := b.entries(t, ledger.EntryQuery{AccountID: account, Before: cursor, Limit: size})
			if len(some) == 0 || len(got) > count {
				break
			}
			got = append(got, some...)
			var err error
			cursor, err = page.ParseNumber(got[len(got)-1].Place().String())
			check.Must(t, err)
		}
		if diff := cmp.Diff(all, got); diff != "" {
			t.Fatalf("pages of %d (-want +got):\n%s", size, diff)
		}
	}
}

// Newer entries do not move a page that follows one that was read.
func TestCursorStandsWhileEntriesArrive(t *testing.T) {
	t.Parallel()
	b, account := statement(t)
	first := b.entries(t, ledger.EntryQuery{AccountID: account, Limit: 2})
	late := b.posting(b.bank, account, 7)
	late.PostedAt = opened.Add(10 * time.Hour)
	check.Must(t, b.commit(late))
	rest := b.entries(t, ledger.EntryQuery{AccountID: account, Before: first[1].Place()})
	if diff := cmp.Diff([]money.Fen{20, -1, 10_000}, amounts(rest)); diff != "" {
		t.Errorf("second page (-want +got):\n%s", diff)
	}
}

func TestEntriesWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	_, err := ledger.Entries(t.Context(), pgtest.Broken(t).Reader(), nil, ledger.EntryQuery{To: opened, Limit: 1})
	if !errors.Is(err, bankerr.ErrUnavailable) {
		t.Errorf("%v, want SERVICE_UNAVAILABLE", err)
	}
}
