package ledger_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/pgtest"
)

// opened is when every test's books are.
var opened = time.Date(2026, 11, 23, 10, 0, 0, 123_456_000, clock.Shanghai)

// books is a ledger in a database of its own, with one internal account.
type books struct {
	db   *pg.DB
	ring *keys.Ring
	bank uuid.UUID
}

func newBooks(t testing.TB) books {
	t.Helper()
	ring, err := keys.NewTestRing()
	if err != nil {
		t.Fatal(err)
	}
	b := books{db: pgtest.New(t), ring: ring}
	b.bank = b.account(t, ledger.KindInternal)
	return b
}

// account opens an empty account.
func (b books) account(t rapid.TB, kind ledger.Kind) uuid.UUID {
	t.Helper()
	id := uuid.New()
	var unit pg.Unit
	ledger.OpenAccount(&unit, ledger.Account{
		ID: id, Kind: kind, NumberSealed: []byte{0}, NumberIndex: id[:], NumberMasked: "6228 **** 0001", OpenedAt: opened,
	})
	b.must(t, b.db.Commit(context.Background(), &unit))
	return id
}

// funded opens a customer's account that holds an amount.
func (b books) funded(t rapid.TB, amount money.Fen) uuid.UUID {
	t.Helper()
	id := b.account(t, "debit")
	b.must(t, b.post(b.bank, id, amount))
	return id
}

func (b books) posting(debit, credit uuid.UUID, amount money.Fen) ledger.Posting {
	return ledger.Posting{
		ID: uuid.New(), Kind: "transfer", Debit: debit, Credit: credit, Amount: amount,
		BusinessDay: clock.BusinessDay(opened), PostedAt: opened, Internal: debit == b.bank || credit == b.bank,
		DebitSide:  ledger.Side{Counterparty: "*四", Summary: "转出"},
		CreditSide: ledger.Side{Counterparty: "*小明", Summary: "转入"},
	}
}

// post moves an amount and returns how that was refused.
func (b books) post(debit, credit uuid.UUID, amount money.Fen) error {
	return b.commit(b.posting(debit, credit, amount))
}

func (b books) commit(postings ...ledger.Posting) error {
	var unit pg.Unit
	for _, p := range postings {
		ledger.Post(&unit, p, func(parts ...[]byte) ([]byte, string) { return b.ring.MAC(keys.Ledger, parts...) })
	}
	return b.db.Commit(context.Background(), &unit)
}

// exec changes rows directly.
func (b books) exec(t rapid.TB, sql string, args ...any) {
	t.Helper()
	_, err := b.db.Pool().Exec(context.Background(), sql, args...)
	b.must(t, err)
}

// int reads one number.
func (b books) int(t rapid.TB, sql string, args ...any) int64 {
	t.Helper()
	var n int64
	b.must(t, b.db.Pool().QueryRow(context.Background(), sql, args...).Scan(&n))
	return n
}

func (b books) balance(t rapid.TB, account uuid.UUID) money.Fen {
	t.Helper()
	return money.Fen(b.int(t, "SELECT balance FROM account WHERE id = $1", account))
}

func (b books) verify(t rapid.TB) ledger.Report {
	t.Helper()
	report, err := ledger.Verify(context.Background(), b.db, func(id string, sum []byte, parts ...[]byte) error {
		return b.ring.VerifyMAC(keys.Ledger, id, sum, parts...)
	})
	b.must(t, err)
	return report
}

func (b books) sound(t rapid.TB) {
	t.Helper()
	if report := b.verify(t); !report.Sound() {
		t.Fatalf("the ledger is not sound: %+v", report)
	}
}

// foldAll folds until nothing is left, and says how much it moved.
func (b books) foldAll(t rapid.TB) (moved int64) {
	t.Helper()
	for {
		n, err := ledger.Fold(context.Background(), b.db)
		b.must(t, err)
		if n == 0 {
			return moved
		}
		moved += n
	}
}

func (b books) must(t rapid.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
