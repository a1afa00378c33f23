package pg_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
)

const channel = "noted"

// told is a note that notifies the channel.
func told(id int, text string) pg.Statement {
	s := note(id, text)
	s.Notify = channel
	return s
}

// A listener that looks whenever it is notified sees every note, without polling.
func TestListenersAreNotifiedAfterTheCommit(t *testing.T) {
	t.Parallel()
	for name, send := range map[string]func(context.Context, fixture, int) error{
		"unit": func(ctx context.Context, d fixture, id int) error { return d.Commit(ctx, unit(told(id, "a"))) },
		"transaction": func(ctx context.Context, d fixture, id int) error {
			return d.InTx(ctx, func(ctx context.Context, tx pg.Tx) error { return tx.Write(ctx, told(id, "a")) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newFixture(t)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			listener := listen(t, d)
			const count = 24
			var callers sync.WaitGroup
			for n := range count {
				callers.Go(func() {
					if err := send(ctx, d, n); err != nil {
						t.Error(err)
					}
				})
			}
			for d.notes(t) < count {
				if _, err := listener.WaitForNotification(ctx); err != nil {
					t.Fatalf("not notified with %d of %d notes there: %v", d.notes(t), count, err)
				}
			}
			callers.Wait()
		})
	}
}

// Each channel that a unit names is notified.
func TestAUnitNotifiesAllItsChannels(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	listener := listen(t, d)
	check.Exec(t, listener, "LISTEN elsewhere")
	other := note(2, "b")
	other.Notify = "elsewhere"
	check.Must(t, d.Commit(ctx, unit(told(1, "a"), other)))
	heard := map[string]bool{}
	for !heard[channel] || !heard["elsewhere"] {
		got, err := listener.WaitForNotification(ctx)
		if err != nil {
			t.Fatalf("heard of %v: %v", heard, err)
		}
		heard[got.Channel] = true
	}
}

// Only a commit of a statement with a channel notifies: the first NOTIFY here is
// the test's own.
func TestNobodyIsNotifiedForNothing(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	listener := listen(t, d)
	_ = d.Commit(t.Context(), unit(told(1, "a"), raise("TB001", "NO_WAY")))
	_ = d.InTx(t.Context(), func(ctx context.Context, tx pg.Tx) error {
		return errors.Join(tx.Write(ctx, told(1, "a")), errors.New("second thoughts"))
	})
	check.Must(t, d.Commit(t.Context(), unit(note(1, "a"))))
	// A NOTIFY that was sent by mistake has had the time of many commits.
	for n := range 30 {
		check.Must(t, d.Commit(t.Context(), unit(note(2+n, "b"))))
	}
	check.Exec(t, d.Pool(), "SELECT pg_notify('"+channel+"', 'mine')")
	got, err := listener.WaitForNotification(t.Context())
	if err != nil || got.Payload != "mine" {
		t.Errorf("notified by %+v, %v", got, err)
	}
}

func listen(t *testing.T, d fixture) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.url)
	check.Must(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	check.Exec(t, conn, "LISTEN "+channel)
	return conn
}

// A statement means the same in a transaction as in a unit: it reads its row and
// refuses by name.
func TestATransactionTakesStatements(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	refused := bankerr.New(bankerr.Refused, "NOTE_REFUSED")
	var id int
	insert := note(7, "a")
	insert.SQL += " RETURNING id"
	insert.Scan = func(row pgx.Row) error { return row.Scan(&id) }
	again := note(7, "b")
	again.Refuse = map[string]error{"note_once": refused}
	call := pg.Statement{Call: "setval", Args: []any{"tries", 5}}
	err := d.InTx(t.Context(), func(ctx context.Context, tx pg.Tx) error {
		w := tx
		return errors.Join(w.Write(ctx, insert), w.Write(ctx, call), w.Write(ctx, again))
	})
	if !errors.Is(err, refused) || id != 7 || d.notes(t) != 0 || d.tried(t) != 5 {
		t.Errorf("%v, id %d, %d notes, %d tries", err, id, d.notes(t), d.tried(t))
	}
}
