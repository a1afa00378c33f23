// Package page is how every list is read: newest first, page by page, each page
// beginning after the place where the one before ended.
//
// A place is an instant in whole microseconds and an id; what arrives meanwhile
// comes before it and moves nothing. As text a place is 32 characters of base64;
// it selects among what the caller may see anyway. A page holds Default items
// unless asked otherwise, Max at most. All functions are pure.
package page

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"

	"github.com/google/uuid"
)

// The sizes of a page.
const (
	Default = 20
	Max     = 100
)

// ErrPlace refuses a text that no page gave out.
var ErrPlace = errors.New("page: not a place where a page ended")

// Place is where a page ended; the zero Place is before the newest item.
type Place struct {
	At time.Time
	ID uuid.UUID
}

// String is the place as a client keeps it.
func (p Place) String() string {
	raw := binary.BigEndian.AppendUint64(nil, uint64(p.At.UnixMicro()))
	return base64.RawURLEncoding.EncodeToString(append(raw, p.ID[:]...))
}

// Parse reads what String wrote; the empty text is the zero Place.
func Parse(text string) (Place, error) {
	if text == "" {
		return Place{}, nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != 8+len(uuid.UUID{}) {
		return Place{}, ErrPlace
	}
	micros := binary.BigEndian.Uint64(raw)
	if micros > 1<<55 { // the year 3111
		return Place{}, ErrPlace
	}
	return Place{time.UnixMicro(int64(micros)), uuid.UUID(raw[8:])}, nil
}

// Before is the place as a bound for SQL: of the zero Place, the end of time.
func (p Place) Before() (at time.Time, id uuid.UUID) {
	if p == (Place{}) {
		return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), uuid.Max
	}
	return p.At, p.ID
}

// Valid reports whether a client may ask for pages of the size; 0 is Default.
func Valid(limit int) bool { return limit >= 0 && limit <= Max }

// Size is how many items a page holds that was asked for with limit.
func Size(limit int) int {
	if limit == 0 {
		return Default
	}
	return limit
}

// Cut takes a page of the size from what was found by asking for one more item,
// and says, as text, where the page ended if another follows.
func Cut[T any](found []T, size int, place func(T) Place) (items []T, next string) {
	if len(found) <= size {
		return found, ""
	}
	return found[:size], place(found[size-1]).String()
}
