package statement_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	accountstatement "github.com/tidebank/tidebank/functions/account/statement"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

type fixture struct {
	bank.Pair
	far seed.Customer
}

// newFixture opens a bank on Monday 2026-11-23, ten in the morning. The payer's
// account starts with nothing.
func newFixture(t *testing.T) fixture {
	t.Helper()
	p := bank.NewPair(t, 0)
	return fixture{p, p.Customer(t, "赵六", 9_999_999_99)}
}

// move posts an amount to the own account, or with a negative one from it.
func (w fixture) move(t *testing.T, amount money.Fen, at time.Time, summary string) {
	t.Helper()
	own, far := w.Payer.AccountIDs[0], w.far.AccountIDs[0]
	side := ledger.Side{Counterparty: "*四 622848*****0001", Summary: summary}
	p := ledger.Posting{
		ID: uuid.New(), Kind: "transfer", Debit: far, Credit: own, Amount: amount, BusinessDay: clock.BusinessDay(at),
		PostedAt: at, DebitSide: side, CreditSide: side,
	}
	if amount < 0 {
		p.Debit, p.Credit, p.Amount = own, far, -amount
	}
	var unit pg.Unit
	ledger.Post(&unit, p, func(parts ...[]byte) ([]byte, string) { return w.Host.Keys.MAC(keys.Ledger, parts...) })
	check.Must(t, w.Host.DB.Commit(context.Background(), &unit))
}

type query map[string]any

func (w fixture) ask(t *testing.T, q query) bank.Reply {
	t.Helper()
	if q["account_id"] == nil {
		q["account_id"] = w.Payer.AccountIDs[0]
	}
	return w.Phone.Call(t, accountstatement.Function, "", q)
}

func (w fixture) summaries(t *testing.T, q query) []string {
	t.Helper()
	var page accountstatement.Response
	w.ask(t, q).Into(t, &page)
	list := []string{}
	for _, e := range page.Entries {
		list = append(list, e.Summary)
	}
	return list
}

func TestEntriesShowWhatMoved(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ACCT-002.1")
	w := newFixture(t)
	at := bank.Start
	w.move(t, 999_999_99, at.Add(-2*time.Minute), "in")
	w.move(t, -10, at.Add(-time.Minute), "out")
	w.move(t, -1, at, "last")
	var page accountstatement.Response
	w.ask(t, query{}).Into(t, &page)
	want := []accountstatement.Entry{
		{Number: 3, Amount: -1, BalanceAfter: 999_999_88, Summary: "last", PostedAt: at},
		{Number: 2, Amount: -10, BalanceAfter: 999_999_89, Summary: "out", PostedAt: at.Add(-time.Minute)},
		{Number: 1, Amount: 999_999_99, BalanceAfter: 999_999_99, Summary: "in", PostedAt: at.Add(-2 * time.Minute)},
	}
	for i := range page.Entries {
		if page.Entries[i].PostingID == uuid.Nil || !strings.HasSuffix(page.Entries[i].PostedAt.Format(time.RFC3339), "+08:00") {
			t.Errorf("entry %d: %+v", i, page.Entries[i])
		}
		page.Entries[i].PostingID = uuid.Nil
	}
	for i := range want {
		want[i].Counterparty = "*四 622848*****0001"
	}
	same := cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })
	if diff := cmp.Diff(accountstatement.Response{Entries: want}, page, same); diff != "" {
		t.Errorf("statement (-want +got):\n%s", diff)
	}
}

func TestNothingInTheRangeIsAnEmptyList(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ACCT-002.3")
	w := newFixture(t)
	for _, q := range []query{{}, {"account_id": w.Payer.AccountIDs[1]}, {"from": "2030-01-01"}, {"to": "2001-01-01"}} {
		reply := w.ask(t, q)
		if reply.Want(t, ""); string(reply.Body) != `{"entries":[],"next_cursor":""}` {
			t.Errorf("%v: %s", q, reply.Body)
		}
	}
}

// A page is where the one before ended, even when money moves in between and
// when several entries share one instant.
func TestPagesJoinWithoutGapOrRepeat(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ACCT-002.2")
	w := newFixture(t)
	const entries = 45
	for i := range entries {
		// Six share an instant, so that a page of twenty ends among them.
		w.move(t, 1_00, bank.Start.Add(time.Duration(i/6-10)*time.Minute), fmt.Sprint(i))
	}
	seen := map[string]bool{}
	var last time.Time
	q := query{}
	for _, want := range []int{20, 20, 5} {
		var page accountstatement.Response
		w.ask(t, q).Into(t, &page)
		if len(page.Entries) != want {
			t.Fatalf("a page of %d, want %d", len(page.Entries), want)
		}
		for _, e := range page.Entries {
			if seen[e.Summary] || !last.IsZero() && e.PostedAt.After(last) {
				t.Fatalf("entry %s again or out of order", e.Summary)
			}
			seen[e.Summary], last = true, e.PostedAt
		}
		if (page.NextCursor == "") != (len(seen) == entries) {
			t.Fatalf("cursor %q after %d entries", page.NextCursor, len(seen))
		}
		q = query{"cursor": page.NextCursor}
		w.move(t, 1_00, bank.Start.Add(time.Minute), "later")
	}
}

