package ledger

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/money"
)

// ErrAltered says that somebody changed a stored amount by hand: a balance, an entry or a
// posting. A function that reads such an amount does not use it (CRYPTO-012).
var ErrAltered = errors.New("ledger: a stored amount was altered")

// Witness proves an entry, or a balance by its last entry: the posting of the entry, and
// whether the stored amounts agree with it. The SQL functions ledger_witness and
// ledger_witness_balance find it in the statement that reads the amount, so that both are
// of one moment. Verify checks more: the whole chain of entries, not its last link.
type Witness struct {
	agrees            *bool // nil: the entry or its posting is missing
	id, debit, credit *uuid.UUID
	kind, keyID       *string
	amount, balance   *money.Fen
	day, at           *time.Time
	mac               []byte
}

// Into returns where the columns of the SQL functions go.
func (w *Witness) Into() []any {
	return []any{&w.agrees, &w.id, &w.kind, &w.debit, &w.credit, &w.amount, &w.day, &w.at, &w.mac, &w.keyID, &w.balance}
}

// Check returns ErrAltered unless the amount is as the bank wrote it. The ring holds the
// purpose Ledger.
func (w *Witness) Check(ring *keys.Ring) error {
	if w.agrees == nil || !*w.agrees {
		return ErrAltered
	}
	if w.id == nil { // an account without entries
		return nil
	}
	p := Posting{
		ID: *w.id, Kind: *w.kind, Debit: *w.debit, Credit: *w.credit, Amount: *w.amount, BusinessDay: *w.day, PostedAt: *w.at,
	}
	err := ring.VerifyMAC(keys.Ledger, *w.keyID, w.mac, p.figures()...)
	if errors.Is(err, keys.ErrMAC) {
		return ErrAltered
	}
	if err != nil {
		return fmt.Errorf("posting: %w", err)
	}
	return nil
}
