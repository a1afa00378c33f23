package customer

import (
	"fmt"

	"github.com/tidebank/tidebank/shared/idno"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/keys"
)

// The sealed columns, by the names that the AAD uses.
const (
	columnName  = "name_ct"
	columnPhone = "phone_ct"
	columnIDNo  = "idno_ct"
	columnAlias = "alias_ct"
)

// fields opens texts that one customer's data key has sealed.
type fields struct {
	id  uuid.UUID
	key keys.DataKey
}

func openFields(ring *keys.Ring, id uuid.UUID, dataKey []byte) (fields, error) {
	if len(dataKey) == 0 { // erased
		return fields{}, bankerr.ErrNotFound
	}
	key, err := ring.OpenDataKey(dataKey)
	if err != nil {
		return fields{}, fmt.Errorf("customer data key: %w", err)
	}
	return fields{id: id, key: key}, nil
}

func (f fields) open(column string, sealed []byte) (string, error) {
	clear, err := f.key.Open(keys.AAD("customer", column, f.id.String()), sealed)
	if err != nil {
		return "", fmt.Errorf("customer %s: %w", column, err)
	}
	return string(clear), nil
}

func (f fields) seal(column, clear string) ([]byte, error) {
	sealed, err := f.key.Seal(keys.AAD("customer", column, f.id.String()), []byte(clear))
	if err != nil {
		return nil, fmt.Errorf("seal customer %s: %w", column, err)
	}
	return sealed, nil
}

// idNoIndex is the blind index of an identity number in any spelling.
func idNoIndex(ring *keys.Ring, number string) []byte {
	canonical, _ := idno.Canonical(number) // "" is the index of no customer
	return ring.BlindIndex("idno", canonical)
}
