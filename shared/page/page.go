// Package page divides every list into pages, newest first. Each page begins after
// the place where the previous page ended.
//
// A place is an instant in whole microseconds and an id, or the number of an item in a
// list whose items have numbers. Newer items come before the place, so they do not
// move the later pages. A place as text has 32 characters of base64, a number has 11.
// A client may change the text: a list shows only items that the caller may see. A page
// holds Default items unless the request asks for another number. All functions are
// pure.
package page

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"
)

// Default is the size of a page if the request names no other. The requests' schemas
// bound the size.
const Default = 20

// ErrPlace refuses a text that the String of its type did not make.
var ErrPlace = errors.New("page: not a place where a page ended")

// Place is where a page ended; the zero Place is before the newest item.
type Place struct {
	At time.Time
	ID uuid.UUID
}

// String returns the place as text, for the client's cursor.
func (p Place) String() string {
	raw := binary.BigEndian.AppendUint64(nil, uint64(p.At.UnixMicro()))
	return base64.RawURLEncoding.EncodeToString(append(raw, p.ID[:]...))
}

// Parse reads the text of String. The empty text is the zero Place.
func Parse(text string) (Place, error) {
	if text == "" {
		return Place{}, nil
	}
	raw, err := decode(text, 8+len(uuid.UUID{}))
	if err != nil {
		return Place{}, err
	}
	micros := binary.BigEndian.Uint64(raw)
	if micros > 1<<55 { // the year 3111
		return Place{}, ErrPlace
	}
	return Place{time.UnixMicro(int64(micros)), uuid.UUID(raw[8:])}, nil
}

// decode reads the text of so many bytes. The decoder of base64 skips line breaks, so the
// length of the text counts too: each place has one text.
func decode(text string, size int) ([]byte, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != size || len(text) != base64.RawURLEncoding.EncodedLen(size) {
		return nil, ErrPlace
	}
	return raw, nil
}

// Before returns the place as a bound for SQL. For the zero Place the bound is the
// end of time.
func (p Place) Before() (at time.Time, id uuid.UUID) {
	if p == (Place{}) {
		return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), uuid.Max
	}
	return p.At, p.ID
}

// Number is the number of the item where a page ended, in a list that counts its items
// from 1. The zero Number is before the newest item.
type Number int64

// String returns the number as text, for the client's cursor.
func (n Number) String() string {
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// ParseNumber reads the text of String. The empty text is the zero Number.
func ParseNumber(text string) (Number, error) {
	if text == "" {
		return 0, nil
	}
	raw, err := decode(text, 8)
	if err != nil {
		return 0, err
	}
	n := binary.BigEndian.Uint64(raw)
	if n == 0 || n > math.MaxInt64 {
		return 0, ErrPlace
	}
	return Number(n), nil
}

// Before returns the number as a bound for SQL. For the zero Number the bound is the
// highest number.
func (n Number) Before() int64 {
	if n == 0 {
		return math.MaxInt64
	}
	return int64(n)
}

// Size returns the number of items of a page for the request's limit.
func Size(limit int) int {
	if limit == 0 {
		return Default
	}
	return limit
}

// Cut returns the page: the first size items of found, which may hold one item more.
// next is the place where the page ends, or "" if no page follows.
func Cut[T any, P fmt.Stringer](found []T, size int, place func(T) P) (items []T, next string) {
	if len(found) <= size {
		return found, ""
	}
	return found[:size], place(found[size-1]).String()
}
