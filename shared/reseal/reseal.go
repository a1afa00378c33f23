// Package reseal moves stored texts from older keys to the keys that write today, and
// counts which key each stored text needs (KEY-007).
//
// A column's owner gives its Column. Run walks each column in the order of its primary key,
// some rows in each transaction, and keeps the place in the table reseal_progress. So a run
// that was killed goes on where it stopped, and several runs share the columns: a run takes a
// column's next rows by FOR UPDATE SKIP LOCKED. The clear text stays in the memory of the
// process. A row changes only if its text is still the one that was read; a row that is
// locked by a customer's call is passed over, and the walk begins again for it. So calls
// never wait for a run.
//
// Count opens every text. So it proves which keys are still needed, and that each text can
// be read.
package reseal

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
)

// Batch is how many rows a run reads in one transaction.
const Batch = 500

// maxWalks bounds how often one run walks a column for rows that others had locked.
const maxWalks = 20

// ErrBusy says that customers' calls held some rows in each walk.
var ErrBusy = errors.New("reseal: some rows were locked in every walk; run again")

// Column is a column of a table whose texts rest sealed.
type Column struct {
	Name    string // table.column
	Purpose keys.Purpose
	// Start is a place before the first row: one text for each column of the primary key.
	Start []string
	// Next is the SQL that reads rows after a place: $1 is the place (text[]), $2 how many
	// rows. Its columns are the place (text[]), what About needs (text[]) and the text
	// (bytea). It leaves out rows without a text.
	Next Query
	// Write is the SQL that replaces texts, each only if it is still the same: $1 the texts
	// that were read, $2 the new texts (bytea[]), then one text[] for each column of the
	// primary key.
	Write Query
	// AAD names the place of a text (keys.AAD).
	AAD func(about []string) []byte
	// Stored is how the sealed text stands in the column.
	Stored Form
}

// Query is a constant text of SQL.
type Query struct{ SQL string }

// Form is how a sealed text stands in its column.
type Form int

// The forms.
const (
	Bytes  Form = iota // as it is
	Base64             // scheme, "$" and base64 (package password)
)

const schemeEnd = "-sealed$"

// unwrap returns the sealed text of a stored value. It is false for a value that an earlier
// release has stored without a key.
func (f Form) unwrap(value []byte) (sealed []byte, head string, ok bool) {
	if f == Bytes {
		_, ok := keys.SealedBy(value)
		return value, "", ok
	}
	at := strings.Index(string(value), schemeEnd)
	if at < 0 {
		return nil, "", false
	}
	head, body := string(value[:at])+schemeEnd, value[at+len(schemeEnd):]
	sealed, err := base64.RawStdEncoding.DecodeString(string(body))
	return sealed, head, err == nil
}

func (f Form) wrap(head string, sealed []byte) []byte {
	if f == Bytes {
		return sealed
	}
	return []byte(head + base64.RawStdEncoding.EncodeToString(sealed))
}

// Progress is the state of one column.
type Progress struct {
	Column   string
	Read     int64 // rows that the walk has read
	Resealed int64
	Damaged  int64 // texts that no key opens; they stay as they are
	Done     bool

	walks int // that have ended
}

// Job is one run.
type Job struct {
	DB      *pg.DB
	Ring    *keys.Ring // it holds the purposes of all columns
	Columns []Column
	Batch   int // rows in one transaction; 0 means the constant Batch
	Report  func(Progress)
}

const (
	sqlBegin = `-- reseal.begin
INSERT INTO reseal_progress AS p (field, key_id, place, started_at) VALUES ($1, $2, $3, now())
ON CONFLICT (field) DO UPDATE SET key_id = excluded.key_id, place = excluded.place, started_at = now(),
    row_count = 0, resealed = 0, passed_over = 0, damaged = 0, walks = 0, done_at = NULL
 WHERE p.key_id <> excluded.key_id OR p.done_at IS NOT NULL OR p.walks >= $4`

	sqlClaim = `-- reseal.claim
SELECT field, place FROM reseal_progress WHERE done_at IS NULL AND field = ANY ($1) ORDER BY field LIMIT 1
   FOR UPDATE SKIP LOCKED`

	sqlAdvance = `-- reseal.advance
UPDATE reseal_progress SET place = $2, row_count = row_count + $3, resealed = resealed + $4, passed_over = passed_over + $5,
       damaged = damaged + $6 WHERE field = $1
RETURNING row_count, resealed, damaged`

	// A walk that has passed rows over is followed by another walk.
	sqlEnd = `-- reseal.end
UPDATE reseal_progress SET done_at = CASE WHEN passed_over = 0 THEN now() END, walks = walks + 1, place = $2, passed_over = 0,
       row_count = CASE WHEN passed_over = 0 THEN row_count ELSE 0 END
 WHERE field = $1
RETURNING row_count, resealed, damaged, done_at IS NOT NULL, walks`
)

