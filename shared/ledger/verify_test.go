package ledger_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// scene is a small sound ledger and one of its postings, which a superuser changes.
type scene struct {
	fixture
	payer, payee, third uuid.UUID
	posting             ledger.Posting
}

func newScene(t *testing.T) scene {
	t.Helper()
	s := scene{fixture: newFixture(t)}
	s.payer, s.payee, s.third = s.funded(t, 1_000), s.funded(t, 1_000), s.funded(t, 1_000)
	s.posting = s.fixture.posting(s.payer, s.payee, 300)
	check.Must(t, s.commit(s.posting))
	s.sound(t)
	return s
}

// spoil changes rows as a superuser whom no trigger stops. The statements name the
// scene's ids as $payer, $payee, $third, $bank and $posting.
func (s scene) spoil(t *testing.T, statements ...string) {
	t.Helper()
	quote := func(id uuid.UUID) string { return "'" + id.String() + "'::uuid" }
	ids := strings.NewReplacer("$payer", quote(s.payer), "$payee", quote(s.payee), "$third", quote(s.third),
		"$bank", quote(s.bank), "$posting", quote(s.posting.ID))
	tx, err := s.db.Pool().Begin(t.Context())
	check.Must(t, err)
	defer tx.Rollback(context.WithoutCancel(t.Context())) //nolint:errcheck // gone already when all went well
	check.Exec(t, tx, "SET LOCAL session_replication_role = replica")
	for _, sql := range statements {
		tag, err := tx.Exec(t.Context(), ids.Replace(sql))
		check.Must(t, err)
		if tag.RowsAffected() == 0 && !strings.HasPrefix(sql, "ALTER") {
			t.Fatalf("nothing was changed by %s", sql)
		}
	}
	check.Must(t, tx.Commit(t.Context()))
}

