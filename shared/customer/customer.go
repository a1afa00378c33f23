// Package customer owns the tables customer, the records of the bank's customers, and
// phone_change, the numbers that customers had before.
//
// Each customer has a data key, which encrypts the name, phone, identity number and the alias
// for log-ins. A blind index beside each of the numbers and the alias serves to find them. Functions that
// return clear text say so; the caller must mask it. Fraud analysis sets the risk
// grade. Other packages may join the table, but must not write it.
//
// Source: KEY-002, MASK-004, FRAUD-003.
package customer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidebank/tidebank/shared/idno"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
)

const (
	sqlInsert = `-- customer.insert
INSERT INTO customer (id, data_key, name_ct, phone_ct, idno_ct, phone_bidx, idno_bidx, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`

	sqlGet = `-- customer.get
SELECT data_key, name_ct, phone_ct, idno_ct, alias_ct, created_at FROM customer WHERE id = $1`

	sqlPhone = `-- customer.phone
SELECT data_key, phone_ct FROM customer WHERE id = $1`

	sqlPhoneIndex = `-- customer.phone_index
SELECT phone_bidx FROM customer WHERE id = $1`

	sqlByPhone = `-- customer.by_phone
SELECT c.id, EXISTS (SELECT 1 FROM credential k WHERE k.customer_id = c.id) FROM customer c
 WHERE c.phone_bidx = $1 OR c.alias_bidx = $1`
)

// Record is a customer in clear.
type Record struct {
	ID        uuid.UUID
	Name      string
	Phone     string
	IDNo      string
	Alias     string // for log-ins; empty if the customer has none
	CreatedAt time.Time
}

// Insert adds the customer, sealed under a new data key, with name, phone and identity
// number in their canonical forms. It changes nothing if another customer already has the id,
// the phone or the identity number.
func Insert(ctx context.Context, to pg.Writer, ring *keys.Ring, r Record) error {
	idNo, ok := idno.Canonical(r.IDNo)
	if phone, ok := CanonicalPhone(r.Phone); ok {
		r.Phone = phone
	}
	if r.Name, r.IDNo = CanonicalName(r.Name), idNo; !ok || r.Name == "" {
		return errors.New("insert customer: no name, or no identity number")
	}
	key, wrapped, err := ring.NewDataKey()
	if err != nil {
		return fmt.Errorf("customer data key: %w", err)
	}
	var sealed [3][]byte
	for i, f := range []struct{ column, clear string }{{columnName, r.Name}, {columnPhone, r.Phone}, {columnIDNo, r.IDNo}} {
		if sealed[i], err = key.Seal(keys.AAD("customer", f.column, r.ID.String()), []byte(f.clear)); err != nil {
			return fmt.Errorf("seal %s: %w", f.column, err)
		}
	}
	return to.Write(ctx, pg.Statement{SQL: sqlInsert, Args: []any{
		r.ID, wrapped, sealed[0], sealed[1], sealed[2], PhoneIndex(ring, r.Phone), idNoIndex(ring, r.IDNo), r.CreatedAt,
	}})
}

// Sealed is a customer's stored record, not yet decrypted.
type Sealed struct {
	id                                uuid.UUID
	dataKey, name, phone, idNo, alias []byte
	createdAt                         time.Time
	found                             bool
}

// QueueSealed adds the query that reads the customer to the batch.
func (s *Sealed) QueueSealed(batch *pgx.Batch, id uuid.UUID) {
	*s = Sealed{id: id}
	batch.Queue(sqlGet, id).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&s.dataKey, &s.name, &s.phone, &s.idNo, &s.alias, &s.createdAt)
		s.found = err == nil
		return pg.Optional(err)
	})
}

// Open opens the record after the batch; ErrNotFound if there is no such customer.
func (s *Sealed) Open(ring *keys.Ring) (Record, error) {
	if !s.found {
		return Record{}, bankerr.ErrNotFound
	}
	f, err := openFields(ring, s.id, s.dataKey)
	if err != nil {
		return Record{}, err
	}
	r := Record{ID: s.id, CreatedAt: s.createdAt}
	for column, into := range map[string]struct {
		sealed []byte
		clear  *string
	}{columnName: {s.name, &r.Name}, columnPhone: {s.phone, &r.Phone}, columnIDNo: {s.idNo, &r.IDNo}} {
		if *into.clear, err = f.open(column, into.sealed); err != nil {
			return Record{}, err
		}
	}
	if len(s.alias) > 0 {
		if r.Alias, err = f.open(columnAlias, s.alias); err != nil {
			return Record{}, err
		}
	}
	return r, nil
}

// Phone returns the customer's number in clear, or ErrNotFound if there is no such
// customer.
func Phone(ctx context.Context, db pg.Reader, ring *keys.Ring, id uuid.UUID) (string, error) {
	var dataKey, sealed []byte
	err := db.QueryRow(ctx, sqlPhone, id).Scan(&dataKey, &sealed)
	if err != nil {
		return "", readError("customer's phone", err)
	}
	f, err := openFields(ring, id, dataKey)
	if err != nil {
		return "", err
	}
	return f.open(columnPhone, sealed)
}

// PhoneIndexOf returns the blind index of the customer's number, or ErrNotFound if
// there is no such customer.
func PhoneIndexOf(ctx context.Context, db pg.Reader, id uuid.UUID) ([]byte, error) {
	var index []byte
	if err := db.QueryRow(ctx, sqlPhoneIndex, id).Scan(&index); err != nil {
		return nil, readError("customer's phone index", err)
	}
	return index, nil
}

// Holder is the customer who has a phone number.
type Holder struct {
	ID       uuid.UUID
	SignedUp bool // the customer has signed up for mobile banking
}

// ByPhone finds the holder of a number, or of an alias for log-ins, by its blind index. It
// returns ErrNotFound if no customer has it.
func ByPhone(ctx context.Context, db pg.Reader, index []byte) (Holder, error) {
	var h Holder
	if err := db.QueryRow(ctx, sqlByPhone, index).Scan(&h.ID, &h.SignedUp); err != nil {
		return Holder{}, readError("customer by phone", err)
	}
	return h, nil
}

func readError(what string, err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return bankerr.ErrNotFound
	}
	return fmt.Errorf("%s: %w", what, err)
}