// While transfers of several instances, whose clocks differ, run in both directions, a
// walk through the pages finds every line once, and every line adds up.
func TestStatementAddsUpWhileMoneyMoves(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ACCT-002.2")
	w := newFixture(t)
	w.move(t, 1_000_00, bank.Start.Add(-time.Hour), "first")
	const movers, each = 8, 25
	mover := func(i int) struct{} {
		for n := range each {
			amount := money.Fen(1 + i)
			if n%2 == 1 {
				amount = -amount
			}
			// Each instance took its time before it waited for the lock, by a clock of its own.
			w.move(t, amount, bank.Start.Add(time.Duration(i*7+n)*time.Millisecond-time.Minute), "x")
		}
		return struct{}{}
	}
	var moving sync.WaitGroup
	moving.Go(func() { check.AtOnce(movers, mover) })
	for range 3 {
		wantAddsUp(t, w.walk(t, 7))
	}
	moving.Wait()
	if list := w.walk(t, 7); wantAddsUp(t, list) != 1+movers*each {
		t.Errorf("the statement has %d lines, want %d", len(list), 1+movers*each)
	}
	w.CheckLedger(t)
}

// walk reads all pages of a size.
func (w fixture) walk(t *testing.T, size int) (list []accountstatement.Entry) {
	t.Helper()
	q := query{"limit": size}
	for {
		var page accountstatement.Response
		w.ask(t, q).Into(t, &page)
		list = append(list, page.Entries...)
		if page.NextCursor == "" {
			return list
		}
		q["cursor"] = page.NextCursor
	}
}

// wantAddsUp checks that no line is missing or doubled and that each balance is the one
// before plus the amount. It returns the number of lines.
func wantAddsUp(t *testing.T, list []accountstatement.Entry) int {
	t.Helper()
	for i, e := range list {
		before := accountstatement.Entry{}
		if i+1 < len(list) {
			before = list[i+1]
		}
		if e.Number != int64(len(list)-i) || e.BalanceAfter != before.BalanceAfter+e.Amount {
			t.Fatalf("line %d of %d: %+v after %+v", len(list)-i, len(list), e, before)
		}
	}
	return len(list)
}

func TestPageSizes(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for i := range 101 {
		w.move(t, 1_00, bank.Start.Add(time.Duration(i)*time.Second-time.Hour), "x")
	}
	for limit, want := range map[int]int{1: 1, 99: 99, 100: 100} {
		if got := len(w.summaries(t, query{"limit": limit})); got != want {
			t.Errorf("limit %d gave %d entries, want %d", limit, got, want)
		}
	}
	if got := len(w.summaries(t, query{})); got != 20 {
		t.Errorf("without a limit, %d entries", got)
	}
	w.ask(t, query{"limit": 0}).Want(t, "INPUT_INVALID")
	w.ask(t, query{"limit": 101}).Want(t, "INPUT_INVALID")
	w.ask(t, query{"limit": -1}).Want(t, "INPUT_INVALID")
}

func TestDaysAreShanghaisAndIncluded(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ACCT-002.1")
	w := newFixture(t)
	midnight := time.Date(2026, 11, 10, 0, 0, 0, 0, clock.Shanghai)
	w.move(t, 1_00, midnight.Add(-time.Microsecond), "last of 9")
	w.move(t, 1_00, midnight, "first of 10")
	w.move(t, 1_00, midnight.AddDate(0, 0, 1).Add(-time.Microsecond), "last of 10")
	w.move(t, 1_00, midnight.AddDate(0, 0, 1), "first of 11")
	for _, tt := range []struct {
		from, to string
		want     []string
	}{
		{"2026-11-10", "2026-11-10", []string{"last of 10", "first of 10"}},
		{"2026-11-09", "2026-11-09", []string{"last of 9"}},
		{"2026-11-09", "2026-11-11", []string{"first of 11", "last of 10", "first of 10", "last of 9"}},
		{"2026-11-11", "", []string{"first of 11"}},
		{"", "2026-11-09", []string{"last of 9"}},
		{"2026-11-12", "2026-11-23", []string{}},
	} {
		q := query{}
		for key, day := range map[string]string{"from": tt.from, "to": tt.to} {
			if day != "" {
				q[key] = day
			}
		}
		if diff := cmp.Diff(tt.want, w.summaries(t, q)); diff != "" {
			t.Errorf("%s to %s (-want +got):\n%s", tt.from, tt.to, diff)
		}
	}
}

