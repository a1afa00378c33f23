package idem_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/idem"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/pgtest"
)

// fixture is a database whose units leave an effect beside their record.
type fixture struct {
	*pg.DB
	ring *keys.Ring
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	d := fixture{pgtest.New(t), keytest.New(t)}
	check.Exec(t, d.Pool(), "CREATE TABLE effect (name text)")
	return d
}

func ticket(body string) idem.Ticket {
	return idem.Ticket{Caller: "customer:1", Operation: "transfer-confirm", Key: "key", BodyHash: sm.Digest([]byte(body))}
}

// unit is the request's record, and its effect.
func (d fixture) unit(t *testing.T, ticket idem.Ticket, reply []byte, effect string) *pg.Unit {
	t.Helper()
	u := new(pg.Unit)
	check.Must(t, idem.Record(u, d.ring, ticket, reply))
	u.Add(pg.Statement{SQL: "INSERT INTO effect VALUES ($1)", Args: []any{effect}})
	return u
}

func (d fixture) effects(t *testing.T) int {
	t.Helper()
	return check.Count(t, d.Pool(), "SELECT count(*) FROM effect")
}

// answer looks the ticket up as the runtime does; nil, nil: no record.
func (d fixture) answer(t *testing.T, ticket idem.Ticket) (reply []byte, err error) {
	t.Helper()
	var batch pgx.Batch
	idem.QueueLookup(&batch, ticket, func(s idem.Stored) { reply, err = s.Answer(d.ring, ticket) })
	check.Must(t, d.Pool().SendBatch(t.Context(), &batch).Close())
	return reply, err
}

func (d fixture) wantNone(t *testing.T, what string, ticket idem.Ticket) {
	t.Helper()
	if reply, err := d.answer(t, ticket); reply != nil || err != nil {
		t.Errorf("%s: %q, %v, want no record", what, reply, err)
	}
}

func (d fixture) wantReply(t *testing.T, what string, ticket idem.Ticket, want []byte) {
	t.Helper()
	if reply, err := d.answer(t, ticket); err != nil || !bytes.Equal(reply, want) {
		t.Errorf("%s: %q, %v, want %q", what, reply, err, want)
	}
}

func TestARepeatedRequestGetsTheStoredReply(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	for i, reply := range [][]byte{[]byte(`{"transfer_id":"1"}`), {}, {0, 1, 0xff, 0}, bytes.Repeat([]byte("x"), 64<<10)} {
		asked := ticket("body")
		asked.Key = fmt.Sprint("key", i)
		d.wantNone(t, "before", asked)
		check.Must(t, d.Commit(t.Context(), d.unit(t, asked, reply, "first")))
		d.wantReply(t, "after", asked, reply)
		if err := d.Commit(t.Context(), d.unit(t, asked, []byte("other"), "second")); !errors.Is(err, idem.ErrRepeated) {
			t.Errorf("the second: %v", err)
		}
		d.wantReply(t, "after the second", asked, reply)
		if n := d.effects(t); n != i+1 {
			t.Errorf("%d effects of %d requests", n, i+1)
		}
	}
}

func TestTheSameKeyForAnotherRequest(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	first := ticket("body")
	check.Must(t, d.Commit(t.Context(), d.unit(t, first, []byte("reply"), "first")))
	longer := append(bytes.Clone(first.BodyHash), 0)
	for name, hash := range map[string][]byte{
		"another body": sm.Digest([]byte("Body")), "no body": sm.Digest(nil), "no hash": nil, "a shorter hash": first.BodyHash[:31],
		"a longer hash": longer,
	} {
		other := first
		other.BodyHash = hash
		if reply, err := d.answer(t, other); !errors.Is(err, idem.ErrKeyReused) || reply != nil {
			t.Errorf("%s: %q, %v", name, reply, err)
		}
	}
	if err := d.Commit(t.Context(), d.unit(t, ticket("other"), []byte("x"), "other")); !errors.Is(err, idem.ErrRepeated) {
		t.Errorf("recorded under the key: %v", err)
	}
	if n := d.effects(t); n != 1 {
		t.Errorf("%d effects, want 1", n)
	}
	d.wantReply(t, "the first", first, []byte("reply"))
}

