package keys

import "github.com/tidebank/tidebank/shared/sm"

// DataKey seals one customer's personal fields. Deleting the wrapped key erases these
// fields.
type DataKey struct{ key sm.Key }

// NewDataKey makes a data key, and wraps it by the key of Storage.
func (r *Ring) NewDataKey() (key DataKey, wrapped []byte, err error) {
	key = DataKey{sm.NewKey()}
	if wrapped, err = r.Seal(Storage, DataKeyAAD(), key.key[:]); err != nil {
		return DataKey{}, nil, err
	}
	return key, wrapped, nil
}

// OpenDataKey unwraps a data key with the keys of Storage.
func (r *Ring) OpenDataKey(wrapped []byte) (DataKey, error) {
	raw, err := r.Open(Storage, DataKeyAAD(), wrapped)
	if err != nil {
		return DataKey{}, err
	}
	if len(raw) != len(sm.Key{}) {
		return DataKey{}, ErrOpen
	}
	return DataKey{sm.Key(raw)}, nil
}

// DataKeyAAD is the place of every wrapped data key: its row is not part of it.
func DataKeyAAD() []byte { return []byte("data-key") }

// Seal encrypts a field of the customer.
func (k DataKey) Seal(aad, plaintext []byte) ([]byte, error) {
	return sealWith(k.key, suiteKey, 0, aad, plaintext)
}

// Open opens a field of the customer.
func (k DataKey) Open(aad, sealed []byte) ([]byte, error) {
	// A customer has one data key, so the id of the key is always zero.
	if len(sealed) < 3 || sealed[0] != suiteKey || sealed[1] != 0 || sealed[2] != 0 {
		return nil, ErrOpen
	}
	return openWith(k.key, aad, sealed)
}

// AAD names the place of a sealed field. A field that was moved to another place does
// not open.
func AAD(table, column, row string) []byte { return []byte(table + "." + column + "." + row) }
