package ledger_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/test/check"
)

// model is a customer's account as it should be.
type model struct {
	id            uuid.UUID
	balance, held money.Fen
	state         ledger.State
}

// expected is what a posting between two accounts must answer; nil stands for
// the bank's internal account, which may always give and take.
func expected(debit, credit *model, amount money.Fen) error {
	if debit == credit {
		return ledger.ErrSameAccount
	}
	for _, side := range []*model{debit, credit} {
		if side != nil && side.state != ledger.StateOpen {
			return ledger.ErrAccountClosed
		}
	}
	if debit != nil && debit.balance-debit.held < amount {
		return ledger.ErrFundsInsufficient
	}
	return nil
}

// After any postings and refusals, in any order, each account has the balance of the
// model, no account is overdrawn, and the ledger is sound.
func TestAnyPostingsLeaveASoundLedger(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	rapid.Check(t, func(t *rapid.T) {
		accounts := []*model{nil} // the bank
		for range rapid.IntRange(2, 5).Draw(t, "accounts") {
			balance := money.Fen(rapid.Int64Range(1, 1_000).Draw(t, "balance"))
			accounts = append(accounts, &model{id: b.funded(t, balance), balance: balance, state: ledger.StateOpen})
		}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			b.step(t, accounts)
		}
		b.agree(t, accounts[1:])
		b.sound(t)
	})
}

// step does one thing to the ledger and to the model.
func (b fixture) step(t *rapid.T, accounts []*model) {
	someone := rapid.SampledFrom(accounts[1:]).Draw(t, "account")
	switch what := rapid.IntRange(0, 9).Draw(t, "what"); what {
	case 0:
		someone.state = rapid.SampledFrom(ledger.States()).Draw(t, "state")
		check.Exec(t, b.db.Pool(), "UPDATE account SET state = $2 WHERE id = $1", someone.id, someone.state)
	case 1:
		someone.held = money.Fen(rapid.Int64Range(0, int64(someone.balance)).Draw(t, "held"))
		check.Exec(t, b.db.Pool(), "UPDATE account SET held = $2 WHERE id = $1", someone.id, someone.held)
	case 2:
		_, err := ledger.Fold(context.Background(), b.db)
		check.Must(t, err)
	default:
		b.transfer(t, rapid.SampledFrom(accounts).Draw(t, "debit"), rapid.SampledFrom(accounts).Draw(t, "credit"))
	}
}

// transfer posts an amount near the edge of what the payer has, and compares.
func (b fixture) transfer(t *rapid.T, debit, credit *model) {
	amount := money.Fen(rapid.Int64Range(1, 1_500).Draw(t, "amount"))
	if debit != nil && rapid.Bool().Draw(t, "edge") {
		amount = max(1, debit.balance-debit.held+money.Fen(rapid.Int64Range(-1, 1).Draw(t, "off")))
	}
	id := func(m *model) uuid.UUID {
		if m == nil {
			return b.bank
		}
		return m.id
	}
	want := expected(debit, credit, amount)
	if got := b.post(id(debit), id(credit), amount); !errors.Is(got, want) {
		t.Fatalf("%+v pays %+v %d: %v, want %v", debit, credit, amount, got, want)
	}
	if want != nil {
		return
	}
	if debit != nil {
		debit.balance -= amount
	}
	if credit != nil {
		credit.balance += amount
	}
}

// agree compares every account with the model and with its own entries.
func (b fixture) agree(t *rapid.T, accounts []*model) {
	for _, m := range accounts {
		got := b.balance(t, m.id)
		entries := check.Value[money.Fen](t, b.db.Pool(), "SELECT sum(amount)::bigint FROM entry WHERE account_id = $1", m.id)
		if got != m.balance || entries != m.balance || got < m.held {
			t.Fatalf("balance %d, entries %d, want %d with %d held", got, entries, m.balance, m.held)
		}
	}
	if sum := check.Count(t, b.db.Pool(), `
SELECT (SELECT sum(amount) FROM entry)::bigint + (SELECT coalesce(sum(amount), 0) FROM ledger_fold)::bigint`); sum != 0 {
		t.Fatalf("all entries sum to %d", sum)
	}
}
