// Package sealed lists every column of the database whose texts a key of the bank has
// sealed. A test finds a sealed text in another column.
package sealed

import (
	"context"
	"slices"
	"strings"

	"github.com/tidebank/tidebank/functions/audit"
	"github.com/tidebank/tidebank/functions/transfer"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/evidence"
	"github.com/tidebank/tidebank/shared/idem"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/reseal"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/shared/token"
)

// Columns lists them.
func Columns() []reseal.Column {
	return slices.Concat(customer.SealedColumns(), device.SealedColumns(), ledger.SealedColumns(), password.SealedColumns(),
		stepup.SealedColumns(), idem.SealedColumns(), transfer.SealedColumns(), token.SealedColumns(), evidence.SealedColumns())
}

// Purposes lists the purposes of these columns' keys, and Pepper, which the passwords need.
func Purposes() []keys.Purpose {
	list := []keys.Purpose{keys.Pepper}
	for _, c := range Columns() {
		list = append(list, c.Purpose)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Moved lists the purposes whose texts tide keys reencrypt moves.
func Moved() []keys.Purpose { return []keys.Purpose{keys.Storage, keys.Credential, keys.Token} }

// Moves reports whether texts move away from the key with this name.
func Moves(keyID string) bool {
	purpose, _, _ := strings.Cut(keyID, "/")
	return slices.Contains(Moved(), keys.Purpose(purpose))
}

// Uses counts what every key is needed for: the stored texts, and the records with a MAC.
func Uses(ctx context.Context, db *pg.DB, ring *keys.Ring, report func(reseal.Progress)) ([]reseal.Use, error) {
	all, err := reseal.Count(ctx, db, ring, Columns(), report)
	if err != nil {
		return nil, err
	}
	for _, records := range []func(context.Context, pg.Reader) ([]reseal.Use, error){ledger.KeyUses, audit.KeyUses, evidence.KeyUses} {
		more, err := records(ctx, db.Reader())
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}
