package customer

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
)

const (
	sqlHoldingOwn = `-- holding.own
SELECT a.id, a.customer_id, a.state, a.no_masked, a.no_bidx, c.data_key, c.name_ct, a.balance - a.held, w.*
  FROM account a JOIN customer c ON c.id = a.customer_id
 CROSS JOIN LATERAL ledger_witness_balance(a.id, a.balance, a.last_entry) w WHERE a.id = $1 AND a.customer_id = $2`

	sqlHoldingByNumber = `-- holding.by_number
SELECT a.id, a.customer_id, a.state, a.no_masked, a.no_bidx, c.data_key, c.name_ct
  FROM account a JOIN customer c ON c.id = a.customer_id WHERE a.no_bidx = $1`

	sqlCardHolder = `-- holding.card
SELECT customer_id FROM account WHERE no_bidx = $1 AND state = $2`

	sqlSignUpNumbers = `-- customer.sign_up_numbers
SELECT c.idno_bidx, ARRAY(SELECT a.no_bidx FROM account a WHERE a.customer_id = c.id) FROM customer c WHERE c.id = $1`

	sqlApplicant = `-- customer.applicant
SELECT c.id, c.data_key, c.name_ct, c.phone_bidx, a.customer_id, a.id, a.card_password
  FROM customer c LEFT JOIN account a ON a.no_bidx = $2 AND a.state = $3 WHERE c.idno_bidx = $1`
)

// Holding is a customer's account with its holder's name in clear.
type Holding struct {
	AccountID    uuid.UUID
	CustomerID   uuid.UUID
	State        ledger.State
	Name         string
	NumberMasked string
	PayeeCode    string    // of the account, see ledger.PayeeCode
	Available    money.Fen // of an own account only
}

// OwnAccount finds an account of the customer; ErrNotFound for any other, and
// ledger.ErrAltered if its balance was changed by hand. The ring holds the purposes Storage
// and Ledger.
func OwnAccount(ctx context.Context, db pg.Reader, ring *keys.Ring, account, customer uuid.UUID) (Holding, error) {
	var available money.Fen
	var balance ledger.Witness
	more := append([]any{&available}, balance.Into()...)
	h, err := holding(ring, db.QueryRow(ctx, sqlHoldingOwn, account, customer), more...)
	if err != nil {
		return Holding{}, err
	}
	if err := balance.Check(ring); err != nil {
		return Holding{}, fmt.Errorf("own account: %w", err)
	}
	h.Available = available
	return h, nil
}

// ByAccountNumber finds the account of a number; ErrNotFound if no customer has it.
func ByAccountNumber(ctx context.Context, db pg.Reader, ring *keys.Ring, number string) (Holding, error) {
	return holding(ring, db.QueryRow(ctx, sqlHoldingByNumber, ledger.NumberIndex(ring, number)))
}

// holding reads an account and its holder. more are the places of further columns.
func holding(ring *keys.Ring, row pgx.Row, more ...any) (Holding, error) {
	var h Holding
	var index, dataKey, name []byte
	into := []any{&h.AccountID, &h.CustomerID, &h.State, &h.NumberMasked, &index, &dataKey, &name}
	err := row.Scan(append(into, more...)...)
	if err != nil {
		return Holding{}, readError("account's holder", err)
	}
	h.PayeeCode = ledger.PayeeCode(index)
	f, err := openFields(ring, h.CustomerID, dataKey)
	if err != nil {
		return Holding{}, err
	}
	if h.Name, err = f.open(columnName, name); err != nil {
		return Holding{}, err
	}
	return h, nil
}

// Applicant holds the bank's records about a person who signs up: the customer with
// an identity number, and the open account with a card number. The zero value holds
// no record.
type Applicant struct {
	ID           uuid.UUID
	PhoneIndex   []byte
	HoldsCard    bool      // the customer holds the card's account
	CardAccount  uuid.UUID // the card's account, whoever holds it
	CardPassword string    // as stored; empty if the card has no password

	// IDNoIndex and CardIndex are the blind indexes of the numbers that were asked for.
	IDNoIndex, CardIndex []byte

	dataKey, name []byte
}

// Queue adds the queries that read the applicant to the batch.
func (a *Applicant) Queue(batch *pgx.Batch, ring *keys.Ring, idNo, cardNo string) {
	*a = Applicant{IDNoIndex: idNoIndex(ring, idNo), CardIndex: ledger.NumberIndex(ring, cardNo)}
	batch.Queue(sqlApplicant, a.IDNoIndex, a.CardIndex, ledger.StateOpen).QueryRow(
		func(row pgx.Row) error {
			var owner, account *uuid.UUID
			var password *string
			if err := row.Scan(&a.ID, &a.dataKey, &a.name, &a.PhoneIndex, &owner, &account, &password); err != nil {
				return pg.Optional(err)
			}
			a.HoldsCard = owner != nil && *owner == a.ID
			if account != nil {
				a.CardAccount = *account
			}
			if password != nil {
				a.CardPassword = *password
			}
			return nil
		})
}

// SignUpNumbers returns the blind indexes of the customer's identity number and cards.
func SignUpNumbers(ctx context.Context, db pg.Reader, id uuid.UUID) (idNo []byte, cards [][]byte, err error) {
	if err := db.QueryRow(ctx, sqlSignUpNumbers, id).Scan(&idNo, &cards); err != nil {
		return nil, nil, readError("numbers of a customer", err)
	}
	return idNo, cards, nil
}

// QueueCard adds to the batch the query for the customer who holds the open account with
// a card number, in any spelling. read gets the nil id if there is none.
func QueueCard(batch *pgx.Batch, ring *keys.Ring, cardNo string, read func(holder uuid.UUID)) {
	batch.Queue(sqlCardHolder, ledger.NumberIndex(ring, cardNo), ledger.StateOpen).QueryRow(func(row pgx.Row) error {
		var holder *uuid.UUID
		if err := pg.Optional(row.Scan(&holder)); err != nil {
			return err
		}
		if holder == nil {
			holder = &uuid.Nil
		}
		read(*holder)
		return nil
	})
}

// Named reports, after the batch, whether the customer has the name; false if there
// is no customer.
func (a *Applicant) Named(ring *keys.Ring, name string) bool {
	f, err := openFields(ring, a.ID, a.dataKey)
	if err != nil {
		return false
	}
	clear, err := f.open(columnName, a.name)
	return err == nil && SameName(clear, name)
}
