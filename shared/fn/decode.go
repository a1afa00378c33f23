package fn

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/tidebank/tidebank/shared/bankerr"
)

// Validator is a request that checks its own form beyond its types.
type Validator interface{ Validate() error }

// fieldError names the field that was wrong, so that a form can put its focus
// there (ERR-004).
type fieldError struct{ field, why string }

func (e *fieldError) Error() string { return e.field + ": " + e.why }

// InvalidField refuses a request because of one field, named as on the wire.
func InvalidField(field, why string) error {
	return bankerr.ErrInput.Because(&fieldError{field: field, why: why})
}

// decode reads one JSON value strictly: unknown fields, wrong types and anything
// after the value are refused (INPUT-001, LOGIC-003).
func decode[T any](raw []byte) (T, error) {
	var value T
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&value); err != nil {
		var wrongType *json.UnmarshalTypeError
		if errors.As(err, &wrongType) && wrongType.Field != "" {
			return value, InvalidField(wrongType.Field, "wrong type")
		}
		return value, bankerr.ErrInput.Because(fmt.Errorf("decode: %w", err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return value, bankerr.ErrInput.Because(errors.New("decode: more than one value"))
	}
	if v, ok := any(value).(Validator); ok {
		return value, v.Validate()
	}
	return value, nil
}
