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
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/pgtest"
)

// opened is when each test's ledger opens.
var opened = time.Date(2026, 11, 23, 10, 0, 0, 123_456_000, clock.Shanghai)

// fixture is a ledger in a database of its own, with one internal account.
type fixture struct {
	db   *pg.DB
	ring *keys.Ring
	bank uuid.UUID
}

func newFixture(t testing.TB) fixture {
	t.Helper()
	b := fixture{db: pgtest.New(t), ring: keytest.New(t)}
	b.bank = b.account(t, ledger.KindInternal)
	return b
}

// account opens an empty account.
func (b fixture) account(t rapid.TB, kind ledger.Kind) uuid.UUID {
	t.Helper()
	id := uuid.New()
	var unit pg.Unit
	ledger.OpenAccount(&unit, ledger.Account{
		ID: id, Kind: kind, NumberSealed: []byte{0}, NumberIndex: id[:], NumberMasked: "6228 **** 0001", OpenedAt: opened,
	})
	check.Must(t, b.db.Commit(context.Background(), &unit))
	return id
}

// funded opens a customer's account that holds an amount.
func (b fixture) funded(t rapid.TB, amount money.Fen) uuid.UUID {
	t.Helper()
	id := b.account(t, "debit")
	check.Must(t, b.post(b.bank, id, amount))
	return id
}

func (b fixture) posting(debit, credit uuid.UUID, amount money.Fen) ledger.Posting {
	return ledger.Posting{
		ID: uuid.New(), Kind: "transfer", Debit: debit, Credit: credit, Amount: amount,
		BusinessDay: clock.BusinessDay(opened), PostedAt: opened, Internal: debit == b.bank || credit == b.bank,
		DebitSide:  ledger.Side{Counterparty: "*四", Summary: "转出"},
		CreditSide: ledger.Side{Counterparty: "*小明", Summary: "转入"},
	}
}

// post moves an amount.
func (b fixture) post(debit, credit uuid.UUID, amount money.Fen) error {
	return b.commit(b.posting(debit, credit, amount))
}

func (b fixture) commit(postings ...ledger.Posting) error {
	var unit pg.Unit
	for _, p := range postings {
		ledger.Post(&unit, p, func(parts ...[]byte) ([]byte, string) { return b.ring.MAC(keys.Ledger, parts...) })
	}
	return b.db.Commit(context.Background(), &unit)
}

func (b fixture) balance(t rapid.TB, account uuid.UUID) money.Fen {
	t.Helper()
	return check.Value[money.Fen](t, b.db.Pool(), "SELECT balance FROM account WHERE id = $1", account)
}

func (b fixture) verify(t rapid.TB) ledger.Report {
	t.Helper()
	report, err := ledger.Verify(context.Background(), b.db, func(id string, sum []byte, parts ...[]byte) error {
		return b.ring.VerifyMAC(keys.Ledger, id, sum, parts...)
	})
	check.Must(t, err)
	return report
}

func (b fixture) sound(t rapid.TB) {
	t.Helper()
	if report := b.verify(t); !report.Sound() {
		t.Fatalf("the ledger is not sound: %+v", report)
	}
}

// foldAll folds until no entry is left, and returns how many it moved.
func (b fixture) foldAll(t rapid.TB) (moved int64) {
	t.Helper()
	for {
		n, err := ledger.Fold(context.Background(), b.db)
		check.Must(t, err)
		if n == 0 {
			return moved
		}
		moved += n
	}
}