func TestVerifyFinds(t *testing.T) {
	t.Parallel()
	insertEntry := func(account, posting, amount string) string {
		return `INSERT INTO entry (account_id, number, posting_id, amount, balance_after, counterparty, summary, posted_at, memo_ct)
SELECT ` + account + `, (SELECT count(*) + 1 FROM entry WHERE account_id = ` + account + `), ` + posting + `, ` + amount + `,
       0, '', '', posted_at, '' FROM posting WHERE id = $posting`
	}
	move := func(account, amount string) string {
		return "UPDATE account SET balance = balance + " + amount + " WHERE id = " + account
	}
	for _, tt := range []struct {
		name       string
		statements []string
		found      func(ledger.Report) bool
	}{
		{
			"a changed balance",
			[]string{move("$payer", "1")},
			func(r ledger.Report) bool { return r.WrongBalance == 1 && r.Sum == 1 },
		},
		{
			"money moved between balances",
			[]string{move("$payer", "-1"), move("$payee", "1")},
			func(r ledger.Report) bool { return r.WrongBalance == 2 && r.Sum == 0 },
		},
		{
			"a changed entry",
			[]string{"UPDATE entry SET amount = amount + 1 WHERE account_id = $payee AND posting_id = $posting"},
			func(r ledger.Report) bool { return r.WrongBalance == 1 && r.Unbalanced == 1 && r.Stray == 1 },
		},
		{
			"a changed entry with its balance",
			[]string{
				"UPDATE entry SET amount = amount + 1 WHERE account_id = $payee AND posting_id = $posting", move("$payee", "1"),
			},
			func(r ledger.Report) bool { return r.Unbalanced == 1 && r.Sum == 1 },
		},
		{
			"an entry moved to another account, with the balances",
			[]string{
				"UPDATE entry SET account_id = $third, number = 9 WHERE account_id = $payee AND posting_id = $posting",
				move("$payee", "-300"), move("$third", "300"),
			},
			func(r ledger.Report) bool { return r.Unbalanced == 1 && r.Stray == 1 },
		},
		{
			"a missing entry",
			[]string{"DELETE FROM entry WHERE account_id = $payer AND posting_id = $posting"},
			func(r ledger.Report) bool { return r.WrongBalance == 1 && r.Unbalanced == 1 },
		},
		{
			"both entries missing, with the balances",
			[]string{"DELETE FROM entry WHERE posting_id = $posting", move("$payer", "300"), move("$payee", "-300")},
			func(r ledger.Report) bool { return r.Unbalanced == 1 },
		},
		{
			"a missing posting",
			[]string{"DELETE FROM posting WHERE id = $posting"},
			func(r ledger.Report) bool { return r.Stray == 2 },
		},
		{
			"entries added under a posting, with the balances",
			[]string{
				insertEntry("$third", "$posting", "-500"), insertEntry("$bank", "$posting", "500"),
				move("$third", "-500"), move("$bank", "500"),
			},
			func(r ledger.Report) bool { return r.Stray == 2 },
		},
		{
			"entries added under no posting, with the balances",
			[]string{
				insertEntry("$payer", "$bank", "500"), insertEntry("$third", "$bank", "-500"),
				move("$payer", "500"), move("$third", "-500"),
			},
			func(r ledger.Report) bool { return r.Stray == 2 },
		},
		{
			"a whole posting raised",
			[]string{
				"UPDATE posting SET amount = 400 WHERE id = $posting",
				"UPDATE entry SET amount = sign(amount) * 400 WHERE posting_id = $posting",
				move("$payer", "-100"), move("$payee", "100"),
			},
			func(r ledger.Report) bool { return r.Forged == 1 },
		},
		{
			"a changed business day",
			[]string{"UPDATE posting SET business_day = business_day + 1 WHERE id = $posting"},
			func(r ledger.Report) bool { return r.Forged == 1 },
		},
		{
			"a changed kind",
			[]string{"UPDATE posting SET kind = 'fee' WHERE id = $posting"},
			func(r ledger.Report) bool { return r.Forged == 1 },
		},
		{
			"a MAC under another key's name",
			[]string{"UPDATE posting SET mac_key = 'audit/1' WHERE id = $posting"},
			func(r ledger.Report) bool { return r.Forged == 1 },
		},
		{
			"an entry at another time",
			[]string{"UPDATE entry SET posted_at = posted_at + '1 s' WHERE account_id = $payer AND posting_id = $posting"},
			func(r ledger.Report) bool { return r.Stray == 1 && r.Unbalanced == 1 },
		},
		{
			"an amount waiting to be folded dropped",
			[]string{
				`DELETE FROM ledger_fold WHERE (account_id, posting_id) IN
(SELECT account_id, posting_id FROM ledger_fold WHERE account_id = $bank LIMIT 1)`,
			},
			func(r ledger.Report) bool { return r.Unbalanced == 1 && r.Sum == 1_000 },
		},
		{
			"two entries exchanged",
			[]string{
				"UPDATE entry SET number = CASE number WHEN 1 THEN 12 ELSE 11 END WHERE account_id = $payer",
				"UPDATE entry SET number = number - 10 WHERE account_id = $payer",
			},
			func(r ledger.Report) bool { return r.WrongRunning == 2 && r.Misnumbered == 0 },
		},
		{
			"a number left out",
			[]string{
				"UPDATE entry SET number = 3 WHERE account_id = $payer AND number = 2",
				"UPDATE account SET last_entry = 3 WHERE id = $payer",
			},
			func(r ledger.Report) bool { return r.Misnumbered == 1 && r.WrongRunning == 0 },
		},
		{
			"a wrong running balance",
			[]string{"UPDATE entry SET balance_after = balance_after - 1 WHERE account_id = $payee AND number = 2"},
			func(r ledger.Report) bool { return r.WrongRunning == 1 && r.Misnumbered == 0 },
		},
		{
			"an account that counts one entry too few",
			[]string{"UPDATE account SET last_entry = last_entry - 1 WHERE id = $payee"},
			func(r ledger.Report) bool { return r.Misnumbered == 1 && r.WrongRunning == 0 },
		},
		{
			"an overdrawn account",
			[]string{
				"ALTER TABLE account DROP CONSTRAINT account_available_not_negative",
				move("$payer", "-5000"), move("$bank", "5000"),
			},
			func(r ledger.Report) bool { return r.Overdrawn == 1 && r.WrongBalance == 2 },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			s.spoil(t, tt.statements...)
			if report := s.verify(t); report.Sound() || !tt.found(report) {
				t.Errorf("the report is %+v", report)
			}
		})
	}
}