func TestWithoutDatesTheLast90Days(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	first := time.Date(2026, 11, 23, 0, 0, 0, 0, clock.Shanghai).AddDate(0, 0, -89)
	w.move(t, 1_00, first.Add(-time.Microsecond), "day 91")
	w.move(t, 1_00, first, "day 90")
	for _, q := range []query{{}, {"to": "2026-11-23"}, {"to": "2026-12-31"}, {"to": "9999-12-31"}} {
		if diff := cmp.Diff([]string{"day 90"}, w.summaries(t, q)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", q, diff)
		}
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for i, amount := range []money.Fen{100_00, -99_99, 99_99, -1, 100_01} {
		w.move(t, amount, bank.Start.Add(time.Duration(i)*time.Second), amount.Yuan())
	}
	for _, tt := range []struct {
		q    query
		want []string
	}{
		{query{"direction": "in"}, []string{"100.01", "99.99", "100.00"}},
		{query{"direction": "out"}, []string{"-0.01", "-99.99"}},
		{query{"min_fen": 100_00}, []string{"100.01", "100.00"}},
		{query{"max_fen": 99_99}, []string{"-0.01", "99.99", "-99.99"}},
		{query{"min_fen": 100_00, "max_fen": 100_00}, []string{"100.00"}},
		{query{"direction": "out", "min_fen": 2}, []string{"-99.99"}},
	} {
		if diff := cmp.Diff(tt.want, w.summaries(t, tt.q)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tt.q, diff)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for _, tt := range []struct {
		name string
		q    query
		want string
	}{
		{"366 days", query{"from": "2028-01-01", "to": "2028-12-31"}, ""},
		{"367 days", query{"from": "2027-12-31", "to": "2028-12-31"}, "INPUT_INVALID"},
		{"366 days to today", query{"from": "2025-11-23"}, ""},
		{"367 days to today", query{"from": "2025-11-22"}, "INPUT_INVALID"},
		{"since ever", query{"from": "0001-01-01"}, "INPUT_INVALID"},
		{"one day", query{"from": "2026-11-23", "to": "2026-11-23"}, ""},
		{"backwards", query{"from": "2026-11-23", "to": "2026-11-22"}, "INPUT_INVALID"},
		{"no such day", query{"from": "2026-02-29"}, "INPUT_INVALID"},
		{"a time", query{"to": "2026-11-23T00:00:00Z"}, "INPUT_INVALID"},
		{"last day of all", query{"from": "9999-12-31", "to": "9999-12-31"}, ""},
		{"direction", query{"direction": "IN"}, "INPUT_INVALID"},
		{"least below 0", query{"min_fen": -1}, "INPUT_INVALID"},
		{"most below 0", query{"max_fen": -1}, "INPUT_INVALID"},
		{"most of nothing", query{"min_fen": 5, "max_fen": 0}, "INPUT_INVALID"},
		{"most below least", query{"min_fen": 2, "max_fen": 1}, "INPUT_INVALID"},
		{"half a fen", query{"min_fen": 0.5}, "INPUT_INVALID"},
		{"unknown field", query{"customer_id": w.far.ID}, "INPUT_INVALID"},
		{"foreign account", query{"account_id": w.far.AccountIDs[0]}, "OBJECT_NOT_FOUND"},
		{"no account", query{"account_id": uuid.New()}, "OBJECT_NOT_FOUND"},
		{"no cursor", query{"cursor": "x"}, "INPUT_INVALID"},
	} {
		if got := w.ask(t, tt.q); got.Code != tt.want {
			t.Errorf("%s: %d %q, want %q", tt.name, got.Status, got.Code, tt.want)
		}
	}
	w.Device(t, "stranger").Call(t, accountstatement.Function, "", query{"account_id": w.Payer.AccountIDs[0]}).
		Want(t, "SESSION_REQUIRED")
}

func TestForeignAndNoAccountAreOneAnswer(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	foreign, none := w.ask(t, query{"account_id": w.far.AccountIDs[0]}), w.ask(t, query{"account_id": uuid.New()})
	bank.WantSame(t, "a foreign account", foreign, none)
}

func TestACursorSelectsWithinItsRequestsAccount(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.move(t, 1_00, bank.Start.Add(-time.Second), "first")
	w.move(t, 1_00, bank.Start, "second")
	var page accountstatement.Response
	w.ask(t, query{"limit": 1}).Into(t, &page)
	if diff := cmp.Diff([]string{"first"}, w.summaries(t, query{"cursor": page.NextCursor})); diff != "" {
		t.Fatalf("the second page (-want +got):\n%s", diff)
	}
	w.ask(t, query{"cursor": page.NextCursor, "account_id": w.Payer.AccountIDs[1]}).Want(t, "")
	w.ask(t, query{"cursor": "A" + page.NextCursor}).Want(t, "INPUT_INVALID")
}

func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.Host.DB = pgtest.Broken(t)
	w.ask(t, query{}).Want(t, "SERVICE_UNAVAILABLE")
}