// A reply rests sealed, and opens in its own record only. A reply of an earlier release,
// which stands in clear, is still answered.
func TestRepliesRestSealed(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	asked, other := ticket("body"), ticket("body")
	other.Key = "another"
	reply := []byte(`{"memo":"房租"}`)
	check.Must(t, d.Commit(t.Context(), d.unit(t, asked, reply, "x")))
	check.Must(t, d.Commit(t.Context(), d.unit(t, other, reply, "x")))
	stored := check.Value[[]byte](t, d.Pool(), "SELECT reply FROM idempotency WHERE key = 'key'")
	if bytes.Contains(stored, []byte("房租")) {
		t.Errorf("the reply stands in clear: %q", stored)
	}
	check.Exec(t, d.Pool(), "UPDATE idempotency SET reply = $1 WHERE key = 'another'", stored)
	if got, err := d.answer(t, other); !errors.Is(err, keys.ErrOpen) {
		t.Errorf("the reply of another record: %q, %v", got, err)
	}
	check.Exec(t, d.Pool(), "UPDATE idempotency SET reply = $1", reply)
	d.wantReply(t, "in clear", asked, reply)
}

// A key belongs to its caller and its operation. A similar caller, operation or key is
// another one.
func TestKeysOfOthers(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	check.Must(t, d.Commit(t.Context(), d.unit(t, ticket("body"), []byte("first"), "first")))
	for i, change := range []func(*idem.Ticket){
		func(t *idem.Ticket) { t.Caller = "customer:2" },
		func(t *idem.Ticket) { t.Caller = "device:1" },
		func(t *idem.Ticket) { t.Operation = "transfer-prepare" },
		func(t *idem.Ticket) { t.Key = "KEY" },
		func(t *idem.Ticket) { t.Key = "key " },
		func(t *idem.Ticket) { t.Key = "ｋｅｙ" },
		func(t *idem.Ticket) { t.Caller, t.Operation = t.Caller+t.Operation, "" },
		func(t *idem.Ticket) { t.Operation, t.Key = t.Operation+t.Key, "" },
	} {
		other := ticket("body")
		change(&other)
		what := fmt.Sprintf("%+v", other)
		d.wantNone(t, what, other)
		if err := d.Commit(t.Context(), d.unit(t, other, []byte(what), what)); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		d.wantReply(t, what, other, []byte(what))
		if n := d.effects(t); n != i+2 {
			t.Errorf("%s: %d effects, want %d", what, n, i+2)
		}
	}
	d.wantReply(t, "the first", ticket("body"), []byte("first"))
}

// Of concurrent duplicates, exactly one has its effect. The others have no effect, and
// can be told its reply.
func TestConcurrentDuplicates(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	const duplicates = 12
	for round := range 10 {
		asked := ticket("body")
		asked.Key = fmt.Sprint("key", round)
		results := make([]error, duplicates)
		open := make(chan struct{})
		var done sync.WaitGroup
		for i := range duplicates {
			done.Go(func() {
				<-open
				results[i] = d.Commit(t.Context(), d.unit(t, asked, []byte{byte(i)}, "duplicate"))
			})
		}
		close(open)
		done.Wait()
		winner := -1
		for i, err := range results {
			switch {
			case err == nil && winner < 0:
				winner = i
			case err == nil:
				t.Errorf("duplicates %d and %d both committed", winner, i)
			case !errors.Is(err, idem.ErrRepeated):
				t.Errorf("duplicate %d: %v", i, err)
			}
		}
		d.wantReply(t, "after the race", asked, []byte{byte(winner)})
		if n := d.effects(t); n != round+1 {
			t.Fatalf("%d effects of %d requests", n, round+1)
		}
	}
}

