package reseal

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
)

// Use is how many texts of a column need a key.
type Use struct {
	Column string
	Key    string // "storage/2"; empty: an earlier release stored the text without a key
	Rows   int64
	// Damaged are those that do not open under the key that they name.
	Damaged int64
}

// Count opens every text of the columns, and counts by column and key. A text that holds a
// password also needs the key of its pepper. Report is called after each batch.
func Count(ctx context.Context, db *pg.DB, ring *keys.Ring, columns []Column, report func(Progress)) ([]Use, error) {
	var all []Use
	for _, c := range columns {
		found, err := countColumn(ctx, db, ring, c, report)
		if err != nil {
			return nil, fmt.Errorf("count %s: %w", c.Name, err)
		}
		all = append(all, found...)
	}
	return all, nil
}

func countColumn(ctx context.Context, db *pg.DB, ring *keys.Ring, c Column, report func(Progress)) (all []Use, err error) {
	uses := map[string]*Use{}
	var order []string
	use := func(key string) *Use {
		if uses[key] == nil {
			uses[key], order = &Use{Column: c.Name, Key: key}, append(order, key)
		}
		return uses[key]
	}
	place, read := c.Start, int64(0)
	for {
		rows, err := c.read(ctx, db.Reader(), place, Batch)
		if err != nil {
			return nil, err
		}
		if len(rows) == 0 {
			break
		}
		for _, r := range rows {
			if err := countRow(ring, c, r, use); err != nil {
				return nil, err
			}
		}
		place, read = rows[len(rows)-1].Place, read+int64(len(rows))
		if report != nil {
			report(Progress{Column: c.Name, Read: read})
		}
	}
	for _, key := range order {
		all = append(all, *uses[key])
	}
	return all, nil
}

func countRow(ring *keys.Ring, c Column, r row, use func(key string) *Use) error {
	sealed, _, ok := c.Stored.unwrap(r.Value)
	id, named := keys.SealedBy(sealed)
	if !ok || !named {
		use("").Rows++
		return nil
	}
	u := use(fmt.Sprintf("%s/%d", c.Purpose, id))
	u.Rows++
	clear, err := ring.Open(c.Purpose, c.AAD(r.About), sealed)
	if errors.Is(err, keys.ErrOpen) {
		u.Damaged++
		return nil
	}
	if err != nil {
		return err
	}
	if c.Stored == Base64 {
		pepper, _, _ := strings.Cut(string(clear), "$")
		use(pepper).Rows++
	}
	return nil
}
