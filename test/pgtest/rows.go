package pgtest

import (
	"context"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
)

// Commit commits what fill adds to a unit.
func Commit(t check.Failer, db *pg.DB, fill func(unit *pg.Unit) error) {
	t.Helper()
	var unit pg.Unit
	check.Must(t, fill(&unit))
	check.Must(t, db.Commit(context.Background(), &unit))
}

// Customers inserts two customers without fields, for tests that only need their ids.
func Customers(t check.Failer, db *pg.DB) (first, second uuid.UUID) {
	t.Helper()
	first, second = uuid.New(), uuid.New()
	check.Exec(t, db.Pool(), `
INSERT INTO customer (id, data_key, name_ct, phone_ct, idno_ct, phone_bidx, idno_bidx)
VALUES ($1, '', '', '', '', 'a', 'a'), ($2, '', '', '', '', 'b', 'b')`, first, second)
	return first, second
}