// A concurrent duplicate waits for the first. It is refused if the first commits, and
// has its effect if the first is rolled back.
func TestADuplicateWaitsForTheFirst(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		end   func(pgx.Tx, context.Context) error
		want  error
		reply string
	}{
		{"committed", pgx.Tx.Commit, idem.ErrRepeated, `{"first":1}`},
		{"rolled back", pgx.Tx.Rollback, nil, "duplicate"},
	} {
		d := newFixture(t)
		asked := ticket("body")
		first, err := d.Pool().Begin(t.Context())
		check.Must(t, err)
		check.Exec(t, first, `
INSERT INTO idempotency (caller, operation, key, body_hash, reply) VALUES ($1, $2, $3, $4, '{"first":1}')`,
			asked.Caller, asked.Operation, asked.Key, asked.BodyHash)
		duplicate := make(chan error, 1)
		go func() { duplicate <- d.Commit(t.Context(), d.unit(t, asked, []byte("duplicate"), "duplicate")) }()
		pgtest.AwaitLocks(t, d.DB, 1)
		d.wantNone(t, tt.name+", still at work", asked)
		check.Must(t, tt.end(first, t.Context()))
		if err := <-duplicate; !errors.Is(err, tt.want) {
			t.Errorf("%s: the duplicate got %v, want %v", tt.name, err, tt.want)
		}
		d.wantReply(t, tt.name, asked, []byte(tt.reply))
		if n := d.effects(t); (n == 1) != (tt.want == nil) {
			t.Errorf("%s: the duplicate had %d effects", tt.name, n)
		}
	}
}

// A unit that fails after its record leaves no record, and the client may ask again.
func TestARolledBackUnitLeavesNoRecord(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	refused := errors.New("refused")
	failing := d.unit(t, ticket("body"), []byte("reply"), "first")
	failing.Add(pg.Statement{
		SQL: "INSERT INTO policy SELECT * FROM policy", Refuse: map[string]error{"policy_pkey": refused},
	})
	if err := d.Commit(t.Context(), failing); !errors.Is(err, refused) {
		t.Fatalf("the unit: %v", err)
	}
	d.wantNone(t, "after it", ticket("body"))
	if err := d.Commit(t.Context(), d.unit(t, ticket("other body"), []byte("again"), "again")); err != nil {
		t.Errorf("asked again: %v", err)
	}
	d.wantReply(t, "asked again", ticket("other body"), []byte("again"))
	if n := d.effects(t); n != 1 {
		t.Errorf("%d effects, want 1", n)
	}
}

// The lookup travels with other reads and finds each ticket's own record.
func TestLookupsInOneBatch(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	var batch pgx.Batch
	found := map[string]string{}
	for i := range 4 {
		asked := ticket("body")
		asked.Key = fmt.Sprint("key", i)
		if i%2 == 0 {
			check.Must(t, d.Commit(t.Context(), d.unit(t, asked, []byte(asked.Key), "x")))
		}
		idem.QueueLookup(&batch, asked, func(s idem.Stored) {
			reply, err := s.Answer(d.ring, asked)
			if err != nil {
				t.Error(err)
			}
			found[asked.Key] = string(reply)
		})
	}
	one := 0
	batch.Queue("SELECT 1").QueryRow(func(row pgx.Row) error { return row.Scan(&one) })
	check.Must(t, d.Pool().SendBatch(t.Context(), &batch).Close())
	if one != 1 || len(found) != 2 || found["key0"] != "key0" || found["key2"] != "key2" {
		t.Errorf("found %v, and read %d after", found, one)
	}
}

// A lookup that fails is an error, not a missing record: the request must not run twice
// because the database could not be read.
func TestALookupThatFails(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	check.Must(t, d.Commit(t.Context(), d.unit(t, ticket("body"), []byte("reply"), "first")))
	for name, db := range map[string]*pg.DB{"no database": pgtest.Broken(t), "no table": d.DB} {
		if name == "no table" {
			check.Exec(t, d.Pool(), "ALTER TABLE idempotency RENAME TO gone")
		}
		var batch pgx.Batch
		idem.QueueLookup(&batch, ticket("body"), func(idem.Stored) { t.Errorf("%s: found all the same", name) })
		if err := db.Pool().SendBatch(t.Context(), &batch).Close(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