// A row is authentic under its own ring's key only.
func TestVerifyNeedsTheRightKey(t *testing.T) {
	t.Parallel()
	s, other := newScene(t), newFixture(t)
	s.ring = other.ring
	if report := s.verify(t); report.Forged != report.Postings || report.Postings != 4 {
		t.Errorf("under another key: %+v", report)
	}
}

func TestVerifyAndFoldWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	broken := pgtest.Broken(t)
	if _, err := ledger.Verify(t.Context(), broken, nil); !errors.Is(err, bankerr.ErrUnavailable) {
		t.Errorf("verify: %v", err)
	}
	if _, err := ledger.Fold(t.Context(), broken); !errors.Is(err, bankerr.ErrUnavailable) {
		t.Errorf("fold: %v", err)
	}
}

func TestFoldMovesEveryEntryOnce(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	customer := b.funded(t, 1_000)
	check.Must(t, b.post(customer, b.bank, 250))
	if got := b.balance(t, b.bank); got != 0 {
		t.Fatalf("the internal row holds %d before folding", got)
	}
	b.sound(t)
	if moved := b.foldAll(t); moved != 2 {
		t.Errorf("%d entries folded, want 2", moved)
	}
	if got := b.balance(t, b.bank); got != -750 {
		t.Errorf("the internal account has %d, want -750", got)
	}
	b.sound(t)
}

// An internal account's entry gets its number and its running balance at folding, also
// if several workers fold at once.
func TestFoldNumbersEntries(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	customer := b.funded(t, 1_000)
	for amount := range money.Fen(40) {
		check.Must(t, b.post(customer, b.bank, 1+amount))
	}
	if n := len(b.entries(t, ledger.EntryQuery{AccountID: b.bank})); n != 0 {
		t.Errorf("%d entries of the internal account stand before folding", n)
	}
	b.foldAll(t)
	check.Must(t, b.post(customer, b.bank, 1))
	b.foldAll(t)
	list := b.entries(t, ledger.EntryQuery{AccountID: b.bank})
	if len(list) != 42 || list[0].Number != 42 || list[0].BalanceAfter != b.balance(t, b.bank) || list[0].Counterparty != "*小明" {
		t.Errorf("%d entries, the last %+v", len(list), list[0])
	}
	b.sound(t)
}

// Concurrent folding and posting lose no entry and count no entry twice.
func TestFoldWhilePostingAndFolding(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	customer := b.funded(t, 1)
	const posters, each = 6, 30
	var posting, folding sync.WaitGroup
	var done atomic.Bool
	for range 3 {
		folding.Go(func() {
			for !done.Load() {
				if _, err := ledger.Fold(context.Background(), b.db); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range posters {
		posting.Go(func() {
			for range each {
				if err := b.post(b.bank, customer, 1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	posting.Wait()
	done.Store(true)
	folding.Wait()
	b.foldAll(t)
	if got := b.balance(t, b.bank); got != -posters*each-1 {
		t.Errorf("the internal account has %d", got)
	}
	b.sound(t)
}

func TestOpenAccountTwiceKeepsTheFirst(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	id := b.funded(t, 700)
	var unit pg.Unit
	ledger.OpenAccount(&unit, ledger.Account{
		ID: id, Kind: "class3", NumberSealed: []byte{1}, NumberIndex: []byte("another"), NumberMasked: "x", OpenedAt: opened,
	})
	check.Must(t, b.db.Commit(t.Context(), &unit))
	if got := b.balance(t, id); got != 700 {
		t.Errorf("balance %d after opening again", got)
	}
	if n := check.Count(t, b.db.Pool(), "SELECT count(*) FROM account WHERE kind = 'class3'"); n != 0 {
		t.Error("the account changed its kind")
	}
}
