package fn

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/tidebank/tidebank/shared/bankerr"
)

// Validator is a request that checks its own form beyond its types.
type Validator interface{ Validate() error }

// InvalidField refuses a request because of one field, named as on the wire.
func InvalidField(field, why string) error { return bankerr.InvalidField(field, why) }

// decode reads one JSON value strictly: it refuses unknown fields, wrong types, and
// any text after the value (INPUT-001, LOGIC-003). It also refuses four things that
// encoding/json accepts: null for an object, names in another case, a name that comes
// twice, and text that is not UTF-8. Of two values under one name, another program might use the other
// value.
func decode[T any](raw []byte, names fieldNames) (T, error) {
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
	if err := names.exact(raw); err != nil {
		return value, bankerr.ErrInput.Because(err)
	}
	if v, ok := any(value).(Validator); ok {
		return value, v.Validate()
	}
	return value, nil
}

// fieldNames are the names of a type's fields on the wire, at any depth.
type fieldNames map[string]bool

func namesOf(t reflect.Type) fieldNames {
	names := fieldNames{}
	names.add(t)
	return names
}

func (n fieldNames) add(t reflect.Type) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Array {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return
	}
	for f := range t.Fields() {
		if !f.IsExported() {
			continue
		}
		switch name, _, _ := strings.Cut(f.Tag.Get("json"), ","); {
		case name != "":
			n[name] = true
		case !f.Anonymous:
			n[f.Name] = true
		}
		n.add(f.Type)
	}
}

var (
	errNull  = errors.New("decode: null for an object")
	errName  = errors.New("decode: a name in other case")
	errTwice = errors.New("decode: a name that comes twice")
	errText  = errors.New("decode: a text that is not UTF-8, or holds a NUL")
)

// exact checks the names of a text that has decoded without error.
func (n fieldNames) exact(raw []byte) error {
	if raw = bytes.TrimSpace(raw); bytes.Equal(raw, []byte("null")) {
		return errNull
	}
	return n.walk(json.NewDecoder(bytes.NewReader(raw)))
}

func (n fieldNames) walk(d *json.Decoder) error {
	token, err := d.Token()
	if err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	open, ok := token.(json.Delim)
	if !ok {
		return goodText(token)
	}
	seen := map[string]bool{}
	for d.More() {
		if open == '{' {
			key, err := d.Token()
			name, _ := key.(string)
			switch {
			case err != nil:
				return fmt.Errorf("decode: %w", err)
			case seen[name]:
				return errTwice
			case !n[name]:
				return errName
			}
			seen[name] = true
		}
		if err := n.walk(d); err != nil {
			return err
		}
	}
	_, err = d.Token() // the closing bracket
	return err         //nolint:wrapcheck // never an error: the text has been decoded before
}

// goodText refuses what encoding/json has put in the place of bytes that are not UTF-8
// and of half a surrogate pair, so that no two keys or names become one; and a NUL,
// which PostgreSQL can't store.
func goodText(token json.Token) error {
	if text, ok := token.(string); ok && strings.ContainsAny(text, "\x00\ufffd") {
		return errText
	}
	return nil
}

// validKey reports whether an idempotency key is at most 64 printable ASCII
// characters; "" is no key.
func validKey(key string) bool {
	for _, c := range []byte(key) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return len(key) <= maxKeyLength
}

// envelope is the clear text of a sealed request.
type envelope struct {
	Key     string
	Request json.RawMessage
}

// openEnvelope reads {"idempotency_key": text, "request": value} as strictly as
// decode.
func openEnvelope(clear []byte) (e envelope, err error) {
	refuse := func(err error) (envelope, error) {
		return envelope{}, bankerr.ErrInput.Because(fmt.Errorf("envelope: %w", err))
	}
	d := json.NewDecoder(bytes.NewReader(clear))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return refuse(errors.New("no object"))
	}
	seen := map[string]bool{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return refuse(err)
		}
		name, _ := key.(string)
		if seen[name] {
			return refuse(errTwice)
		}
		seen[name] = true
		switch name {
		case "idempotency_key":
			err = d.Decode(&e.Key)
		case "request":
			err = d.Decode(&e.Request)
		default:
			err = errors.New("unknown field")
		}
		if err != nil {
			return refuse(err)
		}
	}
	if _, err := d.Token(); err != nil {
		return refuse(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return refuse(errors.New("more than one value"))
	}
	return e, nil
}
