// Package statement lists the entries of one of the caller's accounts, newest first.
//
//	POST /function/account-statement   session
//
// Dates are calendar days in Shanghai, both included, at most 366 of them. Without
// dates, the range is the last 90 days. A page holds 20 entries unless the request
// asks for another number (at most 100). The entries of an account have numbers
// without gaps, which order them: each balance is the balance of the entry before
// plus the amount. The time is the booking time; it orders nothing, because the
// clocks of two instances differ by some milliseconds. A range without entries gives an empty list.
// Amounts are fen, negative where money went out. A malformed cursor is
// INPUT_INVALID. Refusals: OBJECT_NOT_FOUND, also for another customer's account.
package statement

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/functions/account"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/page"
	"github.com/tidebank/tidebank/shared/pg"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Query(fn.Spec{
	Name: "account-statement", Summary: "List an account's entries page by page", Audience: fn.Customer, Audit: fn.AuditRead,
	Personal: []string{"counterparty"}, Refusals: []*bankerr.Error{bankerr.ErrNotFound},
	Keys:         []keys.Purpose{keys.Ledger, keys.Storage},
	Requirements: []string{"ACCT-002", "LOGIC-004", "LOGIC-005", "LOGIC-011", "MASK-006"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

const (
	defaultDays = 90
	maxDays     = 366
)

// Request selects entries.
type Request struct {
	AccountID uuid.UUID `json:"account_id" format:"uuid"`
	From      string    `json:"from,omitempty" format:"date" doc:"First of at most 366 days (Shanghai), e.g. 2026-11-01; 90 if left out"`
	To        string    `json:"to,omitempty" format:"date" doc:"Last calendar day; today if left out"`
	Direction string    `json:"direction,omitempty" enum:"in,out" doc:"Both directions if left out"`
	Min       money.Fen `json:"min_fen,omitempty" minimum:"0" doc:"Smallest amount, without its sign"`
	Max       money.Fen `json:"max_fen,omitempty" minimum:"1" doc:"Largest amount; no bound if left out"`
	Cursor    string    `json:"cursor,omitempty" maxLength:"64" doc:"next_cursor of the page before"`
	Limit     int       `json:"limit,omitempty" minimum:"1" maximum:"100" doc:"20 if left out"`
}

// Validate checks form and ranges.
func (r Request) Validate() error {
	if r.Max != 0 && r.Max < r.Min {
		return fn.InvalidField("max_fen", "below min_fen")
	}
	if _, err := page.ParseNumber(r.Cursor); err != nil {
		return fn.InvalidField("cursor", "not from an earlier page")
	}
	return nil
}

// days returns the range as instants; to is excluded. The decoder has checked the
// form of the dates.
func (r Request) days(now time.Time) (from, to time.Time, err error) {
	today := clock.BusinessDay(now)
	last := today
	if r.To != "" {
		last, _ = time.Parse(time.DateOnly, r.To)
	}
	if r.From == "" && last.After(today) {
		last = today // the days to come have no entries
	}
	first := last.AddDate(0, 0, 1-defaultDays)
	if r.From != "" {
		first, _ = time.Parse(time.DateOnly, r.From)
	}
	if r.To == "" && first.After(last) {
		last = first // a range in the future is empty, not an error
	}
	if last.Before(first) || !last.Before(first.AddDate(0, 0, maxDays)) {
		return from, to, fn.InvalidField("from", "after the end, or more than 366 days to it")
	}
	return midnight(first), midnight(last.AddDate(0, 0, 1)), nil
}

func midnight(day time.Time) time.Time {
	return time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, clock.Shanghai)
}

// Entry is one line.
type Entry struct {
	Number       int64     `json:"number" doc:"Counts the account's entries from 1 without gaps, and orders them"`
	PostingID    uuid.UUID `json:"posting_id" format:"uuid"`
	Amount       money.Fen `json:"amount_fen"`
	BalanceAfter money.Fen `json:"balance_after_fen"`
	Counterparty string    `json:"counterparty" doc:"Masked"`
	Summary      string    `json:"summary" doc:"With the memo, masked"`
	PostedAt     time.Time `json:"posted_at"`
}

// Response is a page.
type Response struct {
	Entries    []Entry `json:"entries"`
	NextCursor string  `json:"next_cursor" doc:"Empty on the last page"`
}

type operation struct {
	store *account.Store
	db    pg.Reader
	ring  *keys.Ring
	clock clock.Clock
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.QueryOperation[Request, Response], error) {
	return operation{account.NewStore(lent.DB, lent.Keys), lent.DB, lent.Keys, lent.Clock}.do, nil
}

func (op operation) do(ctx context.Context, call *fn.Call, req Request) (Response, error) {
	query, err := op.query(req)
	if err != nil {
		return Response{}, err
	}
	if _, err := op.store.One(ctx, req.AccountID, call.CustomerID); err != nil {
		return Response{}, err
	}
	size := query.Limit
	query.Limit++ // one more entry shows whether another page follows
	found, err := ledger.Entries(ctx, op.db, op.ring, query)
	if err != nil {
		return Response{}, err
	}
	entries, next := page.Cut(found, size, ledger.Entry.Place)
	reply := Response{Entries: []Entry{}, NextCursor: next}
	for _, e := range entries {
		reply.Entries = append(reply.Entries, Entry{
			Number: e.Number, PostingID: e.PostingID, Amount: e.Amount, BalanceAfter: e.BalanceAfter, Counterparty: e.Counterparty,
			Summary: strings.TrimSpace(e.Summary + " " + e.Memo), PostedAt: e.PostedAt.In(clock.Shanghai),
		})
	}
	return reply, nil
}

func (op operation) query(req Request) (ledger.EntryQuery, error) {
	from, to, err := req.days(op.clock.Now())
	if err != nil {
		return ledger.EntryQuery{}, err
	}
	before, _ := page.ParseNumber(req.Cursor) // Validate has checked it
	q := ledger.EntryQuery{
		AccountID: req.AccountID, From: from, To: to, Min: req.Min, Max: req.Max, Before: before, Limit: page.Size(req.Limit),
		Direction: map[string]int{"in": 1, "out": -1}[req.Direction],
	}
	return q, nil
}
