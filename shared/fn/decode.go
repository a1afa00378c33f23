package fn

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidebank/tidebank/shared/bankerr"
)

// Validator is a request that checks its own form beyond its types.
type Validator interface{ Validate() error }

// InvalidField refuses a request because of one field, named as on the wire.
func InvalidField(field, why string) error { return bankerr.InvalidField(field, why) }

// decode reads one JSON value strictly: it refuses each value that does not fit its
// schema, and any text after the value (INPUT-001, LOGIC-003). Then it runs Validate. A
// refusal names the field as on the wire.
func decode[T any](raw []byte, of *schema) (T, error) {
	var value T
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := of.check(d); err != nil {
		var wrong *mismatch
		if errors.As(err, &wrong) && wrong.path != "" {
			return value, InvalidField(wrong.path, wrong.why)
		}
		return value, bankerr.ErrInput.Because(fmt.Errorf("decode: %w", err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return value, bankerr.ErrInput.Because(errors.New("decode: more than one value"))
	}
	if err := json.Unmarshal(raw, &value); err != nil {
		return value, bankerr.ErrInput.Because(fmt.Errorf("decode: %w", err))
	}
	if v, ok := any(value).(Validator); ok {
		return value, v.Validate()
	}
	return value, nil
}

// mismatch is a value that does not fit its schema. path is its place on the wire, for
// example proofs[1].code, and "" for the request itself.
type mismatch struct{ path, why string }

func (m *mismatch) Error() string { return m.path + ": " + m.why }

func unfit(path, why string) error { return &mismatch{path: path, why: why} }

// within adds the place of the value that holds the unfit value to the path.
func within(place string, err error) error {
	var wrong *mismatch
	if !errors.As(err, &wrong) {
		return err
	}
	inner := wrong.path
	if inner != "" && inner[0] != '[' {
		inner = "." + inner
	}
	return unfit(place+inner, wrong.why)
}

// check reads the next value and compares it with the schema. Two names in an object
// that differ only in case are not the same name, and no name may come twice: another
// program might use the other value.
func (s *schema) check(d *json.Decoder) error {
	token, err := d.Token()
	if err != nil {
		return err //nolint:wrapcheck // decode wraps it
	}
	switch value := token.(type) {
	case json.Delim:
		switch {
		case value == '{' && s.kind == anObject:
			return s.checkObject(d)
		case value == '[' && s.kind == aList:
			return s.checkList(d)
		}
	case string:
		if s.kind == aText {
			return s.checkText(value)
		}
	case json.Number:
		if s.kind == aNumber {
			return s.checkNumber(value)
		}
	case bool:
		if s.kind == aBool {
			return nil
		}
	case nil:
		return unfit("", "null")
	}
	return unfit("", "wrong type")
}

func (s *schema) checkObject(d *json.Decoder) error {
	seen := make(map[string]bool, len(s.fields))
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err //nolint:wrapcheck // decode wraps it
		}
		name, _ := key.(string)
		field, known := s.fields[name]
		switch {
		case !known:
			return unfit(tellable(name), "a field that is not known")
		case seen[name]:
			return unfit(name, "a name that comes twice")
		}
		seen[name] = true
		if err := field.check(d); err != nil {
			return within(name, err)
		}
	}
	if _, err := d.Token(); err != nil { // the closing bracket
		return err //nolint:wrapcheck // decode wraps it
	}
	for _, name := range s.required {
		if !seen[name] {
			return unfit(name, "missing")
		}
	}
	return nil
}

// fieldName is the form of names that the bank tells back.
var fieldName = regexp.MustCompile(`^[A-Za-z_]{1,60}[0-9]{0,4}$`)

// tellable is the name of an unknown field, if it looks like a name: another text may be
// personal data, or of any length. "" stands for such a text.
func tellable(name string) string {
	if fieldName.MatchString(name) {
		return name
	}
	return ""
}

func (s *schema) checkList(d *json.Decoder) error {
	n := int64(0)
	for ; d.More(); n++ {
		if s.most != nil && n == *s.most {
			return unfit("", "too many items")
		}
		if err := s.item.check(d); err != nil {
			return within("["+strconv.FormatInt(n, 10)+"]", err)
		}
	}
	if s.least != nil && n < *s.least {
		return unfit("", "too few items")
	}
	_, err := d.Token() // the closing bracket
	return err          //nolint:wrapcheck // decode wraps it
}

// checkText also refuses what encoding/json has put in the place of bytes that are not
// UTF-8 and of half a surrogate pair, so that no two texts become one. It refuses a NUL,
// which PostgreSQL can't store.
func (s *schema) checkText(text string) error {
	length := int64(utf8.RuneCountInString(text))
	switch {
	case strings.ContainsAny(text, "\x00\ufffd"):
		return unfit("", "not UTF-8, or holds a NUL")
	case s.least != nil && length < *s.least:
		return unfit("", "too short")
	case s.most != nil && length > *s.most:
		return unfit("", "too long")
	case s.enum != nil && !slices.Contains(s.enum, text):
		return unfit("", "not one of the allowed values")
	case s.pattern != nil && !s.pattern.MatchString(text), s.fits != nil && !s.fits(text):
		return unfit("", "wrong format")
	}
	return nil
}

func (s *schema) checkNumber(number json.Number) error {
	n, err := strconv.ParseInt(number.String(), 10, s.bits)
	switch {
	case err != nil:
		return unfit("", "no whole number, or too large")
	case s.least != nil && n < *s.least:
		return unfit("", "too small")
	case s.most != nil && n > *s.most:
		return unfit("", "too large")
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
			return envelope{}, InvalidField(name, "a name that comes twice")
		}
		seen[name] = true
		switch name {
		case "idempotency_key":
			var text *string
			if d.Decode(&text) != nil || text == nil {
				return envelope{}, InvalidField("idempotency_key", "no text")
			}
			e.Key = *text
		case "request":
			err = d.Decode(&e.Request)
		default:
			err = unknownMember(name)
		}
		if err != nil {
			return refuse(err)
		}
	}
	if _, err := d.Token(); err != nil {
		return refuse(err)
	}
	if e.Request == nil || string(e.Request) == "null" {
		return envelope{}, InvalidField("request", "missing or null")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return refuse(errors.New("more than one value"))
	}
	return e, nil
}

// unknownMember refuses a member of the envelope, by its name if the bank tells it.
func unknownMember(name string) error {
	if told := tellable(name); told != "" {
		return &bankerr.FieldError{Field: told, Why: "a field that is not known"}
	}
	return errors.New("a field that is not known")
}
