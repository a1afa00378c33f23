package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
)

// Store keeps objects that nobody can change or delete before their time.
type Store interface {
	// Last returns the greatest name that begins with the prefix; empty if there is none.
	Last(ctx context.Context, prefix string) (name string, err error)
	// Get returns an object's content.
	Get(ctx context.Context, name string) ([]byte, error)
	// Put stores a new object. It returns an error if the name is taken.
	Put(ctx context.Context, name string, content []byte) error
}

// Segment is an archived part of the chain.
type Segment struct {
	Name        string
	First, Last int64 // numbers of its records
}

// Archived is one line of an archived object: a record with all that its hash covers.
type Archived struct {
	Seq      int64           `json:"seq"`
	Body     json.RawMessage `json:"body"`
	Previous []byte          `json:"prev_hash"`
	Hash     []byte          `json:"hash"`
	Key      string          `json:"mac_key"`
}

const (
	segmentPrefix  = "audit/"
	segmentRecords = 10_000

	sqlSegment = `-- audit.segment
SELECT seq, event_id, type, subject, occurred_at, body, prev_hash, hash, mac_key FROM audit_record WHERE seq > $1 ORDER BY seq LIMIT $2`
)

// ErrArchive reports that the archive and the chain do not fit together: one of them was
// changed.
var ErrArchive = errors.New("audit: the archive's last record is not the chain's")

// Archive stores the records that the archive lacks, as JSON lines of at most 10,000
// records, and returns the new segments. It archives only a chain that holds, and only if
// it continues the archive. Segments are numbers of the chain and not days: a record of an
// earlier day may come late, but no record comes before another one. Two calls at once
// store each segment once; one of them then fails.
func Archive(ctx context.Context, db *pg.DB, ring *keys.Ring, store Store) (list []Segment, err error) {
	if _, err := Verify(ctx, db, ring); err != nil {
		return nil, err
	}
	after, err := archived(ctx, db, store)
	if err != nil {
		return nil, err
	}
	for {
		rows, err := segment(ctx, db, after, segmentRecords)
		if err != nil || len(rows) == 0 {
			return list, err
		}
		s := Segment{First: rows[0].Seq, Last: rows[len(rows)-1].Seq}
		s.Name = fmt.Sprintf("%s%012d-%012d.jsonl", segmentPrefix, s.First, s.Last)
		var content bytes.Buffer
		lines := json.NewEncoder(&content)
		for _, r := range rows {
			if err := lines.Encode(Archived{Seq: r.Seq, Body: r.Body, Previous: r.PreviousHash, Hash: r.Hash, Key: r.Key}); err != nil {
				return list, fmt.Errorf("archive: %w", err)
			}
		}
		if err := store.Put(ctx, s.Name, content.Bytes()); err != nil {
			return list, fmt.Errorf("archive %s: %w", s.Name, err)
		}
		list, after = append(list, s), s.Last
	}
}

// archived returns the number of the archive's last record, which must be the chain's.
func archived(ctx context.Context, db *pg.DB, store Store) (int64, error) {
	name, err := store.Last(ctx, segmentPrefix)
	if err != nil || name == "" {
		return 0, err //nolint:wrapcheck // the store names the object
	}
	content, err := store.Get(ctx, name)
	if err != nil {
		return 0, err //nolint:wrapcheck // the store names the object
	}
	lines := bytes.Split(bytes.TrimSpace(content), []byte("\n"))
	var last Archived
	if err := json.Unmarshal(lines[len(lines)-1], &last); err != nil {
		return 0, fmt.Errorf("%w: %s", ErrArchive, name)
	}
	rows, err := segment(ctx, db, last.Seq-1, 1)
	if err != nil {
		return 0, err
	}
	if len(rows) == 0 || rows[0].Seq != last.Seq || !bytes.Equal(rows[0].Hash, last.Hash) {
		return 0, fmt.Errorf("%w: %s", ErrArchive, name)
	}
	return last.Seq, nil
}

func segment(ctx context.Context, db *pg.DB, after int64, most int) ([]row, error) {
	rows, err := db.Reader().Query(ctx, sqlSegment, after, most)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[row]) //nolint:wrapcheck // the Reader's rows wrap it
}