// Run moves every text of the columns to the key that writes today. It returns when each
// column is done, or when other runs work on the rest.
func (j Job) Run(ctx context.Context) error {
	byName := map[string]Column{}
	var names []string
	for _, c := range j.Columns {
		id, err := j.Ring.WritesWith(c.Purpose)
		if err != nil {
			return fmt.Errorf("reseal %s: %w", c.Name, err)
		}
		begin := func(ctx context.Context, tx pg.Tx) error {
			_, err := tx.Exec(ctx, sqlBegin, c.Name, id, c.Start, maxWalks)
			return err
		}
		if err := j.DB.InTx(ctx, begin); err != nil {
			return fmt.Errorf("reseal %s: %w", c.Name, err)
		}
		byName[c.Name], names = c, append(names, c.Name)
	}
	for {
		var p Progress
		err := j.DB.InTx(ctx, func(ctx context.Context, tx pg.Tx) (err error) {
			p, err = j.step(ctx, tx, byName, names)
			return err
		})
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		if j.Report != nil {
			j.Report(p)
		}
		if !p.Done && p.walks >= maxWalks {
			return ErrBusy
		}
	}
}

// step moves the next rows of one column. It returns pgx.ErrNoRows if there is no column
// to take.
func (j Job) step(ctx context.Context, tx pg.Tx, columns map[string]Column, names []string) (Progress, error) {
	var name string
	var place []string
	if err := tx.QueryRow(ctx, sqlClaim, names).Scan(&name, &place); err != nil {
		return Progress{}, err //nolint:wrapcheck // InTx wraps it
	}
	c, p := columns[name], Progress{Column: name}
	rows, err := c.read(ctx, tx, place, j.batch())
	if err != nil {
		return p, fmt.Errorf("reseal %s: %w", name, err)
	}
	if len(rows) == 0 {
		err := tx.QueryRow(ctx, sqlEnd, name, c.Start).Scan(&p.Read, &p.Resealed, &p.Damaged, &p.Done, &p.walks)
		return p, err //nolint:wrapcheck // InTx wraps it
	}
	fresh, damaged, err := j.fresh(c, rows)
	if err != nil {
		return p, fmt.Errorf("reseal %s: %w", name, err)
	}
	var written int64
	if len(fresh) > 0 {
		tag, err := tx.Exec(ctx, c.Write.SQL, arguments(c, fresh)...)
		if err != nil {
			return p, fmt.Errorf("reseal %s: %w", name, err)
		}
		written = tag.RowsAffected()
	}
	passed := int64(len(fresh)) - written
	err = tx.QueryRow(ctx, sqlAdvance, name, rows[len(rows)-1].Place, len(rows), written, passed, damaged).
		Scan(&p.Read, &p.Resealed, &p.Damaged)
	return p, err //nolint:wrapcheck // InTx wraps it
}

// row is one row of a column.
type row struct {
	Place, About []string
	Value        []byte

	fresh []byte
}

// querier is a transaction, or the database itself.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// read returns the next rows after a place.
func (c Column) read(ctx context.Context, from querier, place []string, most int) ([]row, error) {
	found, err := from.Query(ctx, c.Next.SQL, place, most)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, func(from pgx.CollectableRow) (r row, err error) { //nolint:wrapcheck // the caller wraps it
		err = from.Scan(&r.Place, &r.About, &r.Value)
		return r, err //nolint:wrapcheck // the caller wraps it
	})
}

func (j Job) batch() int {
	if j.Batch == 0 {
		return Batch
	}
	return j.Batch
}

// fresh seals anew what older keys have sealed.
func (j Job) fresh(c Column, rows []row) (stale []row, damaged int64, err error) {
	for _, r := range rows {
		sealed, head, ok := c.Stored.unwrap(r.Value)
		if !ok || j.Ring.SealedByCurrent(c.Purpose, sealed) {
			continue
		}
		aad := c.AAD(r.About)
		clear, err := j.Ring.Open(c.Purpose, aad, sealed)
		if errors.Is(err, keys.ErrOpen) {
			damaged++
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		again, err := j.Ring.Seal(c.Purpose, aad, clear)
		if err != nil {
			return nil, 0, err
		}
		r.fresh = c.Stored.wrap(head, again)
		stale = append(stale, r)
	}
	return stale, damaged, nil
}

// arguments are those of Column.Write.
func arguments(c Column, rows []row) []any {
	old, fresh, places := make([][]byte, len(rows)), make([][]byte, len(rows)), make([][]string, len(c.Start))
	for i, r := range rows {
		old[i], fresh[i] = r.Value, r.fresh
		for k := range places {
			places[k] = append(places[k], r.Place[k])
		}
	}
	args := []any{old, fresh}
	for _, p := range places {
		args = append(args, p)
	}
	return args
}
